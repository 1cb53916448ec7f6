"""Multi-label metrics, computed globally over a split.

Macro is the mean over the classes with a positive in that split; micro pools every decision; sample is the mean over
patches. Average precision is the non-interpolated sum of scikit-learn. Definitions: Tsoumakas and Katakis,
"Multi-label classification: an overview", IJDWM 2007; the archive authors' list in bigearthnet-models-tf.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import average_precision_score

from landscribe.evaluation.average_precision import compute_average_precisions, compute_macro_ap


def compute_f_scores(truth: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """Return `<average>_<metric>` for precision, recall, F1 and F2 of 0/1 predictions, [patch, class] both.

    A ratio whose denominator is 0 counts as 0, as in scikit-learn.
    """
    by_class, by_patch = _count(truth, predictions, axis=0), _count(truth, predictions, axis=1)
    counts = {"macro": by_class[:, truth.any(axis=0)], "micro": by_class.sum(axis=1, keepdims=True), "sample": by_patch}
    return {
        f"{average}_{name}": float(values.mean()) if values.size else 0.0
        for average, columns in counts.items()
        for name, values in _compute_ratios(columns).items()
    }


def _count(truth: np.ndarray, predictions: np.ndarray, axis: int) -> np.ndarray:
    """Return hits, predictions and positives along an axis, int64 [3, item]."""
    truth, predictions = truth.astype(bool), predictions.astype(bool)
    return np.stack([values.sum(axis=axis) for values in (truth & predictions, predictions, truth)])


def _compute_ratios(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return precision, recall, F1 and F2 of each item of `_count`."""
    hits, predicted, positives = counts
    denominators = {
        "precision": predicted,
        "recall": positives,
        "f1": (predicted + positives) / 2,
        "f2": (predicted + 4 * positives) / 5,
    }
    # A denominator of 0 means no hit: 0 over anything positive.
    return {name: hits / np.where(below > 0, below, 1) for name, below in denominators.items()}


def compute_metrics(truth: np.ndarray, scores: np.ndarray, thresholds: np.ndarray) -> dict[str, float]:
    """Return every headline metric of a split, without its prefix: a flat dict of finite numbers.

    Args:
        truth: [patch, class] of 0 and 1.
        scores: [patch, class] in [0, 1].
        thresholds: [class]; a class is predicted at a score of at least its threshold.
    """
    truth = truth.astype(bool)
    scored = truth.any(axis=0)
    metrics = {
        "macro_ap": compute_macro_ap(truth, scores),
        "micro_ap": float(average_precision_score(truth.ravel(), scores.ravel())) if truth.any() else 0.0,
        # A constant score ranks nothing: its average precision is the prevalence.
        "macro_ap_prior": float(truth.mean(axis=0)[scored].mean()) if scored.any() else 0.0,
        "num_patches": truth.shape[0],
        "num_classes_scored": int(scored.sum()),
    }
    metrics |= compute_f_scores(truth, scores >= thresholds)
    at_half = compute_f_scores(truth, scores >= 0.5)
    return metrics | {f"{name}_at_half": value for name, value in at_half.items()}


def compute_class_rows(
    truth: np.ndarray, scores: np.ndarray, thresholds: np.ndarray, classes: Sequence[str]
) -> list[dict[str, object]]:
    """Return one row a class: positives, average precision, threshold, precision, recall, F1 and F2."""
    counts = _count(truth, scores >= thresholds, axis=0)
    ratios = _compute_ratios(counts)
    average_precisions = compute_average_precisions(truth, scores)
    return [
        {
            "class": name,
            "num_positives": int(counts[2, number]),
            "average_precision": float(average_precisions[number]),
            "threshold": float(thresholds[number]),
            **{ratio: float(values[number]) for ratio, values in ratios.items()},
        }
        for number, name in enumerate(classes)
    ]
