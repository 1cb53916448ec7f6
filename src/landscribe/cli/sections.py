"""Checks of all sections of params.yaml, alone and together, before any work starts."""

from typing import Any

from landscribe.archive.config import ArchiveConfig
from landscribe.archive.layouts import open_archive
from landscribe.conversion.config import ConvertConfig
from landscribe.core.bands import S1_BANDS, check_bands
from landscribe.core.errors import ParamsError
from landscribe.core.nomenclature import make_nomenclature
from landscribe.core.params import Section, check_sections, find_repository, parse_section
from landscribe.demo.config import DemoConfig
from landscribe.evaluation.config import EvaluateConfig
from landscribe.index.config import DiscoverConfig
from landscribe.maps.config import MapConfig
from landscribe.models.config import MachineConfig, find_kind
from landscribe.registry.config import PromoteConfig, RegisterConfig
from landscribe.search.config import SearchConfig
from landscribe.search.variation import make_space
from landscribe.splits.config import SplitConfig
from landscribe.training.config import TrainConfig
from landscribe.training.weights import find_source

WITH_OFFICIAL_SPLIT = ("bigearthnet-v2", "bigearthnet-tfrecord", "rico-hdl")

SECTIONS: dict[str, type[Section]] = {
    "archive": ArchiveConfig,
    "demo": DemoConfig,
    "discover": DiscoverConfig,
    "split": SplitConfig,
    "convert": ConvertConfig,
    "search": SearchConfig,
    "train": TrainConfig,
    "machine": MachineConfig,
    "evaluate": EvaluateConfig,
    "register": RegisterConfig,
    "promote": PromoteConfig,
    "map": MapConfig,
}


def check_params(params: dict[str, Any]) -> None:
    """Raise `ParamsError` unless every section is valid and the sections fit each other."""
    check_sections(params, SECTIONS)
    archive = parse_section(params, "archive", ArchiveConfig)
    train = parse_section(params, "train", TrainConfig)
    _check_labels(archive)
    _check_official(parse_section(params, "split", SplitConfig), archive)
    _check_bands(archive, parse_section(params, "convert", ConvertConfig), train)
    search = parse_section(params, "search", SearchConfig)
    make_space(search, train)
    _check_weights(train, search)


def _check_labels(archive: ArchiveConfig) -> None:
    """Refuse a nomenclature that is mistyped, or that the archive has no labels for, before the archive is read."""
    make_nomenclature(archive.nomenclature, [], find_repository())
    if archive.layout == "bigearthnet-v2" and archive.nomenclature in ("CLC-43", "CLC-codes") and not archive.maps_root:
        raise ParamsError(
            f"archive.nomenclature: the metadata of BigEarthNet v2 know BEN-19 alone; for {archive.nomenclature} set"
            " archive.maps_root to the folder Reference_Maps."
        )


def _check_official(split: SplitConfig, archive: ArchiveConfig) -> None:
    """Refuse the official split of an archive that has none."""
    if split.strategy == "official" and not split.files and archive.layout not in WITH_OFFICIAL_SPLIT:
        raise ParamsError(
            f"split.files: layout {archive.layout} has no split of its own ({', '.join(WITH_OFFICIAL_SPLIT)} have);"
            " name three lists, train, val, test, or choose another split.strategy."
        )


def _check_bands(archive: ArchiveConfig, convert: ConvertConfig, train: TrainConfig) -> None:
    """Refuse bands that are not in the archive, or are not converted."""
    bands = dict(open_archive(archive).bands)
    if archive.layout == "tagged-images" and (unnamed := [name for name in convert.bands if name not in bands]):
        raise ParamsError(
            f"convert.bands: expected bands out of {', '.join(bands)}; received {', '.join(unnamed)} besides. Name all"
            " bands of the images in archive.band_order, or take these out."
        )
    if any(name in S1_BANDS for name in convert.bands) and "VV" not in bands:
        raise ParamsError(
            "convert.bands: VV and VH come from the Sentinel-1 twins. Set archive.s1_root to their folder (layouts"
            " bigearthnet-v1 and bigearthnet-v2), or take the two bands out."
        )
    check_bands(convert.bands, bands, "convert.bands")
    missing = [name for name in train.bands if name not in convert.bands]
    if missing:
        raise ParamsError(
            f"train.bands: expected a subset of convert.bands ({', '.join(convert.bands)}); received"
            f" {', '.join(missing)} besides."
        )


def _check_weights(train: TrainConfig, search: SearchConfig) -> None:
    """Refuse pretrained weights that are not there or of another backbone, and frozen random ones."""
    backbones = [train.backbone, *(search.backbones if search.trials else [])]
    kind = train.weights and find_kind(train.weights)
    if "SmallResNet" in backbones and kind in ("imagenet", "keras_weights"):
        raise ParamsError(
            "SmallResNet (train.backbone or search.backbones) has no weights in Keras; set train.weights to null or to"
            " a model of the stage train, or name backbones of keras.applications."
        )
    if train.freeze_epochs and train.weights is None:
        raise ParamsError(
            f"train.freeze_epochs: {train.freeze_epochs} freezes random features; set train.weights, e.g. to imagenet,"
            " or set it to 0."
        )
    if train.freeze_batch_norm and train.weights is None:
        raise ParamsError(
            "train.freeze_batch_norm: true freezes the statistics of random weights; set train.weights, e.g. to"
            " imagenet, or set it to false."
        )
    find_source(train.weights, backbones)
