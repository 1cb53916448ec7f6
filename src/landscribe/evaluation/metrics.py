"""Multi-label metrics, computed globally over a split.

Macro is the mean over the classes with a positive in that split; micro pools every decision; sample is the mean over
patches. Average precision is the non-interpolated sum of scikit-learn. Definitions: Tsoumakas and Katakis,
"Multi-label classification: an overview", IJDWM 2007; the archive authors' list in bigearthnet-models-tf.
"""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from landscribe.evaluation.average_precision import compute_average_precisions, compute_macro_ap

AVERAGES = {"macro": "macro", "micro": "micro", "sample": "samples"}


def compute_f_scores(truth: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """Return `<average>_<metric>` for precision, recall, F1 and F2 of 0/1 predictions, [patch, class] both.

    A ratio whose denominator is 0 counts as 0, as in scikit-learn.
    """
    scored = np.flatnonzero(truth.any(axis=0))
    metrics = {}
    for name, average in AVERAGES.items():
        columns = scored if name == "macro" else np.arange(truth.shape[1])
        for beta in (1, 2):
            precision, recall, f_score, _ = precision_recall_fscore_support(
                truth[:, columns], predictions[:, columns], beta=beta, average=average, zero_division=0
            )
            metrics[f"{name}_f{beta}"] = float(f_score)
        metrics |= {f"{name}_precision": float(precision), f"{name}_recall": float(recall)}
    return metrics


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
    predictions = scores >= thresholds
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # undefined ratios are set to 0 on purpose
        precision, recall, f1, support = precision_recall_fscore_support(truth, predictions, zero_division=0)
        f2 = precision_recall_fscore_support(truth, predictions, beta=2, zero_division=0)[2]
    average_precisions = compute_average_precisions(truth, scores)
    return [
        {
            "class": name,
            "num_positives": int(support[number]),
            "average_precision": float(average_precisions[number]),
            "threshold": float(thresholds[number]),
            "precision": float(precision[number]),
            "recall": float(recall[number]),
            "f1": float(f1[number]),
            "f2": float(f2[number]),
        }
        for number, name in enumerate(classes)
    ]
