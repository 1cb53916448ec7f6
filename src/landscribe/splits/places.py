"""Which patches touch: pairs of footprints that overlap, share an edge or a corner, or are a few cells apart.

A footprint is a rectangle. If its coordinate system and its corner or transform are known, the patches of one
coordinate system are compared on its plane, in its own units, across granules, tiles and dates. Otherwise it is located
by granule, column and row: each granule is a separate plane, so that neighbours across granules stay unknown. A granule
in which only some patches have coordinates is compared on its grid of cells as well.

Two coordinate systems have no common plane, and their rectangles are rotated against each other. Their patches are
compared by the distance of the centres (WGS 84): `near` as long as the circles around the footprints touch, beyond
which rectangles cannot touch in any rotation; `edge` and `overlap` if the circles inside them touch or overlap. So
`near` misses no pair, and `edge` and `overlap` have no false pair.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from landscribe.splits.rectangles import Discs, Rectangles, read_cells, read_discs, read_rectangles

# Share of a side by which coordinates may be off: 1.2 m of 1,200 m. Far above rounding, far below a pixel of 10 m.
TOLERANCE = 0.001
# Scale of a distance on the grid of a UTM zone relative to the ground, including the overlap of zones: 0.9996 in the
# middle, 1.003 at the equator 4.5 degrees from it (Snyder 1987, USGS PP 1395, equation 8-11).
ZONE_TOLERANCE = 0.004
_CHUNK_PAIRS = 1_000_000  # candidates measured at once: bounds the memory


@dataclass(frozen=True)
class Pairs:
    """Pairs of patches near each other: arrays of one length, each pair once, sorted by `first`, then `second`.

    Attributes:
        first: int32, row number in the index.
        second: int32, row number, greater than `first`.
        edge: bool, the footprints share an edge or area (4-neighbours), not only a corner.
        overlap: bool, they share area: the same place twice.
        same_date: bool, both were seen on the same day; False where a date is unknown.
    """

    first: np.ndarray
    second: np.ndarray
    edge: np.ndarray
    overlap: np.ndarray
    same_date: np.ndarray


def find_near(index: pd.DataFrame, reach_cells: int = 1) -> Pairs:
    """Return all pairs of patches whose footprints are at most `reach_cells` - 1 sides apart on both axes.

    On a grid of equal patches these are the cells at most `reach_cells` columns and rows away: at 1 the 8 neighbours
    and the patch's own cell. Of two unequal patches the larger width and the larger height count. The work grows with
    the square of the reach and of the ratio of the largest side to the smallest.

    Args:
        index: columns of the index; those of places and dates that are missing or null are unknown.
        reach_cells: at least 1.

    Raises:
        ValueError: `reach_cells` is below 1.
    """
    if reach_cells < 1:
        raise ValueError(f"reach_cells: expected at least 1; received {reach_cells}")
    located = read_rectangles(index)
    keys = [
        *_find_on_planes(located, reach_cells),
        *_find_on_planes(read_cells(index), reach_cells),
        *_find_across(read_discs(index, located), reach_cells),
    ]
    return _decode(np.concatenate([np.empty(0, np.int64), *keys]), _read_dates(index))


def _find_on_planes(rectangles: Rectangles, reach_cells: int) -> Iterator[np.ndarray]:
    if not len(rectangles.rows):
        return
    largest = np.zeros((rectangles.plane.max() + 1, 2))
    np.maximum.at(largest, rectangles.plane, rectangles.size)
    rows, plane, centre, size = _repeat_at_the_antimeridian(rectangles, (reach_cells + 1) * largest[:, 0])
    # A third axis separates the planes, so that one tree can contain them all.
    points = np.column_stack([centre / largest[plane], plane * 3.0 * reach_cells])
    for one, other in _iter_candidates(points, reach_cells + 2 * TOLERANCE, np.inf):
        sizes = size[one], size[other]
        gap = np.abs(centre[one] - centre[other]) - (sizes[0] + sizes[1]) / 2
        slack = TOLERANCE * np.minimum(*sizes)
        near = (gap <= (reach_cells - 1) * np.maximum(*sizes) + slack).all(axis=1)
        overlap = (gap < -slack).all(axis=1)
        edge = (gap <= slack).all(axis=1) & (gap < -slack).any(axis=1)
        yield _encode(rows[one], rows[other], np.select([overlap, edge, near], [2, 1, 0], -1))


def _repeat_at_the_antimeridian(
    rectangles: Rectangles, margin: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, planes, centres and sizes; rectangles within `margin` of the antimeridian once more, west of it.

    Args:
        rectangles: as read.
        margin: float64 [plane].
    """
    rows, plane, centre, size = rectangles.rows, rectangles.plane, rectangles.centre, rectangles.size
    period = rectangles.period[plane]
    beside = np.flatnonzero((period > 0) & (centre[:, 0] > period / 2 - margin[plane]))
    repeated = centre[beside] - np.column_stack([period[beside], np.zeros(len(beside))])
    every = np.append(np.arange(len(rows)), beside)
    return rows[every], plane[every], np.concatenate([centre, repeated]), size[every]


def _find_across(discs: Discs, reach_cells: int) -> Iterator[np.ndarray]:
    """Yield pairs of different planes."""
    if len(np.unique(discs.plane)) < 2:
        return
    radius_m = 2 * reach_cells * discs.outer_m.max() * (1 + ZONE_TOLERANCE)
    for one, other in _iter_candidates(discs.centre_m, radius_m, 2):
        differs = discs.plane[one] != discs.plane[other]
        one, other = one[differs], other[differs]
        distance_m = np.linalg.norm(discs.centre_m[one] - discs.centre_m[other], axis=1)
        outer_m, inner_m = (radii[one] + radii[other] for radii in (discs.outer_m, discs.inner_m))
        further_m = 2 * (reach_cells - 1) * np.maximum(discs.outer_m[one], discs.outer_m[other])
        near = distance_m <= (outer_m + further_m) * (1 + ZONE_TOLERANCE)
        edge = distance_m <= inner_m * (1 + ZONE_TOLERANCE)
        overlap = distance_m < inner_m * (1 - ZONE_TOLERANCE)
        yield _encode(discs.rows[one], discs.rows[other], np.select([overlap, edge, near], [2, 1, 0], -1))


def _iter_candidates(points: np.ndarray, radius: float, norm: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield numbers of points no farther apart than `radius`, each pair once."""
    found = cKDTree(points).query_pairs(radius, p=norm, output_type="ndarray")
    for start in range(0, len(found), _CHUNK_PAIRS):
        one, other = found[start : start + _CHUNK_PAIRS].T
        yield one, other


def _encode(one: np.ndarray, other: np.ndarray, contact: np.ndarray) -> np.ndarray:
    """Return int64 keys of the pairs of rows whose `contact` is 0 (near), 1 (edge) or 2 (overlap); -1: not near."""
    near = (contact >= 0) & (one != other)
    rows = one[near], other[near]
    keys: np.ndarray = (np.minimum(*rows) << 33) | (np.maximum(*rows) << 2) | contact[near]
    return keys


def _decode(keys: np.ndarray, dates: np.ndarray) -> Pairs:
    """Return each pair once; a pair that was found twice has its closest contact, which sorts last."""
    keys.sort()
    last = keys >> 2 != np.append(keys[1:] >> 2, -1)[: len(keys)]
    keys = keys[last]
    first, second = (keys >> 33).astype(np.int32), (keys >> 2 & 0x7FFFFFFF).astype(np.int32)
    same_date = (dates[first] == dates[second]) & (dates[first] >= 0)
    return Pairs(first, second, keys & 3 >= 1, keys & 3 == 2, same_date)


def _read_dates(index: pd.DataFrame) -> np.ndarray:
    """Return int64 [patch]: the same number for the same day, -1 where it is unknown.

    The day of `acquired_at`; else that in the granule's name, whose date is correct although its time is not; else the
    granule itself, which is one acquisition.
    """
    days = pd.Series(pd.NA, index.index, "string")
    if "acquired_at" in index:
        days = index["acquired_at"].astype("string").str[:10]
    if "granule" in index:
        codes, names = pd.factorize(index["granule"])
        names = pd.Series(names, dtype="string")
        digits = names.str.extract(r"_(\d{8})T")[0]
        named = (digits.str[:4] + "-" + digits.str[4:6] + "-" + digits.str[6:]).fillna(names)
        days = days.fillna(named.reindex(codes).set_axis(index.index))
    numbers: np.ndarray = pd.factorize(days)[0]
    return numbers
