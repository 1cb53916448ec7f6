"""Every metric of a split: the list of the archive's authors, and average precision.

Computed over the whole split, never as an average of batches. Macro is the mean over the classes with a positive in
that split; micro pools every decision; sample is the mean over patches. docs/evaluation.md gives formula, source and
bounds of each.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from landscribe.evaluation.tally import AT_HALF, make_tally, weigh

# The content of metrics/*.json, also in MLflow: few enough to compare runs. The rest is in reports/evaluate/.
HEADLINE = (
    "macro_ap", "micro_ap", "macro_ap_prior", "macro_f1", "macro_f2", "micro_f1", "sample_f1", "sample_f2",
    f"macro_f1{AT_HALF}", f"macro_f2{AT_HALF}", f"micro_f1{AT_HALF}", f"sample_f1{AT_HALF}", f"sample_f2{AT_HALF}",
    "micro_calibration_error", "num_patches", "num_classes_scored",
)  # fmt: skip


@dataclass(frozen=True)
class Metrics:
    """The metrics of a split.

    Attributes:
        overall: name -> value, finite.
        classes: average precision and ratios, name -> float64 [class]; NaN for a class without a positive.
    """

    overall: dict[str, float]
    classes: dict[str, np.ndarray]


def measure(truth: np.ndarray, scores: np.ndarray, thresholds: np.ndarray) -> Metrics:
    """Return every metric of a split.

    Args:
        truth: [patch, class] of 0 and 1.
        scores: [patch, class] in [0, 1], no NaN.
        thresholds: [class]; a class is predicted at a score of at least its threshold.
    """
    weighed = weigh(make_tally(truth, scores, thresholds), np.ones((1, len(truth)), np.int32))
    counts = {"num_patches": len(truth), "num_classes_scored": int((truth > 0).any(axis=0).sum())}
    overall = {name: float(values[0]) for name, values in weighed.metrics.items()} | counts
    return Metrics(overall, {name: values[0] for name, values in weighed.classes.items()})


def compute_metrics(truth: np.ndarray, scores: np.ndarray, thresholds: np.ndarray) -> dict[str, float]:
    """Return the `overall` metrics of `measure`, without the prefix of the split."""
    return measure(truth, scores, thresholds).overall


def choose_headline(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics of `HEADLINE`, in its order."""
    return {name: metrics[name] for name in HEADLINE}
