"""What the metrics of a split are made of, and the metrics when each patch counts as often as a weight says.

Weights of one give the metrics themselves, weights drawn at random those of a bootstrap draw: one definition for both.
"""

from dataclasses import dataclass

import numpy as np

from landscribe.evaluation.average_precision import RankedDecisions, rank_decisions, weigh_average_precision
from landscribe.evaluation.decisions import compute_patch_decisions, compute_ratios
from landscribe.evaluation.ranking import compute_patch_rankings

AT_HALF = "_at_half"
_AVERAGED_GAINS = ("macro_f1", "macro_f2", "micro_f1", "micro_f2", "sample_f1", "sample_f2")


@dataclass(frozen=True)
class Tally:
    """Truth, decisions and rankings of a split.

    Attributes:
        truth: float32 [patch, class] of 0 and 1.
        decisions: suffix -> (hits, predicted), float32 [patch, class] of 0 and 1 each: "" at the thresholds given,
            `AT_HALF` at 0.5.
        patch_values: metric -> float64 [patch], whose mean is the metric.
        by_class: the decisions of each class, ranked.
        pooled: all decisions, ranked.
    """

    truth: np.ndarray
    decisions: dict[str, tuple[np.ndarray, np.ndarray]]
    patch_values: dict[str, np.ndarray]
    by_class: tuple[RankedDecisions, ...]
    pooled: RankedDecisions


@dataclass(frozen=True)
class Weighed:
    """Metrics of some draws.

    Attributes:
        metrics: name -> float64 [draw], finite.
        classes: name -> float64 [draw, class], for instance `average_precision`; NaN for a class without a positive in
            the split.
    """

    metrics: dict[str, np.ndarray]
    classes: dict[str, np.ndarray]


def make_tally(truth: np.ndarray, scores: np.ndarray, thresholds: np.ndarray) -> Tally:
    """Return what `weigh` needs.

    Args:
        truth: [patch, class] of 0 and 1.
        scores: [patch, class] in [0, 1], no NaN.
        thresholds: [class]; a class is predicted at a score of at least its threshold.
    """
    true = truth.astype(bool)
    predicted = {"": scores >= thresholds, AT_HALF: scores >= 0.5}
    values = compute_patch_rankings(true, scores)
    for suffix, predictions in predicted.items():
        named = compute_patch_decisions(true, predictions)
        values |= {f"{name}{suffix}": numbers for name, numbers in named.items()}
    patches = np.repeat(np.arange(len(true)), true.shape[1])
    return Tally(
        truth=true.astype(np.float32),
        decisions={
            suffix: ((true & predictions).astype(np.float32), predictions.astype(np.float32))
            for suffix, predictions in predicted.items()
        },
        patch_values=values,
        by_class=tuple(rank_decisions(*column) for column in zip(true.T, scores.T, strict=True)),
        pooled=rank_decisions(true.ravel(), scores.ravel(), patches),
    )


def weigh(tally: Tally, weights: np.ndarray, usual: Weighed | None = None) -> Weighed:
    """Return every metric of each draw.

    Args:
        tally: as made by `make_tally`.
        weights: int32 [draw, patch], from 0; each draw has a sum above 0 and below 2**24.
        usual: the metrics of all patches, one draw. A class that has a positive, but none in the draw, counts with its
            usual value: left out, it would move the mean by being absent. None: every positive is in every draw.
    """
    # Sums of whole numbers below 2**24 are exact in float32, whatever the order in which BLAS adds them.
    light = weights.astype(np.float32)
    true = (light @ tally.truth).astype(np.float64)
    shares = true / weights.sum(axis=1, keepdims=True)

    def complete(name: str, values: np.ndarray) -> np.ndarray:
        return np.where(true > 0, values, np.nan if usual is None else usual.classes[name])

    found = np.column_stack([weigh_average_precision(ranked, weights) for ranked in tally.by_class])
    classes = {"average_precision": complete("average_precision", found)}
    metrics = {
        "macro_ap": _average(classes["average_precision"]),
        "micro_ap": np.nan_to_num(weigh_average_precision(tally.pooled, weights)),
        # A constant score ranks nothing: its average precision is the prevalence.
        "macro_ap_prior": _average(np.where(tally.truth.any(axis=0), shares, np.nan)),
    }
    for suffix, (hits, predicted) in tally.decisions.items():
        counts = np.stack([(light @ hits).astype(np.float64), (light @ predicted).astype(np.float64), true])
        for name, values in compute_ratios(counts).items():
            classes[f"{name}{suffix}"] = complete(f"{name}{suffix}", values)
            metrics[f"macro_{name}{suffix}"] = _average(classes[f"{name}{suffix}"])
        for name, values in compute_ratios(counts.sum(axis=2)).items():
            metrics[f"micro_{name}{suffix}"] = values
    metrics |= _average_patches(tally.patch_values, weights)
    gains = {f"{name}_gain": metrics[name] - metrics[f"{name}{AT_HALF}"] for name in _AVERAGED_GAINS}
    return Weighed(metrics | gains, classes)


def _average(values: np.ndarray) -> np.ndarray:
    """Return the mean over the classes with a positive, [draw], from [draw, class]; 0 where no class has one."""
    known = np.isfinite(values)
    means: np.ndarray = np.where(known, values, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return means


def _average_patches(values: dict[str, np.ndarray], weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the weighted mean over patches of each metric, float64 [draw] each.

    By einsum, not by BLAS: how BLAS cuts these sums into parts depends on its threads, and so would the last bits.
    """
    stacked = np.stack(list(values.values()))
    sums = np.array([np.einsum("mp,p->m", stacked, draw.astype(np.float64)) for draw in weights])
    means = sums / weights.sum(axis=1, keepdims=True)
    return dict(zip(values, means.T, strict=True))
