"""Bootstrap intervals: how much a metric would vary on other patches, or other tiles, like these.

A draw is one bootstrap resample: it takes as many units as there are, with replacement. A unit is a patch, or a whole
tile: patches of one tile share weather, season and ground, so that the interval by patch is too narrow for unseen
places. Nothing is sorted again for a draw: a unit that is drawn twice has weight two, and the patches of a tile are
summed before the first draw.

The interval is the basic one, [2 t - q_high, 2 t - q_low] of the value t and the quantiles q of its draws (Davison and
Hinkley, "Bootstrap methods and their application", 1997, section 5.2). A positive that is drawn twice is ranked next to
its copy, so that average precision rises. In a simulation with 19 classes of 1 to 40 % and 400 patches, the percentile
interval [q_low, q_high] of a nominal 95 % contained the true macro average precision in 62 % of 150 repetitions, the
basic one in 93 %; with 2,000 patches 77 % and 95 %.
"""

import functools
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from landscribe.core.average_precision import rank_decisions, weigh_average_precision
from landscribe.evaluation.config import BootstrapConfig
from landscribe.evaluation.tally import Weighed, make_tally, weigh
from landscribe.runtime.pool import map_in_workers

_CHUNK_DRAWS = 25  # weighed at once: bounds the memory
# Patches x classes x draws that one process weighs faster than a second one starts.
_DECISIONS_PER_WORKER = 100_000_000


@dataclass(frozen=True)
class ScoredSplit:
    """Truth and scores of a split, from which draws are taken.

    Attributes:
        truth: bool [patch, class].
        scores: float32 [patch, class] in [0, 1].
        thresholds: float64 [class].
        units: intp [patch], which unit each patch belongs to, numbered from 0; None: each is its own.
    """

    truth: np.ndarray
    scores: np.ndarray
    thresholds: np.ndarray
    units: np.ndarray | None = None

    @property
    def num_units(self) -> int:
        """Number of units in a draw."""
        return len(self.truth) if self.units is None else int(self.units.max()) + 1


def draw_weights(num_units: int, seed: int, draw: int) -> np.ndarray:
    """Return how often a draw takes each unit, int32 [unit]: a function of the seed and the draw's number."""
    chosen = np.random.default_rng((seed, draw)).integers(0, num_units, num_units)
    return np.bincount(chosen, minlength=num_units).astype(np.int32)


def compute_draws(scored: ScoredSplit, config: BootstrapConfig) -> Weighed:
    """Return every metric of each draw; the same for any number of workers.

    Two models with scores of the same patches in the same order have the same draws, so that their values can be
    subtracted draw by draw.
    """
    num_chunks = -(-config.draws // _CHUNK_DRAWS)
    work = scored.truth.size * config.draws
    num_tasks = max(1, min(os.cpu_count() or 1, num_chunks, work // _DECISIONS_PER_WORKER))
    ends = [_CHUNK_DRAWS * (num_chunks * task // num_tasks) for task in range(num_tasks)] + [config.draws]
    tasks = [range(first, last) for first, last in itertools.pairwise(ends)]
    return _join(list(map_in_workers(functools.partial(_weigh_draws, scored, config.seed), tasks)))


def _weigh_draws(scored: ScoredSplit, seed: int, draws: range) -> Weighed:
    # The processes share the cores: additional BLAS threads would busily wait for each other.
    with threadpool_limits(1, "blas"):
        tally = make_tally(scored.truth, scored.scores, scored.thresholds, scored.units)
        usual = weigh(tally, np.ones((1, scored.num_units), np.int32))
        weighed = []
        for start in range(0, len(draws), _CHUNK_DRAWS):
            weights = [draw_weights(scored.num_units, seed, draw) for draw in draws[start : start + _CHUNK_DRAWS]]
            weighed.append(weigh(tally, np.stack(weights), usual))
    return _join(weighed)


def _join(parts: Sequence[Weighed]) -> Weighed:
    return Weighed(
        *(
            {name: np.concatenate([getattr(part, field)[name] for part in parts]) for name in getattr(parts[0], field)}
            for field in ("metrics", "classes")
        )
    )


def compute_macro_ap_draws(
    truths: Sequence[np.ndarray], scores: Sequence[np.ndarray], config: BootstrapConfig
) -> list[np.ndarray]:
    """Return the macro average precision of each draw of several groups of patches, float64 [draw] each.

    There are `slice_draws` of them.
    """
    tasks = [(truth, score, config) for truth, score in zip(truths, scores, strict=True)]
    work = sum(truth.size for truth in truths) * config.slice_draws
    return list(map_in_workers(_draw_macro_ap, tasks, None if work > _DECISIONS_PER_WORKER else 1))


def _draw_macro_ap(task: tuple[np.ndarray, np.ndarray, BootstrapConfig]) -> np.ndarray:
    truth, scores, config = task
    ranked = [rank_decisions(*column) for column in zip(truth.T, scores.T, strict=True) if column[0].any()]
    if not ranked:
        return np.zeros(config.slice_draws)
    usual = np.column_stack([weigh_average_precision(column, np.ones((1, len(truth)), np.int32)) for column in ranked])
    means = []
    for first in range(0, config.slice_draws, _CHUNK_DRAWS):
        draws = range(first, min(first + _CHUNK_DRAWS, config.slice_draws))
        weights = np.stack([draw_weights(len(truth), config.seed, draw) for draw in draws])
        found = np.column_stack([weigh_average_precision(column, weights) for column in ranked])
        means.append(np.where(np.isfinite(found), found, usual).mean(axis=1))
    return np.concatenate(means)


def compute_interval(
    value: float, draws: np.ndarray, confidence: float, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[float, float]:
    """Return the ends of the basic interval, within the bounds of the metric; NaN where the value is.

    Args:
        value: the metric of all patches.
        draws: float64 [draw], the metric of each draw.
        confidence: the share of repetitions in which the interval should contain the true value.
        bounds: smallest and largest possible value of the metric.
    """
    if not np.isfinite(value):
        return np.nan, np.nan
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    ends = np.clip([2 * value - high, 2 * value - low], *bounds)
    return float(ends[0]), float(ends[1])
