"""The tables of `evaluate`: every metric with its intervals, one row per class, thresholds and their gain."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from landscribe.core.scores import Scores
from landscribe.evaluation.bootstrap import ScoredSplit, compute_draws, compute_interval
from landscribe.evaluation.calibration import compute_calibration_error
from landscribe.evaluation.config import EvaluateConfig
from landscribe.evaluation.metrics import Metrics, measure
from landscribe.evaluation.tally import AT_HALF, Weighed

_WITH_INTERVAL = ("average_precision", "f1")
_COUNTS = ("coverage", "label_cardinality", "predicted_cardinality", f"predicted_cardinality{AT_HALF}")


def make_draws(
    test: Scores, thresholds: np.ndarray, tiles: np.ndarray | None, config: EvaluateConfig
) -> dict[str, Weighed]:
    """Return the draws of the test split by unit: `patch`, and `tile` if the tiles are known.

    Args:
        test: truth and scores.
        thresholds: [class].
        tiles: intp [patch], the number of each patch's tile; None: unknown.
        config: draws and seed.
    """
    truth = test.truth.astype(bool)
    units = {"patch": None} | ({} if tiles is None else {"tile": tiles})
    return {
        unit: compute_draws(ScoredSplit(truth, test.scores, thresholds, numbers), config.bootstrap)
        for unit, numbers in units.items()
    }


def make_metric_table(
    val: Mapping[str, float], test: Mapping[str, float], draws: Mapping[str, Weighed], confidence: float
) -> pd.DataFrame:
    """Return one row per metric: metric, val, test, and the ends of the test interval, `low_by_patch` and so on.

    A metric without draws, such as a count, has NaN ends.
    """
    rows = []
    for name, value in test.items():
        row: dict[str, object] = {"metric": name, "val": val[name], "test": value}
        for unit, drawn in draws.items():
            ends = (np.nan, np.nan)
            if name in drawn.metrics:
                ends = compute_interval(value, drawn.metrics[name], confidence, _find_bounds(name))
            row[f"low_by_{unit}"], row[f"high_by_{unit}"] = ends
        rows.append(row)
    return pd.DataFrame(rows)


def _find_bounds(name: str) -> tuple[float, float]:
    """Return the smallest and the largest possible value of a metric; a count of classes is bounded by their number."""
    if name in _COUNTS:
        return 0, np.inf
    return (-1 if name.endswith("_gain") else 0), 1


def make_class_table(
    test: Scores, measured: Metrics, thresholds: np.ndarray, draws: Weighed, config: EvaluateConfig
) -> pd.DataFrame:
    """Return one row per class, in class order: positives, prior, metrics, intervals, calibration error.

    A class without a positive in test has NaN for every metric that needs one.
    """
    table: dict[str, object] = {
        "class": test.classes,
        "num_positives": test.truth.sum(axis=0).astype(int),
        "prior": test.truth.mean(axis=0, dtype=np.float64),
        "threshold": thresholds,
    }
    for name, numbers in measured.classes.items():
        table[name] = numbers
        if name in _WITH_INTERVAL:
            columns = zip(numbers, draws.classes[name].T, strict=True)
            ends = [compute_interval(*column, config.bootstrap.confidence, (0, 1)) for column in columns]
            table[f"{name}_low"], table[f"{name}_high"] = np.array(ends).T
    table["calibration_error"] = _compute_class_errors(test, config)
    return pd.DataFrame(table)


def make_threshold_table(
    scores: Mapping[str, Scores], measured: Mapping[str, Metrics], thresholds: np.ndarray
) -> pd.DataFrame:
    """Return one row per class: threshold, and for each split positives, F1 and F2 with their gain over 0.5."""
    table: dict[str, object] = {"class": scores["val"].classes, "threshold": thresholds}
    for split, metrics in measured.items():
        table[f"{split}_num_positives"] = scores[split].truth.sum(axis=0).astype(int)
        for name in ("f1", "f2"):
            fitted, at_half = metrics.classes[name], metrics.classes[f"{name}{AT_HALF}"]
            table |= {f"{split}_{name}": fitted, f"{split}_{name}{AT_HALF}": at_half}
            table[f"{split}_{name}_gain"] = fitted - at_half
    return pd.DataFrame(table)


def measure_split(scores: Scores, thresholds: np.ndarray, config: EvaluateConfig) -> Metrics:
    """Return every metric of `measure`, and the calibration error of all decisions and its mean by class."""
    measured = measure(scores.truth, scores.scores, thresholds)
    by_class = _compute_class_errors(scores, config)[scores.truth.any(axis=0)]
    errors = {
        "micro_calibration_error": compute_calibration_error(scores.truth, scores.scores, config.calibration_bins),
        "macro_calibration_error": float(by_class.mean()) if len(by_class) else 0.0,
    }
    return Metrics(measured.overall | errors, measured.classes)


def _compute_class_errors(scores: Scores, config: EvaluateConfig) -> np.ndarray:
    columns = zip(scores.truth.T, scores.scores.T, strict=True)
    return np.array([compute_calibration_error(*column, config.calibration_bins) for column in columns])
