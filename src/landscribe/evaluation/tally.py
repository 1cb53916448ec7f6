"""The counts from which the metrics of a split are computed, and the metrics with a weight per unit.

Weights of one give the metrics themselves, random weights those of a bootstrap draw: one definition for both.
A unit has one weight: it is a patch, or a whole tile, whose patches are summed once, before any draw.
"""

from dataclasses import dataclass

import numpy as np

from landscribe.core.average_precision import RankedDecisions, rank_decisions, weigh_average_precision
from landscribe.evaluation.decisions import compute_patch_decisions, compute_ratios
from landscribe.evaluation.label_ranking import compute_patch_rankings

AT_HALF = "_at_half"
_AVERAGED_GAINS = ("macro_f1", "macro_f2", "micro_f1", "micro_f2", "sample_f1", "sample_f2")


@dataclass(frozen=True)
class Tally:
    """Truth, decisions and rankings of a split, by unit.

    Attributes:
        sizes: float64 [unit], patches of each.
        truth: float32 [unit, class], patches that have the class.
        decisions: suffix -> (hits, predicted), patches, float32 [unit, class] each: "" at the thresholds given,
            `AT_HALF` at 0.5.
        patch_values: metric -> float64 [unit], sum over the patches, whose mean is the metric.
        by_class: the decisions of each class, ranked.
        pooled: all decisions, ranked.
    """

    sizes: np.ndarray
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


def make_tally(truth: np.ndarray, scores: np.ndarray, thresholds: np.ndarray, units: np.ndarray | None = None) -> Tally:
    """Return the counts for `weigh`.

    Args:
        truth: [patch, class] of 0 and 1.
        scores: [patch, class] in [0, 1], no NaN.
        thresholds: [class]; a class is predicted at a score of at least its threshold.
        units: intp [patch], which unit each patch belongs to, numbered from 0; None: each is its own.
    """
    true = truth.astype(bool)
    predicted = {"": scores >= thresholds, AT_HALF: scores >= 0.5}
    values = compute_patch_rankings(true, scores)
    for suffix, predictions in predicted.items():
        named = compute_patch_decisions(true, predictions)
        values |= {f"{name}{suffix}": numbers for name, numbers in named.items()}
    owners = np.arange(len(true)) if units is None else units
    return Tally(
        sizes=_add_up(np.ones(len(true)), units),
        truth=_count_by_unit(true, units),
        decisions={
            suffix: (_count_by_unit(true & predictions, units), _count_by_unit(predictions, units))
            for suffix, predictions in predicted.items()
        },
        patch_values={name: _add_up(numbers, units) for name, numbers in values.items()},
        by_class=tuple(rank_decisions(*column, owners) for column in zip(true.T, scores.T, strict=True)),
        pooled=rank_decisions(true.ravel(), scores.ravel(), np.repeat(owners, true.shape[1])),
    )


def _add_up(values: np.ndarray, units: np.ndarray | None) -> np.ndarray:
    """Return the sum of each unit, float64 [unit], from [patch]."""
    return values.astype(np.float64) if units is None else np.bincount(units, values)


def _count_by_unit(flags: np.ndarray, units: np.ndarray | None) -> np.ndarray:
    """Return the number of flagged patches of each unit, float32 [unit, class], from bool [patch, class]."""
    counts = flags if units is None else np.column_stack([_add_up(column, units) for column in flags.T])
    return counts.astype(np.float32)


def weigh(tally: Tally, weights: np.ndarray, usual: Weighed | None = None) -> Weighed:
    """Return every metric of each draw.

    Args:
        tally: as made by `make_tally`.
        weights: int32 [draw, unit], from 0; the patches of each draw are more than 0 and fewer than 2**24.
        usual: the metrics of all units, one draw. A class that has a positive, but none in the draw, counts with its
            usual value: without it the mean would change. None: every positive is in every draw.
    """
    # Sums of integers below 2**24 are exact in float32, for any order in which BLAS adds them.
    light = weights.astype(np.float32)
    true = (light @ tally.truth).astype(np.float64)
    num_patches = np.einsum("du,u->d", weights, tally.sizes)[:, None]
    shares = true / num_patches

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
    metrics |= _average_patches(tally.patch_values, weights, num_patches)
    gains = {f"{name}_gain": metrics[name] - metrics[f"{name}{AT_HALF}"] for name in _AVERAGED_GAINS}
    return Weighed(metrics | gains, classes)


def _average(values: np.ndarray) -> np.ndarray:
    """Return the mean over the classes with a positive, [draw], from [draw, class]; 0 where no class has one."""
    known = np.isfinite(values)
    means: np.ndarray = np.where(known, values, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return means


def _average_patches(
    values: dict[str, np.ndarray], weights: np.ndarray, num_patches: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the weighted mean over patches of each metric, float64 [draw] each.

    By einsum, not by BLAS: BLAS splits these sums by its number of threads, so that the last bits would depend on it.
    """
    stacked = np.stack(list(values.values()))
    sums = np.array([np.einsum("mu,u->m", stacked, draw.astype(np.float64)) for draw in weights])
    return dict(zip(values, (sums / num_patches).T, strict=True))
