"""Footprints of images: their four corners on Earth, from transform and coordinate system, or why they are unknown."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform

from landscribe.core.earth import to_geocentric

MAX_PIXEL_RATIO = 1.5  # of the sides of a pixel: what is longer is a mistaken transform more often than a sensor
MAX_SHEAR = 0.001  # cosine of the angle between rows and columns: a rectangle is then wrong by so much of a side

NO_GEOREFERENCE = "neither transform nor coordinate system"
NO_TRANSFORM = "no transform"
NO_CRS = "no coordinate system"
NO_AREA = "a transform that is not finite or covers no area"
SHEARED = "a sheared transform"
OUTSIDE = "corners outside the domain of the coordinate system"
UNKNOWN_CRS = "a coordinate system without a way to WGS 84"
LONG_PIXELS = f"pixels more than {MAX_PIXEL_RATIO:g} times as long as wide, or as wide as long"

_WGS_84 = CRS.from_epsg(4326)
_DECIMALS = 9  # of a degree: 0.1 mm, a tenth of a pixel of 1 mm
_MAX_OFF_PX = 0.1  # between a corner and itself, brought to WGS 84 and back
_CORNERS = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.5]])  # columns, rows; from the upper left one; the centre

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Footprints:
    """Where images lie.

    Attributes:
        corners: float64 [image, 4, 2], longitude and latitude, WGS 84, degrees, from the upper left along the upper
            edge; NaN where unknown.
        centre: float64 [image, 2], the same of the centre.
        reasons: object [image], why the place is unknown, empty where it is known.
    """

    corners: Floats
    centre: Floats
    reasons: np.ndarray


def compute_footprints(images: pa.Table) -> Footprints:
    """Return the footprints of images.

    A footprint is true to a tenth of a pixel: a point that does not come back from WGS 84 as near as that lies outside
    the domain of its coordinate system. Sides of pixels are compared in units of the coordinate system and on the
    ground; the ratio nearer to 1 counts, as square pixels in degrees are longer than wide on the ground.

    Args:
        images: of `PATCH_SCHEMA`, with the columns crs, transform, rows_px and columns_px.
    """
    crs = images["crs"].to_numpy()
    matrix = read_transforms(images["transform"].to_pylist())
    sizes_px = np.column_stack([images[name].to_numpy().astype(np.float64) for name in ("columns_px", "rows_px")])
    reasons = _judge(matrix, images["crs"].is_null().to_numpy())
    points = apply_transforms(matrix, sizes_px[:, None] * _CORNERS)
    degrees = np.full_like(points, np.nan)
    possible = reasons == ""
    for name in dict.fromkeys(crs[possible]):
        here = np.flatnonzero(possible & (crs == name))
        degrees[here], reasons[here] = _to_degrees(str(name), points[here], np.sqrt(_find_area(matrix[here])))
    long = (reasons == "") & (_find_ratio(matrix, degrees, sizes_px) > MAX_PIXEL_RATIO)
    reasons[long] = LONG_PIXELS
    degrees[reasons != ""] = np.nan
    degrees = np.round(degrees, _DECIMALS)
    return Footprints(degrees[:, :4], degrees[:, 4], reasons)


def read_transforms(values: Sequence[Sequence[float] | None]) -> Floats:
    """Return float64 [image, 2, 3], affine matrices of columns and rows in pixels; NaN for null."""
    return np.array([[np.nan] * 6 if value is None else value for value in values], np.float64).reshape(-1, 2, 3)


def apply_transforms(matrix: Floats, places_px: Floats) -> Floats:
    """Return coordinates, float64 [image, point, 2], of columns and rows in pixels, of the same shape."""
    # Products of finite numbers can overflow: such the result is then not finite, and the image has no place.
    with np.errstate(all="ignore"):
        found: Floats = np.einsum("imk,ipk->ipm", matrix[:, :, :2], places_px) + matrix[:, None, :, 2]
    return found


def _judge(matrix: Floats, no_crs: np.ndarray) -> np.ndarray:
    """Return object [image], why the header gives no place; empty: it gives one."""
    no_transform = np.isnan(matrix).all(axis=(1, 2))
    with np.errstate(all="ignore"):
        area = _find_area(matrix)
        across = np.abs((matrix[:, :, 0] * matrix[:, :, 1]).sum(axis=1))
        lengths = np.linalg.norm(matrix[:, :, :2], axis=1).prod(axis=1)
        flawed = ~np.isfinite(matrix).all(axis=(1, 2)) | ~np.isfinite(area) | (area == 0)
        sheared = across > MAX_SHEAR * lengths
    reasons = np.full(len(matrix), "", object)
    for reason, holds in (
        (SHEARED, sheared),
        (NO_AREA, flawed),
        (NO_CRS, no_crs),
        (NO_TRANSFORM, no_transform),
        (NO_GEOREFERENCE, no_crs & no_transform),
    ):
        reasons[holds] = reason
    return reasons


def _find_area(matrix: Floats) -> Floats:
    """Return float64 [image], the area of a pixel."""
    return np.abs(matrix[:, 0, 0] * matrix[:, 1, 1] - matrix[:, 0, 1] * matrix[:, 1, 0])


def _to_degrees(name: str, points: Floats, pixel: Floats) -> tuple[Floats, np.ndarray]:
    """Return [image, point, longitude and latitude], and why not, of coordinates in one system.

    Args:
        name: of the coordinate system.
        points: float64 [image, point, 2].
        pixel: float64 [image], mean side of a pixel.
    """
    crs, flat = _read_crs(name), points.reshape(-1, 2)
    if crs is None:
        return np.full_like(points, np.nan), np.full(len(points), UNKNOWN_CRS, object)
    degrees = bring(crs, _WGS_84, flat)
    off = np.abs(bring(_WGS_84, crs, degrees) - flat)
    if period := find_period(name):
        off[:, 0] = np.abs(off[:, 0] - period * np.round(off[:, 0] / period))
    # A latitude beyond the pole, or a longitude beyond a full turn, comes back as it is if nothing is projected.
    sound = (off.max(axis=1) <= _MAX_OFF_PX * np.repeat(pixel, points.shape[1])) & (
        np.abs(degrees) <= [360, 90 + 10.0**-_DECIMALS]
    ).all(axis=1)
    reasons = np.where(sound.reshape(len(points), -1).all(axis=1), "", OUTSIDE).astype(object)
    longitude = degrees[:, 0]
    degrees[:, 0] = np.where(np.abs(longitude) > 180, (longitude + 180) % 360 - 180, longitude)
    return degrees.reshape(points.shape), reasons


def find_period(name: str) -> float:
    """Return a full turn in units of a geographic coordinate system, 360 for degrees; 0 for every other system."""
    crs = _read_crs(name)
    return round(2 * np.pi / crs.units_factor[1], _DECIMALS) if crs and crs.is_geographic else 0.0


def _read_crs(name: str) -> CRS | None:
    """Return a coordinate system that has a way to WGS 84, geographic or a plane; None for every other."""
    try:
        crs = CRS.from_user_input(name)
        return crs if crs.is_geographic or crs.is_projected else None
    except CRSError:  # no such code
        return None


def bring(source: CRS, target: CRS, points: Floats) -> Floats:
    """Return [point, 2] coordinates in another system; NaN for a point outside the domain of either."""
    finite = np.isfinite(points).all(axis=1)
    if not finite.all():
        brought = np.full_like(points, np.nan)
        brought[finite] = bring(source, target, points[finite])
        return brought
    if not len(points):
        return points
    try:
        found = np.column_stack(transform(source, target, points[:, 0], points[:, 1]))
    except CPLE_BaseError:  # one point fails the whole batch; halving it finds that point
        middle = len(points) // 2
        if not middle:
            return np.full((1, 2), np.nan)
        return np.concatenate([bring(source, target, part) for part in (points[:middle], points[middle:])])
    return np.where(np.isfinite(found), found, np.nan)


def _find_ratio(matrix: Floats, degrees: Floats, sizes_px: Floats) -> Floats:
    """Return float64 [image], the longer side of a pixel over the shorter: in own units or on the ground, the lesser.

    NaN where unknown.
    """
    with np.errstate(all="ignore"):
        sides = np.linalg.norm(matrix[:, :, :2], axis=1)
        edges_m = np.linalg.norm(np.diff(to_geocentric(degrees[:, :3]), axis=1), axis=2)
        ratios = [pair.max(axis=1) / pair.min(axis=1) for pair in (sides, edges_m / sizes_px)]
    least: Floats = np.minimum(*ratios)
    return least
