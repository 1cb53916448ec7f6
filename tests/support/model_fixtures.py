"""What the tests of the model side share: tiny records, a trained classifier, a store. PYTEST_DONT_REWRITE."""

import importlib
import os
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.conversion.config import ConvertConfig
from landscribe.conversion.converter import ConversionSource, convert
from landscribe.conversion.report import write_patch_statistics
from landscribe.core.nomenclature import make_nomenclature
from landscribe.index.labels import build_index, write_index
from landscribe.models.card import ModelCard
from landscribe.pipeline.config import NO_AUGMENTATION
from landscribe.records.schema import Manifest, write_manifest
from landscribe.records.statistics import PERCENTILES, read_statistics, write_statistics
from landscribe.registry.registration import Candidate
from landscribe.splits.assignment import read_splits, write_splits
from landscribe.splits.digest_order import rank_by_digest
from landscribe.training.config import TrainConfig

STORED_BANDS = ("B04", "B02", "B03", "B05", "B01", "VV")  # not in the order of their names
MODEL_BANDS = ("B05", "B02", "VV")  # resolutions and dtypes mixed, not in stored order


@dataclass(frozen=True)
class TinyRecords:
    """36 train, 12 val and 12 test patches of the demo archive, in several shards.

    Attributes:
        manifest: what is stored.
        folder: the records; the manifest lies beside them.
        index_path: index of the archive.
        statistics_path: band statistics of the train split.
        patch_statistics_path: mean and deviation of every patch.
    """

    manifest: Manifest
    folder: Path
    index_path: Path
    statistics_path: Path
    patch_statistics_path: Path

    @property
    def statistics(self) -> dict[str, dict[str, Any]]:
        """Band -> mean and std of the train split."""
        return read_statistics(self.statistics_path)


def make_train_config(**changed: Any) -> TrainConfig:
    """Return a section `train` that finishes in seconds, with some values changed."""
    values = {
        "bands": list(MODEL_BANDS),
        "backbone": "SmallResNet",
        "weights": None,
        "freeze_epochs": 0,
        "unfrozen_rate_factor": 0.1,
        "freeze_batch_norm": False,
        "first_layer_rate_factor": 1.0,
        "dropout": 0.1,
        "optimizer": "AdamW",
        "learning_rate": 1e-3,
        "weight_decay": 0.01,
        "schedule": "constant",
        "warmup_epochs": 0,
        "clip_norm": 0.0,
        "ema_momentum": 0.0,
        "average_last_fraction": 0.0,
        "head_scales": 1,
        "probe_penalty": 0.0,
        "norm_batches": 2,
        "epochs": 1,
        "loss": {
            "name": "bce",
            "weighted_bce": {"power": 0.5},
            "focal": {"gamma": 2.0, "alpha": None},
            "asymmetric": {"positive_gamma": 0.0, "negative_gamma": 4.0, "margin": 0.05},
        },
        "label_smoothing": 0.0,
        "early_stopping_epochs": 0,
        "keep": "best",
        "test_time_augmentation": False,
        "batch_size_patches": 12,
        "shuffle_buffer_patches": 36,
        "augmentation": NO_AUGMENTATION.model_dump() | {"dihedral": True},
        "modality_dropout": 0.0,
        "seed": 3,
        "mixed_precision": "auto",
        "deterministic": False,  # it cannot be taken back in a process
    }
    return TrainConfig.model_validate(values | changed)


@pytest.fixture(scope="session")
def records(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> TinyRecords:
    """Records of the demo archive, made once."""
    folder = tmp_path_factory.mktemp("records")
    archive = BigEarthNetV1(demo_root / "BigEarthNet-v1.0", demo_root / "BigEarthNet-S1-v1.0", name="demo")
    nomenclature = make_nomenclature("BEN-19", (), folder)
    table = build_index(archive.read_listing(), nomenclature).table
    index = table.to_pandas()
    ranked = rank_by_digest(index["patch_id"], 1, "split")
    fifth = len(ranked) // 5
    splits = {name: "test" if n < fifth else "val" if n < 2 * fifth else "train" for n, name in enumerate(ranked)}
    write_splits(dict(sorted(splits.items())), folder / "splits.parquet")
    config = ConvertConfig(
        bands=list(STORED_BANDS),
        image_size_px=64,
        max_nodata_fraction=0.5,
        shard_size_mb=1.0,
        max_bad_fraction=0.0,
        verify=False,
        seed=1,
    )
    order = (nomenclature.name, nomenclature.classes)
    source = ConversionSource(archive, "demo", index, read_splits(folder / "splits.parquet"), order)
    done = convert(source, config, folder / "records", folder / "scratch", num_workers=1)
    made = TinyRecords(
        manifest=done.manifest,
        folder=folder / "records",
        index_path=folder / "index.parquet",
        statistics_path=folder / "band_statistics.json",
        patch_statistics_path=folder / "patch_statistics.parquet",
    )
    write_index(table, made.index_path)
    write_statistics(done.statistics, made.statistics_path)
    write_patch_statistics(done, made.patch_statistics_path)
    write_manifest(done.manifest, made.folder / "manifest.json")
    return made


@dataclass(frozen=True)
class Trained:
    """A classifier trained for one epoch on the tiny records, and its file."""

    model: Any
    history: list[Mapping[str, float]]
    config: TrainConfig
    card: ModelCard
    path: Path


@pytest.fixture(scope="session")
def trained(records: TinyRecords, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A small classifier of `MODEL_BANDS`, trained once; never trained further."""
    from landscribe.models.artifact import write_model
    from landscribe.training.recipe import fit_classifier, make_card

    config = make_train_config()
    model, result = fit_classifier(
        records.manifest, records.folder, records.statistics, config, lambda epoch, row: None
    )
    card = make_card(records.manifest, records.statistics, config)
    path = tmp_path_factory.mktemp("trained") / "model.keras"
    write_model(model, card, path)
    return Trained(model, list(result.history), config, card, path)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root of a repository with an MLflow store of its own; the environment points there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own type hints while it loads
        importlib.import_module("mlflow.pyfunc")
    root = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(root))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
        for name in ("MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID"):  # MLflow writes them: put back at the end
            patch.setenv(name, "")
            patch.delenv(name)
        yield root


def make_percentiles(low: float, high: float) -> dict[str, dict[str, float]]:
    """Return statistics of a band with values evenly spread from `low` to `high`, percentiles alone."""
    return {"percentiles": {str(rank): low + (high - low) * rank / 100 for rank in PERCENTILES}}


def make_candidate(model_path: Path, test_macro_ap: float = 0.5, **changed: Any) -> Candidate:
    """Return a candidate of two classes and one band; the threshold follows the score, so that versions differ.

    Args:
        model_path: any file; its bytes are stored, not read.
        test_macro_ap: score of the test split.
        changed: `classes`, `test_digest` or `threshold`.
    """
    classes = tuple(changed.get("classes", ("forest", "water")))
    return Candidate(
        model_path=model_path,
        card=ModelCard(
            bands={"B02": {"size_px": 4, "dtype": "uint16"}},
            classes=classes,
            nomenclature="discovered",
            backbone="SmallResNet",
            resamples=False,
        ),
        thresholds=np.full(len(classes), changed.get("threshold", test_macro_ap)),
        metrics={"test_macro_ap": test_macro_ap},
        test_digest=changed.get("test_digest", "the test records"),
        example={"B02": np.zeros((1, 4, 4), np.uint16)},
        statistics=defaultdict(lambda: make_percentiles(100, 2000)),
    )


def make_plain_environment() -> dict[str, str]:
    """Return the environment for a subprocess: byte-code is kept, which saves seconds of TensorFlow's import."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
