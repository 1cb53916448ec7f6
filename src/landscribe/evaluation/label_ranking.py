"""How a patch ranks its classes: one-error, coverage, ranking loss, label ranking average precision.

Definitions: Tsoumakas, Katakis, Vlahavas, "Mining multi-label data", in: Data Mining and Knowledge Discovery Handbook,
2010. Ties as in the archive authors' code: the rank of a class is the number of classes with an equal or higher score.
"""

import numpy as np


def compute_patch_rankings(truth: np.ndarray, scores: np.ndarray) -> dict[str, np.ndarray]:
    """Return the metrics of each patch, float64 [patch] each.

    `coverage`: the rank of the last true class; the best mean is the label cardinality.
    `ranking_loss`: share of pairs (true, false) in which the false class has an equal or higher score.
    `label_ranking_avg_precision`: mean over the true classes of the share of true ones among those of the same rank or
    better. `one_error`: whether the class with the highest score is false; with ties, the share of false ones, so that
    the class order has no effect. A patch without a class has a one-error of 1, and 0 in the others; a patch with every
    class has a ranking loss of 0.

    Args:
        truth: bool [patch, class].
        scores: [patch, class].
    """
    num_true = truth.sum(axis=1)
    coverage, precision, disordered = (np.zeros(len(truth)) for _ in range(3))
    for class_id in range(truth.shape[1]):
        is_true = truth[:, class_id]
        above = scores[is_true] >= scores[is_true, class_id, None]
        rank, true_above = above.sum(axis=1), (above & truth[is_true]).sum(axis=1)
        coverage[is_true] = np.maximum(coverage[is_true], rank)
        precision[is_true] += true_above / rank
        disordered[is_true] += rank - true_above
    highest = scores == scores.max(axis=1, keepdims=True)
    return {
        "one_error": (highest & ~truth).sum(axis=1) / highest.sum(axis=1),
        "coverage": coverage,
        "ranking_loss": disordered / np.maximum(num_true * (truth.shape[1] - num_true), 1),
        "label_ranking_avg_precision": precision / np.maximum(num_true, 1),
        "label_cardinality": num_true.astype(np.float64),
    }
