"""losses: what each loss gains over plain cross-entropy on the demo archive, in all classes and in the rare half.

Every loss is trained with the same seeds, with the sections of params.yaml as they stand. A gain is the mean over the
seeds of the difference in test average precision. Its interval is by patch, for these trainings: what other seeds would
change is no part of it, so the difference of each seed stands beside it. A training a loss and seed: half an hour on
two cores.
"""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import Figure
from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.conversion.config import ConvertConfig
from landscribe.conversion.converter import ConversionSource, convert
from landscribe.core.average_precision import compute_average_precisions
from landscribe.core.multi_hot import encode_multi_hot
from landscribe.core.nomenclature import make_nomenclature
from landscribe.core.params import PARAMS_FILE, parse_section, read_params
from landscribe.core.patch import S1_FOLDER, S2_FOLDER
from landscribe.demo.config import DemoConfig
from landscribe.demo.writer import write_demo_archive
from landscribe.evaluation.bootstrap import ScoredSplit, compute_draws, compute_interval
from landscribe.evaluation.config import BootstrapConfig, EvaluateConfig
from landscribe.index.labels import build_index
from landscribe.records.schema import Manifest
from landscribe.splits.config import SplitConfig
from landscribe.splits.strategies import make_splits
from landscribe.training.config import TrainConfig

PLAIN = "bce"
LOSSES = (PLAIN, "weighted_bce", "focal", "asymmetric")
SEEDS = (7, 8, 9)
_CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Records:
    """What is trained on.

    Attributes:
        folder: of the records.
        manifest: what they hold.
        statistics: band -> mean and std of the train split.
        positives: int64 [class], train patches that carry each class.
    """

    folder: Path
    manifest: Manifest
    statistics: dict[str, dict[str, Any]]
    positives: np.ndarray


@dataclass(frozen=True)
class _Measured:
    """Test average precision: of all patches, float64 [class], and of each draw, float64 [draw, class]."""

    value: np.ndarray
    draws: np.ndarray


def run() -> list[Figure]:
    """Train and compare; every line of the table is a figure, its interval goes to stdout."""
    params = read_params(_CHECKOUT / PARAMS_FILE)
    train = parse_section(params, "train", TrainConfig)
    bootstrap = parse_section(params, "evaluate", EvaluateConfig).bootstrap
    with tempfile.TemporaryDirectory() as name:
        records = make_records(Path(name), params)
        measured = {loss: [_measure(records, _vary(train, loss, seed), bootstrap) for seed in SEEDS] for loss in LOSSES}
    ranked = np.argsort(records.positives, kind="stable")
    half = len(ranked) // 2
    most = int(records.positives[ranked[half - 1]])
    groups = {"all classes": ranked, f"the {half} classes of at most {most} train patches": ranked[:half]}
    return [
        _compare(f"{loss}, {group}", measured[PLAIN], measured[loss], classes, bootstrap)
        for group, classes in groups.items()
        for loss in LOSSES[1:]
    ]


def make_records(folder: Path, params: dict[str, Any]) -> Records:
    """Write the demo archive of params.yaml and its records, as the stages do."""
    root = folder / "demo"
    write_demo_archive(parse_section(params, "demo", DemoConfig), root)
    archive = BigEarthNetV1(root / S2_FOLDER, root / S1_FOLDER, name="demo")
    nomenclature = make_nomenclature("BEN-19", [], folder)
    index = build_index(archive.read_listing(), nomenclature).table.to_pandas()
    splits = make_splits(index, parse_section(params, "split", SplitConfig)).splits
    table = pd.DataFrame({"patch_id": list(splits), "split": list(splits.values())})
    source = ConversionSource(archive, "demo", index, table, (nomenclature.name, nomenclature.classes))
    config = parse_section(params, "convert", ConvertConfig)
    done = convert(source, config, folder / "records", folder / "scratch")
    learnt = index["patch_id"].map(splits) == "train"
    return Records(
        folder=folder / "records",
        manifest=done.manifest,
        statistics={band: statistics.summarise() for band, statistics in done.statistics.items()},
        positives=encode_multi_hot(index["labels"][learnt], nomenclature.classes).sum(axis=0).astype(np.int64),
    )


def _vary(train: TrainConfig, loss: str, seed: int) -> TrainConfig:
    return TrainConfig.model_validate(
        train.model_dump() | {"loss": train.loss.model_dump() | {"name": loss}, "seed": seed}
    )


def _measure(records: Records, config: TrainConfig, bootstrap: BootstrapConfig) -> _Measured:
    """Train once and score test."""
    from landscribe.models.scoring import make_predict, predict_scores
    from landscribe.pipeline.dataset import make_eval_dataset
    from landscribe.training.recipe import fit_classifier, prepare

    prepare(records.manifest, config, "auto")
    model, result = fit_classifier(
        records.manifest, records.folder, records.statistics, config, lambda epoch, row: None
    )
    batches = make_eval_dataset(records.manifest, records.folder, "test", config.bands, config.batch_size_patches)
    _, truth, scores = predict_scores(make_predict(model), batches, records.manifest.num_records("test"))
    values = compute_average_precisions(truth, scores)
    scored = ScoredSplit(truth.astype(bool), scores, np.full(truth.shape[1], 0.5))
    words = (config.loss.name, config.seed, np.nanmean(values), result.best_val_macro_ap)
    sys.stdout.write("losses: {}, seed {}: test macro AP {:.4f} (best val {:.4f})\n".format(*words))
    sys.stdout.flush()
    return _Measured(values, compute_draws(scored, bootstrap).classes["average_precision"])


def _compare(
    name: str,
    plain: Sequence[_Measured],
    other: Sequence[_Measured],
    classes: np.ndarray,
    bootstrap: BootstrapConfig,
) -> Figure:
    """Return the mean over the seeds of the macro average precision of some classes, beside that of `bce`."""
    before, after = (np.array([np.nanmean(row.value[classes]) for row in rows]) for rows in (plain, other))
    gains = after - before
    draws = np.mean(
        [
            np.nanmean(second.draws[:, classes] - first.draws[:, classes], axis=1)
            for first, second in zip(plain, other, strict=True)
        ],
        axis=0,
    )
    low, high = compute_interval(float(gains.mean()), draws, bootstrap.confidence)
    seeds = ", ".join(f"{gain:+.4f}" for gain in gains)
    sys.stdout.write(
        f"losses: {name}: {gains.mean():+.4f} [{low:+.4f}, {high:+.4f}] against {PLAIN}; by seed {seeds}\n"
    )
    value, reference = float(after.mean()), float(before.mean())
    return Figure(f"losses: {name}", value, "macro AP", reference, value / reference, None)
