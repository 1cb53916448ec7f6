"""Average precision by class: the metric that training monitors on val, and that promotion decides by.

Separate from the other metrics, so that those can change without a new training. Non-interpolated: the sum of precision
times the step in recall over the distinct scores, highest first (Zhu 2004, "Recall, precision and average precision").
Equal scores enter together, so that the order of the patches does not matter.
"""

from dataclasses import dataclass

import numpy as np

_BLOCK_DECISIONS = 300_000  # weighed at once: fits into the cache, and saves most of the calls for small problems


@dataclass(frozen=True)
class RankedDecisions:
    """Decisions in the order of their scores: sorted once, then weighed once per draw.

    A cut is a distinct score of a true decision: recall changes only there. Decisions below the last cut have no
    effect, and are left out.

    Attributes:
        owners: intp [decision], the patch, or unit of patches, whose weight a decision has; highest score first.
        true_owners: intp [positive], the same for the true decisions only.
        ends: intp [cut], place in `owners` of the last decision of the cut's score.
        true_ends: intp [cut], place in `true_owners` of the last true one.
    """

    owners: np.ndarray
    true_owners: np.ndarray
    ends: np.ndarray
    true_ends: np.ndarray


def rank_decisions(truth: np.ndarray, scores: np.ndarray, owners: np.ndarray | None = None) -> RankedDecisions:
    """Sort decisions by score.

    Args:
        truth: bool [decision].
        scores: float [decision], no NaN.
        owners: intp [decision], as in `RankedDecisions`; None: each decision has its own weight, in order.
    """
    order = np.argsort(-scores)  # three times as fast as a stable sort; the order of equal scores does not matter
    ranked, places = scores[order], np.flatnonzero(truth[order])
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # of each distinct score
    cut = np.searchsorted(last, places)
    true_ends = np.flatnonzero(np.append(cut[1:] != cut[:-1], True)[: len(cut)])
    ends = last[cut[true_ends]]
    ranked_owners = order if owners is None else owners[order]
    return RankedDecisions(ranked_owners[: ends[-1] + 1 if len(ends) else 0], ranked_owners[places], ends, true_ends)


def weigh_average_precision(ranked: RankedDecisions, weights: np.ndarray) -> np.ndarray:
    """Return the average precision if each decision counts as often as the weight of its owner, float64 [draw].

    NaN where no positive has a weight.

    Args:
        ranked: as sorted by `rank_decisions`.
        weights: int32 [draw, owner], from 0.
    """
    values = np.full(len(weights), np.nan)
    step = max(1, _BLOCK_DECISIONS // max(1, len(ranked.owners)))
    for start in range(0, len(weights) if len(ranked.ends) else 0, step):
        block = weights[start : start + step]
        hits = _accumulate(block, ranked.true_owners, ranked.true_ends)
        seen = _accumulate(block, ranked.owners, ranked.ends)
        gained = np.diff(hits, axis=1, prepend=np.int32(0))
        total = np.where(hits[:, -1] > 0, hits[:, -1], np.nan)
        # No decision has a weight: no gain.
        values[start : start + step] = np.sum(gained * (hits / np.maximum(seen, 1)), axis=1) / total
    return values


def _accumulate(weights: np.ndarray, owners: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the weight of all decisions down to each end, int32 [draw, cut]."""
    return np.cumsum(weights.take(owners, axis=1), axis=1, dtype=np.int32).take(ends, axis=1)


def compute_average_precisions(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the average precision of each class, float64 [class]; NaN for a class without a positive.

    Args:
        truth: [patch, class] of 0 and 1.
        scores: [patch, class]; only the order within a class matters.
    """
    once = np.ones((1, len(truth)), np.int32)
    columns = zip(truth.T.astype(bool), scores.T, strict=True)
    return np.array([weigh_average_precision(rank_decisions(*column), once)[0] for column in columns])


def compute_macro_ap(truth: np.ndarray, scores: np.ndarray) -> float:
    """Return the mean average precision over the classes with a positive; 0 when no class has one."""
    values = compute_average_precisions(truth, scores)
    return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
