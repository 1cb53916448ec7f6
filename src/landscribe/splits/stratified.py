"""Strategy `stratified`: every class keeps its share in every split.

Iterative stratification: the rarest class is distributed first, while there is still a choice, then the rarest of the
remaining ones (Sechidis, Tsoumakas, Vlahavas 2011, doi:10.1007/978-3-642-23808-6_10). If classes always occur together
one of them can be unbalanced, so a last step moves single patches until every class is within its tolerance.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from landscribe.splits.assignment import Assignment, make_assignment
from landscribe.splits.config import SPLITS, SplitConfig
from landscribe.splits.digest_order import rank_by_digest

# For a class of at least `MIN_PATCHES` patches: its number in a split is within this share of the wanted number.
MIN_PATCHES = 20
TOLERANCE_SHARE = 0.15
TOLERANCE_PATCHES = 2.0
_MAX_MOVES = 500  # far more than any solvable case has needed
_REST_MOVES = 50  # moves for which a moved patch stays, or it would be moved back immediately


def draw_stratified(index: pd.DataFrame, config: SplitConfig) -> Assignment:
    """Return splits in which each class has its share of `config.fractions`.

    Args:
        index: columns patch_id and labels.
        config: section `split`.
    """
    ranked = index.set_index("patch_id")["labels"].loc[rank_by_digest(index["patch_id"], config.seed, "split")]
    member, classes = _make_member(ranked)
    wanted = np.outer(config.fractions.shares, member.sum(axis=0))
    split = _level(member, _deal(member, wanted), wanted)
    warnings = _warn(_count(member, split), wanted, classes)
    return make_assignment(ranked.index.to_series(), split, {}, warnings)


def _make_member(labels: pd.Series) -> tuple[sparse.csr_array, list[str]]:
    """Return float64 [patch, class] of 0 and 1, and the classes by name; the last column is 1, "is a patch"."""
    lists = pa.array(labels.to_numpy(), pa.list_(pa.string()))
    classes = sorted(lists.flatten().unique().to_pylist())
    codes = pc.index_in(lists.flatten(), value_set=pa.array(classes, pa.string())).to_numpy()
    rows = pc.list_parent_indices(lists).to_numpy()
    every = np.arange(len(labels))
    places = np.concatenate([rows, every]), np.concatenate([codes, np.full(len(labels), len(classes))])
    member = sparse.csr_array((np.ones(len(places[0])), places), shape=(len(labels), len(classes) + 1))
    member.data[:] = 1  # a label named twice is one label
    return member, classes


def _count(member: sparse.csr_array, split: np.ndarray) -> np.ndarray:
    """Return float64 [split, class]: patches of each class in each split."""
    counts: np.ndarray = np.stack([(split == number).astype(np.float64) @ member for number in range(len(SPLITS))])
    return counts


def _deal(member: sparse.csr_array, wanted: np.ndarray) -> np.ndarray:
    """Return int8 [patch]: splits dealt class by class, rarest first; within a class in the order of the rows."""
    split = np.full(member.shape[0], -1, np.int8)
    by_class = member.tocsc()
    while (split < 0).any():
        remaining = (split < 0).astype(np.float64) @ member
        rarest = int(np.argmin(np.where(remaining > 0, remaining, np.inf)))
        rows = by_class.indices[by_class.indptr[rarest] : by_class.indptr[rarest + 1]]
        rows = rows[split[rows] < 0]
        missing = (wanted - _count(member, split))[:, rarest]
        split[rows] = np.repeat(np.arange(len(SPLITS)), _apportion(missing, len(rows)))
    return split


def _apportion(missing: np.ndarray, total: int) -> np.ndarray:
    """Return `total` split into whole numbers in proportion to `missing`: largest remainders, none below zero."""
    exact = np.maximum(missing, 0)
    exact *= total / exact.sum()
    numbers: np.ndarray = np.floor(exact).astype(np.int64)
    numbers[np.argsort(numbers - exact, kind="stable")[: total - numbers.sum()]] += 1
    return numbers


def _compute_tolerance(wanted: np.ndarray) -> np.ndarray:
    """Return float64 [split, class]: the tolerated difference from the wanted number of patches."""
    tolerance = np.maximum(TOLERANCE_SHARE * wanted, TOLERANCE_PATCHES)
    tolerance[:, -1] = 1  # the size of the split itself
    return tolerance


def _level(member: sparse.csr_array, split: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Move single patches until every class is within its tolerance; return the best splits found.

    Each move is the one with the smallest sum of squares of distance / tolerance, even if it is worse than before: this
    allows the search to leave a local minimum (tabu search, Glover 1989, doi:10.1287/ijoc.1.3.190).
    """
    tolerance = _compute_tolerance(wanted)
    rows, rests_until = np.arange(len(split)), np.zeros(len(split), np.int64)
    closed = wanted[:, -1] == 0  # a split with fraction 0 stays empty
    split, best, least, counts = split.copy(), split, np.inf, _count(member, split)
    for move in range(_MAX_MOVES):
        off = (counts - wanted) / tolerance
        if (np.abs(off) <= 1).all():
            return split
        if (askew := (off**2).sum()) < least:
            best, least = split.copy(), askew
        leave, join = ((off + step / tolerance) ** 2 - off**2 for step in (-1, 1))
        cost = (member @ leave.T)[rows, split][:, None] + member @ join.T
        cost[rows, split] = cost[rests_until > move] = cost[:, closed] = np.inf
        patch, target = np.unravel_index(np.argmin(cost), cost.shape)
        carried = member[[patch]].toarray()[0]
        counts[split[patch]] -= carried
        counts[target] += carried
        split[patch], rests_until[patch] = target, move + _REST_MOVES
    return best


def _warn(counts: np.ndarray, wanted: np.ndarray, classes: list[str]) -> list[str]:
    """Return a warning if no split was found in which all classes have their share and all splits their size."""
    askew = (np.abs(counts - wanted) > _compute_tolerance(wanted)).any(axis=0)
    names = np.array(classes)[askew[:-1] & (counts.sum(axis=0)[:-1] >= MIN_PATCHES)]
    share = f"some splits have over {TOLERANCE_SHARE:.0%} more or less than their share of: {'; '.join(names)}"
    size = f"the splits are up to {np.abs(counts - wanted)[:, -1].max():.0f} patches larger or smaller than requested"
    return [*([share] if len(names) else []), *([size] if askew[-1] else [])]
