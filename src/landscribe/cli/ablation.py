"""Ablation of the sensors: one section `train` on Sentinel-1, on Sentinel-2 and on both, in one table.

Trainings and scores are those of the stages `train` and `score`: the same code from the same records. What is finished
stays in the scratch folder, so that a call that was killed goes on where it was.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from landscribe.core.average_precision import compute_macro_ap
from landscribe.core.bands import SENSORS, group_by_sensor
from landscribe.core.errors import ParamsError
from landscribe.core.files import write_csv
from landscribe.core.params import find_scratch
from landscribe.core.scores import Scores, read_scores, write_scores
from landscribe.evaluation.bootstrap import ScoredSplit, compute_draws, compute_interval
from landscribe.evaluation.config import EvaluateConfig
from landscribe.evaluation.metrics import compute_metrics
from landscribe.evaluation.paired import Difference, compare
from landscribe.evaluation.thresholds import fit_thresholds
from landscribe.figures.charts import draw_intervals
from landscribe.figures.tables import format_table
from landscribe.models.config import Device
from landscribe.models.pretrained import Pretrained
from landscribe.models.scoring import make_predict, predict_scores
from landscribe.pipeline.dataset import make_eval_dataset
from landscribe.pipeline.modality import Fills, make_fills, remove_sensor
from landscribe.records.schema import Manifest, check_not_empty, read_manifest
from landscribe.records.statistics import read_statistics
from landscribe.tracking import runs
from landscribe.tracking.provenance import make_tags
from landscribe.training.config import TrainConfig
from landscribe.training.epoch_lines import log_lines
from landscribe.training.identity import TRAINING, identify
from landscribe.training.recipe import fit_classifier, prepare, read_pretrained
from landscribe.training.session import open_session
from landscribe.training.state import TrainState, open_state

S1, S2 = SENSORS
BOTH = f"{S1}+{S2}"
_STUDY = "ablation"
_SPLITS = ("val", "test")
_BATCH_SIZE_PATCHES = 64
_UNKNOWN = Difference(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Data:
    """What every training of an ablation shares: records, band statistics, and the tags of its runs."""

    manifest: Manifest
    records_dir: Path
    statistics: Mapping[str, Mapping[str, Any]]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Row:
    """One model on one kind of input.

    Attributes:
        sensors: S1, S2 or S1+S2, and what is missing from the input.
        bands: those that the input holds.
        against: `sensors` of the row that the difference is taken from; empty: none.
        val: truth and scores.
        test: the same of the test split.
    """

    sensors: str
    bands: Sequence[str]
    against: str
    val: Scores
    test: Scores


def ablate(
    train: TrainConfig, evaluate: EvaluateConfig, device: Device, data_dir: Path, report_dir: Path
) -> pd.DataFrame:
    """Train the missing models, write and log the report, and return its table, as `make_table` does.

    Args:
        train: section `train`; its bands are varied as `choose_bands` says.
        evaluate: section `evaluate`: thresholds and intervals.
        device: where to compute, `machine.device`.
        data_dir: has `records`, `band_statistics.json` and the files that say where they come from.
        report_dir: receives ablation.csv and ablation.png.

    Raises:
        ParamsError: no band of a sensor is stored.
        TrainingError: training cannot start, or another process is at the same ablation.
    """
    manifest = read_manifest(data_dir / "records/manifest.json")
    check_not_empty(manifest, "test")
    sections = vary_bands(train, manifest.bands)
    name = prepare(manifest, sections[BOTH], device)
    tags = make_tags(manifest, name, data_dir)
    data = Data(manifest, data_dir / "records", read_statistics(data_dir / "band_statistics.json"), tags)
    with _open_parent(sections, data):
        rows = [row for sensors, section in sections.items() for row in _measure(sensors, section, data)]
        table = make_table(rows, evaluate)
        _write_report(report_dir, table)
        runs.log_files(report_dir, _STUDY)
    return table


def choose_bands(wanted: Sequence[str], stored: Sequence[str]) -> dict[str, list[str]]:
    """Return S1, S2 and S1+S2 -> bands: of each sensor those that `wanted` names, all stored ones where it names none.

    Raises:
        ParamsError: no band of a sensor is stored.
    """
    chosen = group_by_sensor(stored) | group_by_sensor(wanted)
    missing = [sensor for sensor in SENSORS if sensor not in chosen]
    if missing:
        raise ParamsError(
            f"convert.bands: expected bands of {S1} ({', '.join(SENSORS[S1])}) and of {S2}; {' and '.join(missing)} has"
            f" none among {', '.join(stored)}. Add them, and archive.s1_root where the layout needs it."
        )
    added = [name for sensor in (S2, S1) for name in chosen[sensor] if name not in wanted]
    return {S1: chosen[S1], S2: chosen[S2], BOTH: [*wanted, *added]}


def vary_bands(train: TrainConfig, stored: Sequence[str]) -> dict[str, TrainConfig]:
    """Return the section `train` of each training; a model of one sensor has none to lose."""
    return {
        sensors: train.vary({"bands": bands} | ({} if sensors == BOTH else {"modality_dropout": 0.0}))
        for sensors, bands in choose_bands(train.bands, stored).items()
    }


@contextlib.contextmanager
def _open_parent(sections: Mapping[str, TrainConfig], data: Data) -> Iterator[None]:
    """Open the ablation's run, the one it had before where there is one, for this process alone."""
    values = {sensors: section.model_dump() for sensors, section in sections.items()}
    digest = identify(TRAINING, _STUDY, values, data.manifest.digest, data.tags["device"])
    params = {"train": sections[BOTH].model_dump()}
    with (
        open_state(find_scratch() / _STUDY, digest) as state,
        runs.start_training(_STUDY, data.tags, params, digest, state.read_run_id()) as run_id,
    ):
        state.write_run_id(run_id)
        runs.log_dataset(data.manifest, data.records_dir, _STUDY)
        yield


def _measure(sensors: str, config: TrainConfig, data: Data) -> list[Row]:
    """Return the rows of one training: on whole inputs and, where it learnt to do without, with either sensor missing.

    The scores lie beside the state of the training; those that are there are not made again.
    """
    fills = make_fills(data.manifest, data.statistics, config.bands) if config.modality_dropout else {}
    variants: Fills = {"": {}} | fills  # what is missing -> what stands for it
    start, name = read_pretrained(data.manifest, config), f"{_STUDY}-{sensors}"
    tags = {**data.tags, **(start.tags if start else {})}
    with open_session(name, config, data.manifest, data.statistics, tags, study=_STUDY) as (_, state):
        paths = {(lost, split): state.folder / f"{split}{lost}.parquet" for lost in variants for split in _SPLITS}
        if not all(path.is_file() for path in paths.values()):
            model = _train(config, data, state, start)
            for (lost, split), path in paths.items():
                write_scores(_score(model, config, data, split, variants[lost]), path)
            for lost in variants:
                metric = f"test_macro_ap_without_{lost}" if lost else "test_macro_ap"
                test = read_scores(paths[lost, "test"])
                runs.log_metrics({metric: compute_macro_ap(test.truth, test.scores)})
    against = {"": {S1: "", S2: S1, BOTH: S2}[sensors], S1: S2, S2: S1}
    return [
        Row(
            f"{sensors} without {lost}" if lost else sensors,
            [band for band in config.bands if band not in fill],
            against[lost],
            *(read_scores(paths[lost, split]) for split in _SPLITS),
        )
        for lost, fill in variants.items()
    ]


def _train(config: TrainConfig, data: Data, state: TrainState, start: Pretrained | None) -> Any:
    """Return the trained classifier; its run is open."""
    runs.log_dataset(data.manifest, data.records_dir, "training")
    say = log_lines(config, data.tags["device"], runs.log_epoch)
    model, result = fit_classifier(data.manifest, data.records_dir, data.statistics, config, say, state, start)
    runs.log_metrics(result.outcome)
    return model


def _score(model: Any, config: TrainConfig, data: Data, split: str, fill: Mapping[str, float]) -> Scores:
    """Return truth and scores of a split whose bands of `fill` are missing."""
    batches = make_eval_dataset(data.manifest, data.records_dir, split, config.bands, _BATCH_SIZE_PATCHES)
    batches = batches.map(lambda patch_ids, bands, multi_hot: (patch_ids, remove_sensor(bands, fill), multi_hot))
    return Scores(
        *predict_scores(make_predict(model), batches, data.manifest.num_records(split)), data.manifest.classes
    )


def make_table(rows: Sequence[Row], config: EvaluateConfig) -> pd.DataFrame:
    """Return one row per model and input: `sensors`, `bands`, and what it scores.

    val_macro_ap, test_macro_ap with the ends of its interval, test_micro_ap, test_macro_ap_prior; `against`, another
    row's `sensors`, and the paired `difference` of test macro average precision to it with the ends of its interval.
    Intervals are by patch. NaN where there is nothing to compare with.
    """
    thresholds = {row.sensors: fit_thresholds(row.val.truth, row.val.scores, config) for row in rows}
    tests = {row.sensors: (row.test, thresholds[row.sensors]) for row in rows}
    table = []
    for row in rows:
        metrics = compute_metrics(row.test.truth, row.test.scores, thresholds[row.sensors])
        scored = ScoredSplit(row.test.truth.astype(bool), row.test.scores, thresholds[row.sensors])
        draws = compute_draws(scored, config.bootstrap).metrics["macro_ap"]
        low, high = compute_interval(metrics["macro_ap"], draws, config.bootstrap.confidence, (0, 1))
        gain = _UNKNOWN
        if row.against:
            gain = compare(tests[row.against], tests[row.sensors], config.bootstrap)["macro_ap"]
        table.append(
            {
                "sensors": row.sensors,
                "bands": " ".join(row.bands),
                "val_macro_ap": compute_macro_ap(row.val.truth, row.val.scores),
                "test_macro_ap": metrics["macro_ap"],
                "test_macro_ap_low": low,
                "test_macro_ap_high": high,
                "test_micro_ap": metrics["micro_ap"],
                "test_macro_ap_prior": metrics["macro_ap_prior"],
                "against": row.against,
                "difference": gain.value,
                "difference_low": gain.low,
                "difference_high": gain.high,
            }
        )
    return pd.DataFrame(table)


def format_report(table: pd.DataFrame) -> str:
    """Return the table as the terminal shows it: one line per row."""
    header = ("sensors", "val macro AP", "test macro AP", "interval", "test micro AP", "gain", "interval", "over")
    rows = [
        (
            row.sensors,
            f"{row.val_macro_ap:.4f}",
            f"{row.test_macro_ap:.4f}",
            f"[{row.test_macro_ap_low:.4f}, {row.test_macro_ap_high:.4f}]",
            f"{row.test_micro_ap:.4f}",
            f"{row.difference:+.4f}" if row.against else "",
            f"[{row.difference_low:+.4f}, {row.difference_high:+.4f}]" if row.against else "",
            row.against,
        )
        for row in table.itertuples()
    ]
    return "\n".join(format_table(header, rows))


def _write_report(folder: Path, table: pd.DataFrame) -> None:
    """Write ablation.csv and ablation.png."""
    write_csv(folder / "ablation.csv", table)
    draw_intervals(
        folder / "ablation.png",
        "Test macro average precision by sensor with its interval, and its prior",
        table["sensors"].tolist(),
        table["test_macro_ap"].tolist(),
        table[["test_macro_ap_low", "test_macro_ap_high"]].to_numpy(),
        table["test_macro_ap_prior"].tolist(),
        "macro average precision",
    )
