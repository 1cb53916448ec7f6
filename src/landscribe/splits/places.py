"""Which patches touch: pairs of footprints that overlap, share an edge or a corner, or are a few cells apart.

A footprint is a square. Where its corner and its coordinate system are known (`epsg`, `ulx_m`, `uly_m`, `size_m`), the
patches of one coordinate system are compared on its plane, across granules, tiles and dates. Otherwise it is located
by granule, column and row: each granule is a separate plane, so that neighbours across granules stay unknown. A granule
in which only some patches have coordinates is compared on its grid of cells as well.

Two coordinate systems have no common plane, and their squares are rotated against each other. Their patches are
compared by the distance d of the centres (WGS 84) relative to the mean side s: `near` up to sqrt(2) s, beyond which
squares cannot touch in any rotation; `edge` up to s and `overlap` below s, where the inscribed circles touch or
overlap. So `near` misses no pair, and `edge` and `overlap` have no false pair.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from landscribe.core.tiles import PATCH_SIZE_M

# Share of a side by which coordinates may be off: 1.2 m of 1,200 m. Far above rounding, far below a pixel of 10 m.
TOLERANCE = 0.001
# Scale of a distance on the grid of a UTM zone relative to the ground, including the overlap of zones: 0.9996 in the
# middle, 1.003 at the equator 4.5 degrees from it (Snyder 1987, USGS PP 1395, equation 8-11).
ZONE_TOLERANCE = 0.004
_CHUNK_PAIRS = 1_000_000  # candidates measured at once: bounds the memory
# WGS 84 ellipsoid: NGA.STND.0036, table 3.1.
_SEMI_MAJOR_M = 6378137.0
_FLATTENING = 1 / 298.257223563


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


@dataclass(frozen=True)
class _Squares:
    """Footprints on planes; planes are numbered, squares of different planes are not comparable."""

    rows: np.ndarray  # int64 [square], row number in the index
    plane: np.ndarray  # int64 [square]
    centre_m: np.ndarray  # float64 [square, 2], eastwards and northwards; for _find_across [square, 3]
    size_m: np.ndarray  # float64 [square]


def has_place(index: pd.DataFrame) -> np.ndarray:
    """Return bool [patch]: whether the place of the patch is known, by coordinates or by a cell of its granule."""
    known: np.ndarray = has_coordinates(index) | _has_cell(index)
    return known


def has_coordinates(index: pd.DataFrame) -> np.ndarray:
    """Return bool [patch]: whether the index gives projected coordinates and size."""
    numbers = [_read_numbers(index, name) for name in ("epsg", "ulx_m", "uly_m", "size_m")]
    known: np.ndarray = np.isfinite(numbers).all(axis=0) & (numbers[-1] > 0)
    return known


def find_near(index: pd.DataFrame, reach_cells: int = 1) -> Pairs:
    """Return all pairs of patches whose footprints are at most `reach_cells` - 1 sides apart on both axes.

    On a grid of equal patches these are the cells at most `reach_cells` columns and rows away: at 1 the 8 neighbours
    and the patch's own cell. Of two unequal patches the larger side counts. The work grows with the square of the reach
    and of the ratio of the largest side to the smallest.

    Args:
        index: columns of the index; those of places and dates that are missing or null are unknown.
        reach_cells: at least 1.

    Raises:
        ValueError: `reach_cells` is below 1.
    """
    if reach_cells < 1:
        raise ValueError(f"reach_cells: expected at least 1; received {reach_cells}")
    located = _read_located(index)
    keys = [
        *_find_on_planes(located, reach_cells),
        *_find_on_planes(_read_cells(index), reach_cells),
        *_find_across(_to_earth(located, index), reach_cells),
    ]
    return _decode(np.concatenate([np.empty(0, np.int64), *keys]), _read_dates(index))


def _find_on_planes(squares: _Squares, reach_cells: int) -> Iterator[np.ndarray]:
    if not len(squares.rows):
        return
    largest_m = np.zeros(squares.plane.max() + 1)
    np.maximum.at(largest_m, squares.plane, squares.size_m)
    # A third axis separates the planes, so that one tree can contain them all.
    points = np.column_stack([squares.centre_m / largest_m[squares.plane, None], squares.plane * 3.0 * reach_cells])
    for one, other in _iter_candidates(points, reach_cells + 2 * TOLERANCE, np.inf):
        size_m = squares.size_m[one], squares.size_m[other]
        between_m = np.abs(squares.centre_m[one] - squares.centre_m[other])
        gap_m = between_m - (size_m[0] + size_m[1])[:, None] / 2
        slack_m = TOLERANCE * np.minimum(*size_m)
        wider_m, narrower_m = gap_m.max(axis=1), gap_m.min(axis=1)
        near = wider_m <= (reach_cells - 1) * np.maximum(*size_m) + slack_m
        edge = (wider_m <= slack_m) & (narrower_m < -slack_m)
        overlap = wider_m < -slack_m
        yield _encode(squares, one, other, np.select([overlap, edge, near], [2, 1, 0], -1))


def _find_across(squares: _Squares, reach_cells: int) -> Iterator[np.ndarray]:
    """Yield pairs of different planes; the centres are x, y, z in the Earth."""
    if len(np.unique(squares.plane)) < 2:
        return
    radius_m = np.sqrt(2) * reach_cells * squares.size_m.max() * (1 + ZONE_TOLERANCE)
    for one, other in _iter_candidates(squares.centre_m, radius_m, 2):
        differs = squares.plane[one] != squares.plane[other]
        one, other = one[differs], other[differs]
        size_m = squares.size_m[one], squares.size_m[other]
        mean_m = (size_m[0] + size_m[1]) / 2
        distance_m = np.linalg.norm(squares.centre_m[one] - squares.centre_m[other], axis=1)
        reach_m = mean_m + (reach_cells - 1) * np.maximum(*size_m)
        near = distance_m <= np.sqrt(2) * reach_m * (1 + ZONE_TOLERANCE)
        edge = distance_m <= mean_m * (1 + ZONE_TOLERANCE)
        overlap = distance_m < mean_m * (1 - ZONE_TOLERANCE)
        yield _encode(squares, one, other, np.select([overlap, edge, near], [2, 1, 0], -1))


def _iter_candidates(points: np.ndarray, radius: float, norm: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield numbers of points no farther apart than `radius`, each pair once."""
    found = cKDTree(points).query_pairs(radius, p=norm, output_type="ndarray")
    for start in range(0, len(found), _CHUNK_PAIRS):
        one, other = found[start : start + _CHUNK_PAIRS].T
        yield one, other


def _encode(squares: _Squares, one: np.ndarray, other: np.ndarray, contact: np.ndarray) -> np.ndarray:
    """Return int64 keys of the pairs whose `contact` is 0 (near), 1 (edge) or 2 (overlap); -1: not near."""
    near = contact >= 0
    rows = squares.rows[one[near]], squares.rows[other[near]]
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


def _read_located(index: pd.DataFrame) -> _Squares:
    rows = np.flatnonzero(has_coordinates(index))
    epsg, left_m, top_m, size_m = (_read_numbers(index, name)[rows] for name in ("epsg", "ulx_m", "uly_m", "size_m"))
    centre_m = np.column_stack([left_m + size_m / 2, top_m - size_m / 2])
    return _Squares(rows, np.unique(epsg, return_inverse=True)[1], centre_m, size_m)


def _read_cells(index: pd.DataFrame) -> _Squares:
    """Return the patches of the granules that have a patch without coordinates."""
    granule = _read_codes(index, "granule")
    incomplete = np.zeros(granule.max(initial=-1) + 2, np.bool_)
    incomplete[granule[~has_coordinates(index)]] = True
    rows = np.flatnonzero(_has_cell(index) & incomplete[granule])
    column, row = _read_numbers(index, "column")[rows], _read_numbers(index, "row")[rows]
    return _Squares(
        rows,
        granule[rows],
        np.column_stack([column, -row]) * float(PATCH_SIZE_M),
        np.full(len(rows), float(PATCH_SIZE_M)),
    )


def _to_earth(squares: _Squares, index: pd.DataFrame) -> _Squares:
    """Return those of known longitude and latitude, with geocentric centres, on the ellipsoid's surface.

    X = N cos(lat) cos(lon), Y = N cos(lat) sin(lon), Z = N (1 - e2) sin(lat), N = a / sqrt(1 - e2 sin2(lat)):
    EPSG Guidance Note 7-2, method 9602.
    """
    degrees = [_read_numbers(index, name)[squares.rows] for name in ("longitude", "latitude")]
    known = np.isfinite(degrees).all(axis=0)
    longitude, latitude = np.radians(np.stack(degrees)[:, known])
    e2 = _FLATTENING * (2 - _FLATTENING)
    normal_m = _SEMI_MAJOR_M / np.sqrt(1 - e2 * np.sin(latitude) ** 2)
    flat_m = normal_m * np.cos(latitude)
    height_m = normal_m * (1 - e2) * np.sin(latitude)
    centre_m = np.column_stack([flat_m * np.cos(longitude), flat_m * np.sin(longitude), height_m])
    return _Squares(squares.rows[known], squares.plane[known], centre_m, squares.size_m[known])


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


def _has_cell(index: pd.DataFrame) -> np.ndarray:
    numbers = [_read_numbers(index, name) for name in ("column", "row")]
    known: np.ndarray = np.isfinite(numbers).all(axis=0) & (_read_codes(index, "granule") >= 0)
    return known


def _read_numbers(index: pd.DataFrame, name: str) -> np.ndarray:
    if name not in index:
        return np.full(len(index), np.nan)
    values: np.ndarray = index[name].to_numpy(np.float64, na_value=np.nan)
    return values


def _read_codes(index: pd.DataFrame, name: str) -> np.ndarray:
    if name not in index:
        return np.full(len(index), -1)
    codes: np.ndarray = pd.factorize(index[name])[0]
    return codes
