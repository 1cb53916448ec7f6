"""All sections of params.yaml together: checked before any work starts, across sections too."""

from typing import Any

from landscribe.archive.config import ArchiveConfig
from landscribe.archive.layouts import open_archive
from landscribe.bands import S1_BANDS, check_bands
from landscribe.demo import DemoConfig
from landscribe.errors import ParamsError
from landscribe.evaluation.thresholds import EvaluateConfig
from landscribe.labels import DiscoverConfig
from landscribe.nomenclature import make_nomenclature
from landscribe.params import Section, check_sections, find_repository, parse_section
from landscribe.records.conversion import ConvertConfig
from landscribe.search import SearchConfig
from landscribe.splits import SplitConfig
from landscribe.tracking.config import RegisterConfig
from landscribe.training.config import TrainConfig

SECTIONS: dict[str, type[Section]] = {
    "archive": ArchiveConfig,
    "demo": DemoConfig,
    "discover": DiscoverConfig,
    "split": SplitConfig,
    "convert": ConvertConfig,
    "search": SearchConfig,
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
    "register": RegisterConfig,
}


def check_params(params: dict[str, Any]) -> None:
    """Raise `ParamsError` unless every section is valid and the sections fit each other."""
    check_sections(params, SECTIONS)
    config = parse_section(params, "archive", ArchiveConfig)
    make_nomenclature(config.nomenclature, [], find_repository())  # a name mistyped is told before the archive is read
    archive = open_archive(config)
    convert = parse_section(params, "convert", ConvertConfig)
    train = parse_section(params, "train", TrainConfig)
    if any(name in S1_BANDS for name in convert.bands) and "VV" not in archive.bands:
        raise ParamsError(
            "convert.bands: VV and VH come from the Sentinel-1 twins. Set archive.s1_root to their folder (layout"
            " bigearthnet-v1), or take the two bands out."
        )
    check_bands(convert.bands, dict(archive.bands), "convert.bands")
    missing = [name for name in train.bands if name not in convert.bands]
    if missing:
        raise ParamsError(
            f"train.bands: expected a subset of convert.bands ({', '.join(convert.bands)}); received"
            f" {', '.join(missing)} besides."
        )
    search = parse_section(params, "search", SearchConfig)
    backbones = [train.backbone, *(search.backbones if search.trials else [])]
    if "SmallResNet" in backbones and (train.weights or not train.trainable_backbone):
        raise ParamsError(
            "SmallResNet (train.backbone or search.backbones) has no pretrained weights; set train.weights to null and"
            " train.trainable_backbone to true, or name backbones of keras.applications."
        )
    if not train.trainable_backbone and train.weights is None:
        raise ParamsError(
            "train.trainable_backbone: false freezes random features; set train.weights to imagenet, or set it to true."
        )
    if train.weights == "imagenet" and len(train.bands) != 3:
        raise ParamsError(f"train.weights: imagenet takes three bands, red first; train.bands has {train.bands}.")
