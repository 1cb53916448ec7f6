"""Metrics of zeros and ones: precision, recall, F and Jaccard of a class, of a patch, or of all decisions pooled.

Precision H/P, recall H/T, F_b = (1 + b2) H / (b2 T + P), accuracy H / (T + P - H), with H hits, P predicted, T true and
b2 = b * b (Tsoumakas and Katakis, "Multi-label classification: an overview", IJDWM 2007; accuracy is Jaccard's index,
as the archive's authors call it). A ratio whose denominator is 0 counts as 0.
"""

import numpy as np

_F_WEIGHTS = {"f0_5": 0.25, "f1": 1.0, "f2": 4.0}  # b2, the weight of a miss against that of a false alarm


def count(truth: np.ndarray, predictions: np.ndarray, axis: int) -> np.ndarray:
    """Return hits, predicted and true along an axis, int64 [3, item], of two bool arrays [patch, class]."""
    return np.stack([values.sum(axis=axis) for values in (truth & predictions, predictions, truth)])


def compute_ratios(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return precision, recall, F0.5, F1, F2 and accuracy of each item, float64 [...].

    Args:
        counts: hits, predicted and true, [3, ...].
    """
    hits, predicted, true = np.asarray(counts, np.float64)
    denominators = {"precision": predicted, "recall": true}
    denominators |= {name: (weight * true + predicted) / (1 + weight) for name, weight in _F_WEIGHTS.items()}
    denominators["accuracy"] = true + predicted - hits
    # A denominator of 0 means no hit: 0 over anything positive.
    return {name: hits / np.where(below > 0, below, 1) for name, below in denominators.items()}


def compute_patch_decisions(truth: np.ndarray, predictions: np.ndarray) -> dict[str, np.ndarray]:
    """Return the metrics that are means over patches, float64 [patch] each, from bool [patch, class].

    The ratios are named `sample_...`. `hamming_loss`: share of wrong decisions; `subset_accuracy`: 1 where all are
    right; `predicted_cardinality`: how many classes are predicted.
    """
    ratios = compute_ratios(count(truth, predictions, axis=1))
    wrong = (truth ^ predictions).sum(axis=1)
    return {
        **{f"sample_{name}": values for name, values in ratios.items()},
        "hamming_loss": wrong / truth.shape[1],
        "subset_accuracy": (wrong == 0).astype(np.float64),
        "predicted_cardinality": predictions.sum(axis=1).astype(np.float64),
    }
