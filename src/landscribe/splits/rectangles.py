"""Places of the patches of an index: rectangles on planes, and circles around and inside them on Earth."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from landscribe.archive.footprints import apply_transforms, find_period, read_transforms
from landscribe.core.earth import to_geocentric
from landscribe.core.tiles import PATCH_SIZE_M

_ANGLE_DECIMALS = 10  # of a radian: a millimetre, 10,000 km from the origin of the coordinates


@dataclass(frozen=True)
class Rectangles:
    """Footprints on planes, each in the units of its plane; those of different planes are not comparable."""

    rows: np.ndarray  # int64 [rectangle], row number in the index
    plane: np.ndarray  # int64 [rectangle], from 0
    corner: np.ndarray  # float64 [rectangle, 2], eastwards and northwards, of the upper left corner
    size: np.ndarray  # float64 [rectangle, 2], width and height
    names: list[str]  # of the planes: "EPSG:" and code or WKT, and the angle of a rotated plane; of granules
    period: np.ndarray  # float64 [plane], the period of the eastward coordinate, 360 in degrees; 0: none

    @property
    def centre(self) -> np.ndarray:
        """float64 [rectangle, 2]."""
        middle: np.ndarray = self.corner + self.size * [0.5, -0.5]
        return middle


@dataclass(frozen=True)
class Discs:
    """Footprints by centre on Earth: comparable with each other, whatever the plane."""

    rows: np.ndarray  # int64 [disc], row number in the index
    plane: np.ndarray  # int64 [disc], as in `Rectangles`
    centre_m: np.ndarray  # float64 [disc, 3], geocentric
    inner_m: np.ndarray  # float64 [disc], radius of the circle inside the footprint
    outer_m: np.ndarray  # float64 [disc], radius of the circle around it


def has_place(index: pd.DataFrame) -> np.ndarray:
    """Return bool [patch]: whether the place of the patch is known, by coordinates or by a cell of its granule."""
    known: np.ndarray = has_coordinates(index) | _has_cell(index)
    return known


def has_coordinates(index: pd.DataFrame) -> np.ndarray:
    """Return bool [patch]: whether the index gives a square in projected coordinates, or a footprint."""
    known: np.ndarray = (_has_square(index) | _has_footprint(index)) & _read_unlocated(index).isna().to_numpy()
    return known


def explain_unlocated(index: pd.DataFrame) -> str:
    """Return in brackets, after a space, why places of images are unknown, most frequent first; empty without any."""
    counts = _read_unlocated(index).value_counts()
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return f" ({'; '.join(f'{count:,} with {reason}' for reason, count in ranked)})" if ranked else ""


def read_rectangles(index: pd.DataFrame) -> Rectangles:
    """Return the patches of known coordinates: squares as they are, images by their transform.

    A rotated image is on a plane that is rotated by the same angle; quarter turns do not count.
    """
    known, square = has_coordinates(index), _has_square(index)
    rows = np.concatenate([np.flatnonzero(known & square), np.flatnonzero(known & ~square)])
    num_squares = np.count_nonzero(known & square)
    epsg, left_m, top_m, size_m = _read_squares(index)[:, rows[:num_squares]]
    codes, plane = np.unique(epsg, return_inverse=True)
    names = [f"EPSG:{code:.0f}" for code in codes]
    corner, size = np.column_stack([left_m, top_m]), np.column_stack([size_m, size_m])
    period = np.zeros(len(names))
    if len(rows) > num_squares:
        others, corners, sizes, periods = _place_images(index.iloc[rows[num_squares:]])
        number, unique = pd.factorize(np.concatenate([names, others]).astype(object))
        plane = np.concatenate([number[: len(names)][plane], number[len(names) :]])
        period = np.zeros(len(unique))
        period[number[len(names) :]] = periods
        names, corner, size = list(unique), np.concatenate([corner, corners]), np.concatenate([size, sizes])
    return Rectangles(rows, plane, corner, size, names, period)


def _place_images(images: pd.DataFrame) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Return of each image the name of its plane, its upper left corner, width and height there, and the period."""
    crs = images["crs"].tolist()
    matrix = read_transforms(images["transform"].tolist())
    sizes_px = np.column_stack([_read_numbers(images, name) for name in ("columns_px", "rows_px")])
    angle = np.arctan2(matrix[:, 1, 0], matrix[:, 0, 0])
    quarters = np.round(angle / (np.pi / 2)).astype(int)
    angle = np.round(angle - quarters * np.pi / 2, _ANGLE_DECIMALS)
    size = np.linalg.norm(matrix[:, :, :2], axis=1) * sizes_px
    size = np.where((quarters % 2 == 1)[:, None], size[:, ::-1], size)
    x, y = apply_transforms(matrix, sizes_px[:, None] / 2)[:, 0].T
    centre = np.column_stack([np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x])
    full = {name: find_period(name) for name in dict.fromkeys(crs)}
    period = np.where(angle == 0, [full[name] for name in crs], 0.0)
    # 190 degrees east are 170 west.
    centre[:, 0] -= period * np.floor(
        np.divide(centre[:, 0], period, out=np.zeros(len(period)), where=period > 0) + 0.5
    )
    names = [name if not by else f"{name} rotated by {by} rad" for name, by in zip(crs, angle.tolist(), strict=True)]
    return names, centre - size * [0.5, -0.5], size, period


def read_cells(index: pd.DataFrame) -> Rectangles:
    """Return the patches of the granules that have a patch without coordinates, each granule a plane."""
    granule, names = _read_codes(index, "granule")
    incomplete = np.zeros(len(names) + 1, np.bool_)
    incomplete[granule[~has_coordinates(index)]] = True
    rows = np.flatnonzero(_has_cell(index) & incomplete[granule])
    column, row = _read_numbers(index, "column")[rows], _read_numbers(index, "row")[rows]
    size = np.full((len(rows), 2), float(PATCH_SIZE_M))
    return Rectangles(rows, granule[rows], np.column_stack([column, -row]) * size, size, names, np.zeros(len(names)))


def read_discs(index: pd.DataFrame, rectangles: Rectangles) -> Discs:
    """Return those of known longitude and latitude; squares in metres as they are, others as their corners lie."""
    degrees = np.column_stack([_read_numbers(index, name)[rectangles.rows] for name in ("longitude", "latitude")])
    known = np.isfinite(degrees).all(axis=1)
    rows, centre_m = rectangles.rows[known], to_geocentric(degrees[known])
    inner_m, outer_m = (rectangles.size[known, 0] * radius for radius in (0.5, np.sqrt(0.5)))
    images = np.flatnonzero(_has_footprint(index)[rows])
    if len(images):
        corners = np.stack(index["footprint"].to_numpy()[rows[images]]).reshape(-1, 4, 2)
        corners_m = to_geocentric(corners)
        edges_m = np.linalg.norm(corners_m - np.roll(corners_m, 1, axis=1), axis=2)
        inner_m[images] = edges_m.min(axis=1) / 2
        outer_m[images] = np.linalg.norm(corners_m - centre_m[images, None], axis=2).max(axis=1)
    return Discs(rows, rectangles.plane[known], centre_m, inner_m, outer_m)


def _read_squares(index: pd.DataFrame) -> np.ndarray:
    """Return float64 [4, patch]: epsg, ulx_m, uly_m, size_m."""
    return np.stack([_read_numbers(index, name) for name in ("epsg", "ulx_m", "uly_m", "size_m")])


def _has_square(index: pd.DataFrame) -> np.ndarray:
    numbers = _read_squares(index)
    known: np.ndarray = np.isfinite(numbers).all(axis=0) & (numbers[-1] > 0)
    return known


def _has_footprint(index: pd.DataFrame) -> np.ndarray:
    if "footprint" not in index:
        return np.zeros(len(index), np.bool_)
    known: np.ndarray = index["footprint"].notna().to_numpy()
    return known


def _read_unlocated(index: pd.DataFrame) -> pd.Series:
    return index["unlocated"] if "unlocated" in index else pd.Series(None, index.index, object)


def _has_cell(index: pd.DataFrame) -> np.ndarray:
    numbers = [_read_numbers(index, name) for name in ("column", "row")]
    known: np.ndarray = np.isfinite(numbers).all(axis=0) & (_read_codes(index, "granule")[0] >= 0)
    return known


def _read_numbers(index: pd.DataFrame, name: str) -> np.ndarray:
    if name not in index:
        return np.full(len(index), np.nan)
    values: np.ndarray = index[name].to_numpy(np.float64, na_value=np.nan)
    return values


def _read_codes(index: pd.DataFrame, name: str) -> tuple[np.ndarray, list[str]]:
    if name not in index:
        return np.full(len(index), -1), []
    codes, names = pd.factorize(index[name])
    return codes, list(names)
