"""Average precision by class: what training watches on val, and what promotion decides by.

Apart from the other metrics, so that those can change without a new training. Non-interpolated: the sum of precision
times the step in recall over the distinct scores, highest first (Zhu 2004, "Recall, precision and average precision").
Equal scores enter together, so that the order of the patches is of no account.
"""

from dataclasses import dataclass

import numpy as np

_BLOCK_DECISIONS = 1_000_000  # weighed at once: bounds the memory, spares small problems most of the calls


@dataclass(frozen=True)
class RankedDecisions:
    """Decisions in the order of their scores: sorted once, then weighed as often as there are draws.

    Attributes:
        patches: intp [decision], the patch of each, highest score first.
        true_patches: intp [positive], the patch of each true decision, in the same order.
        first_true: intp [cut], place in `true_patches` at which the positives of a distinct score begin.
        ends: intp [cut], place in `patches` of the last decision of that score.
    """

    patches: np.ndarray
    true_patches: np.ndarray
    first_true: np.ndarray
    ends: np.ndarray


def rank_decisions(truth: np.ndarray, scores: np.ndarray, patches: np.ndarray | None = None) -> RankedDecisions:
    """Sort decisions by score.

    Args:
        truth: bool [decision].
        scores: float [decision], no NaN.
        patches: intp [decision], the patch of each; None: one patch a decision, in order.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, is_true = scores[order], truth[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # of each distinct score
    places = np.flatnonzero(is_true)
    cut = np.searchsorted(last, places)
    first_true = np.flatnonzero(np.append(True, cut[1:] != cut[:-1])[: len(cut)])
    owners = order if patches is None else patches[order]
    return RankedDecisions(owners, owners[places], first_true, last[cut[first_true]])


def weigh_average_precision(ranked: RankedDecisions, weights: np.ndarray) -> np.ndarray:
    """Return the average precision when each patch counts as often as its weight says, float64 [draw].

    NaN where no positive has a weight.

    Args:
        ranked: as sorted by `rank_decisions`.
        weights: int32 [draw, patch], from 0.
    """
    values = np.full(len(weights), np.nan)
    step = max(1, _BLOCK_DECISIONS // max(1, len(ranked.patches)))
    for start in range(0, len(weights) if len(ranked.ends) else 0, step):
        block = weights[start : start + step]
        gained = np.add.reduceat(block.take(ranked.true_patches, axis=1), ranked.first_true, axis=1)
        hits = np.cumsum(gained, axis=1, dtype=np.int32)
        seen = np.cumsum(block.take(ranked.patches, axis=1), axis=1, dtype=np.int32)[:, ranked.ends]
        total = np.where(hits[:, -1] > 0, hits[:, -1], np.nan)
        # Nothing seen: nothing gained either.
        values[start : start + step] = np.sum(gained * (hits / np.maximum(seen, 1)), axis=1) / total
    return values


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
