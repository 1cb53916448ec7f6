"""Strategy `spatial`: no patch has a neighbour in another split.

Neighbours look alike. If a classifier has seen the neighbour of a patch, its score measures memory. This strategy holds
out whole blocks, tiles or countries and leaves out the patches along their borders (Roberts et al. 2017,
doi:10.1111/ecog.02881, on cross-validation in blocks; Ploton et al. 2020, doi:10.1038/s41467-020-18321-y, on buffers).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from landscribe.core.errors import ArchiveError, ParamsError, did_you_mean
from landscribe.core.files import compute_digest
from landscribe.splits.assignment import Assignment, make_assignment
from landscribe.splits.config import SPLITS, Spatial, SplitConfig
from landscribe.splits.digest_order import rank_by_digest
from landscribe.splits.places import find_near
from landscribe.splits.rectangles import Rectangles, explain_unlocated, has_place, read_rectangles

_TRAIN, _VAL, _TEST = range(len(SPLITS))
_ROUNDS = 8  # of drawing, counting the patches in the buffer, and drawing a little more or less
_NAMES = ["granule", "column", "row", "tile", "country"]
_MAX_CHOICE = 200  # groups considered for an exchange
_COARSE = 0.02  # a larger deviation from the requested share gives a warning


@dataclass(frozen=True)
class _Groups:
    """Patches that stay together.

    Attributes:
        number: int [patch], the patch's group; -1 for a patch without a group.
        names: of the groups, sorted.
        sizes: int [group], patches.
        first: int [pair], patch near `second` in another group.
        second: int [pair].
    """

    number: np.ndarray
    names: list[str]
    sizes: np.ndarray
    first: np.ndarray
    second: np.ndarray


def draw_spatial(index: pd.DataFrame, config: SplitConfig) -> Assignment:
    """Return splits of whole groups; none of their patches is within `buffer_cells` of another split.

    Args:
        index: columns patch_id and those of places, `PATCH_SCHEMA`; what is missing is unknown.
        config: section `split`.

    Raises:
        ArchiveError: the index has no places of patches, or there are too few groups.
        ParamsError: `val` or `test` names an unknown group.
    """
    unit = config.spatial.unit
    names = _name_groups(index, config.spatial)
    placed = has_place(index)
    _check_places(names, placed, unit, explain_unlocated(index))
    groups = _make_groups(index, names.where(placed), config.spatial.buffer_cells)
    split = _draw(groups, config)
    sizes = np.bincount(split[split >= 0], minlength=len(SPLITS))
    left_out = {
        "no place": np.count_nonzero(~placed),
        f"no {unit}": np.count_nonzero(placed & names.isna()),
        "buffer": np.count_nonzero((split < 0) & (groups.number >= 0)),
    }
    warnings = _warn(sizes, config)
    if unit == "tile" and (num_granules := np.count_nonzero(names == index.get("granule"))):
        warnings.append(f"{num_granules:,} patches have no tile; they are grouped by granule instead")
    return make_assignment(index["patch_id"], split, left_out, warnings)


def _name_groups(index: pd.DataFrame, spatial: Spatial) -> pd.Series:
    """Return the name of each patch's group; null where it is unknown."""
    named = index.reindex(columns=_NAMES)
    match spatial.unit:
        case "country":
            return named["country"]
        case "tile":
            return named["tile"].fillna(named["granule"])
        case "block":
            return _name_blocks(named, read_rectangles(index), spatial.block_cells)


def _name_blocks(named: pd.DataFrame, located: Rectangles, block_cells: int) -> pd.Series:
    """Name squares of `block_cells` x `block_cells` patches: on the plane of the coordinates, else of the granule.

    Tiles overlap; on one plane the patches of two tiles at one place fall into one block.
    """
    blocks = named[["column", "row"]].astype(np.float64) / block_cells
    blocks.insert(0, "plane", named["granule"].astype(object))
    rows, [left, top] = located.rows, located.corner.T
    # Patches of one plane share one grid, whatever the size of each.
    sides = pd.DataFrame(located.size).groupby(located.plane).transform("median").to_numpy() * block_cells
    blocks.iloc[rows, 0] = np.array([_name_plane(name) for name in located.names], object)[located.plane]
    blocks.iloc[rows, 1:] = np.column_stack([left, top]) / sides
    blocks[["column", "row"]] = np.floor(blocks[["column", "row"]])
    number = blocks.groupby(list(blocks), sort=False).ngroup()  # -1 for a patch without a place
    unique = blocks[~number.duplicated() & (number >= 0)]
    names = {number[row.Index]: f"{row.plane}/{row.column:.0f}/{row.row:.0f}" for row in unique.itertuples()}
    return number.map(names)


def _name_plane(name: str) -> str:
    """Return the name of a plane, short: a digest in place of a coordinate system in words."""
    return name if name.startswith("EPSG:") else f"WKT:{compute_digest(name)[:12]}"


def _check_places(names: pd.Series, placed: np.ndarray, unit: str, why: str) -> None:
    if not placed.any():
        raise ArchiveError(
            "split.strategy: spatial needs the places of the patches, coordinates or cells of granules; this archive"
            f" has none{why}. Choose random, stratified or official."
        )
    if names[placed].isna().all():
        raise ArchiveError(
            f"split.spatial.unit: {unit} needs the {unit} of the patches; this archive names none. Choose block."
        )


def _make_groups(index: pd.DataFrame, names: pd.Series, buffer_cells: int) -> _Groups:
    number, unique = pd.factorize(names, sort=True)
    pairs = find_near(index, buffer_cells)
    ends = number[pairs.first], number[pairs.second]
    apart = (ends[0] != ends[1]) & (np.minimum(*ends) >= 0)
    sizes = np.bincount(number[number >= 0], minlength=len(unique))
    return _Groups(number, list(unique), sizes, pairs.first[apart], pairs.second[apart])


def _draw(groups: _Groups, config: SplitConfig) -> np.ndarray:
    """Return int8 [patch]: the draw whose fractions are best after the buffer is left out."""
    shares = np.array(config.fractions.shares)
    ranked = pd.Index(groups.names).get_indexer(rank_by_digest(groups.names, config.seed, "split")).tolist()
    held = _hold_named(groups, config.spatial)
    drawn = [number for number in (_TEST, _VAL) if shares[number] and not (held == number).any()]
    num_free = np.count_nonzero(held == _TRAIN)
    if num_free <= len(drawn):
        raise ArchiveError(
            f"split.spatial: expected at least {len(drawn) + 1} {config.spatial.unit}s besides those held out by name;"
            f" received {num_free}. Choose a smaller unit or smaller blocks."
        )
    best, least = np.empty(0), np.inf
    targets = shares * groups.sizes.sum()
    for _ in range(_ROUNDS if drawn else 1):
        split = _leave_out_borders(groups, _fill(groups.sizes, ranked, held, {n: targets[n] for n in drawn}))
        sizes = np.bincount(split[split >= 0], minlength=len(SPLITS))
        if (loss := np.abs(sizes / sizes.sum() - shares).max()) < least:
            best, least = split, loss
        targets = targets * shares * sizes.sum() / np.maximum(sizes, 1)
    _check_sizes(best, held, drawn)
    return best


def _hold_named(groups: _Groups, spatial: Spatial) -> np.ndarray:
    """Return int8 [group]: val or test for the groups that `params.yaml` names, train for all others."""
    held = np.full(len(groups.names), _TRAIN, np.int8)
    numbers = {name: number for number, name in enumerate(groups.names)}
    for split, names in ((_VAL, spatial.val), (_TEST, spatial.test)):
        for name in names:
            if name not in numbers:
                raise ParamsError(
                    f"split.spatial.{SPLITS[split]}: expected a {spatial.unit} of the archive; received"
                    f" '{name}'.{did_you_mean(name, numbers)}"
                )
            held[numbers[name]] = split
    return held


def _fill(sizes: np.ndarray, ranked: Sequence[int], held: np.ndarray, targets: dict[int, float]) -> np.ndarray:
    """Return int8 [group]: each split of `targets` takes free groups in ranked order as long as they fit.

    Then groups are exchanged as long as this improves the size. Each split, train included, gets at least one group.
    """
    held = held.copy()
    for position, (split, target) in enumerate(targets.items()):
        free = [number for number in ranked if held[number] == _TRAIN]
        most = len(free) - (len(targets) - position)  # one is spared for each split still to come, and for train
        total, chosen = 0, list[int]()
        for number in free:
            if total + sizes[number] <= target and len(chosen) < most:
                chosen.append(number)
                total += sizes[number]
        held[chosen] = split
        _exchange(sizes, held, free, split, target, most)
    return held


def _exchange(sizes: np.ndarray, held: np.ndarray, free: Sequence[int], split: int, target: float, most: int) -> None:
    """Add one group, remove one, or both, as long as the split gets closer to `target` and has 1 to `most` groups."""
    order = np.array(free)
    while True:
        inside = held[order] == split
        taken, rest = order[inside], order[~inside]
        # Row 0 removes none, column 0 adds none; a few of many groups give enough choice.
        out, into = (np.append(0, sizes[numbers[:_MAX_CHOICE]]) for numbers in (taken, rest))
        off = np.abs(target - sizes[taken].sum() + out[:, None] - into)
        if not len(taken):
            off[0, 0] = np.inf
        if len(taken) == 1:
            off[1:, 0] = np.inf
        if len(taken) >= most:
            off[0, 1:] = np.inf
        row, column = np.unravel_index(np.argmin(off), off.shape)
        if row == column == 0:
            return
        held[taken[row - 1 : row]] = _TRAIN
        held[rest[column - 1 : column]] = split


def _leave_out_borders(groups: _Groups, held: np.ndarray) -> np.ndarray:
    """Return int8 [patch], -1 along borders: test keeps all, val loses patches near test, train those near both."""
    split: np.ndarray = np.append(held, np.int8(-1))[groups.number]
    for yielding in (_VAL, _TRAIN):
        one, other = split[groups.first], split[groups.second]
        split[groups.first[(one == yielding) & (other > yielding)]] = -1
        split[groups.second[(other == yielding) & (one > yielding)]] = -1
    return split


def _check_sizes(split: np.ndarray, held: np.ndarray, drawn: Sequence[int]) -> None:
    for number in {_TRAIN, *drawn, *held}:
        if not (split == number).any():
            raise ArchiveError(
                f"split.spatial: every patch of {SPLITS[number]} is in the buffer of another split. Choose a smaller"
                " buffer_cells or larger groups."
            )


def _warn(sizes: np.ndarray, config: SplitConfig) -> list[str]:
    shares, wanted = sizes / sizes.sum(), np.array(config.fractions.shares)
    named = {"val": config.spatial.val, "test": config.spatial.test}
    return [
        f"{split} has {shares[number]:.1%} of the patches, {wanted[number]:.1%} was requested:"
        f" whole groups ({config.spatial.unit}) come no closer"
        for number, split in enumerate(SPLITS)
        if split in named and not named[split] and abs(shares[number] - wanted[number]) > _COARSE
    ]
