"""Average precision by class: what training watches on val.

Apart from the other metrics, so that those can change without a new training. Non-interpolated, as scikit-learn
computes it: the sum of precision times the step in recall.
"""

import numpy as np
from sklearn.metrics import average_precision_score


def compute_average_precisions(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the average precision of each class, float64 [class]; NaN for a class without a positive.

    Args:
        truth: [patch, class] of 0 and 1.
        scores: [patch, class]; only the order within a class matters.
    """
    values = np.full(truth.shape[1], np.nan)
    for number in np.flatnonzero(truth.any(axis=0)):
        values[number] = average_precision_score(truth[:, number], scores[:, number])
    return values


def compute_macro_ap(truth: np.ndarray, scores: np.ndarray) -> float:
    """Return the mean average precision over the classes with a positive; 0 when no class has one."""
    values = compute_average_precisions(truth, scores)
    return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
