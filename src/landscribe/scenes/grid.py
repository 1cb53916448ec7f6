"""The grids of the bands of a scene: read, measured on the ground, compared."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio import DatasetReader
from rasterio.crs import CRS

from landscribe.archive.footprints import apply_transforms, bring, read_transforms
from landscribe.core.earth import to_geocentric
from landscribe.core.errors import ArchiveError

_WGS_84 = CRS.from_epsg(4326)
_CORNER_TOLERANCE = 0.5  # of the finest pixel
_EXTENT_TOLERANCE = 1.0  # of the coarsest pixel: products whose side is no multiple of 60 m end within one
_CORNERS = np.array([[0, 0], [1, 0], [0, 1]])  # columns, rows: the upper left, upper right and lower left corner

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where the pixels of a band lie.

    Attributes:
        crs: coordinate system.
        transform: affine a to f, in the order of rasterio.
        shape: rows and columns.
    """

    crs: CRS
    transform: tuple[float, float, float, float, float, float]
    shape: tuple[int, int]

    def __str__(self) -> str:
        a, _, c, _, e, f = self.transform
        code = self.crs.to_epsg()
        rows, columns = self.shape
        name = f"EPSG:{code}" if code else "a system without EPSG code"
        return f"{columns} x {rows} px of {a:g} x {e:g} from {c:.10g}, {f:.10g} in {name}"

    @property
    def matrix(self) -> Floats:
        """The transform, float64 [2, 3]."""
        matrix: Floats = read_transforms([self.transform])[0]
        return matrix

    @property
    def sides(self) -> Floats:
        """Length of a pixel along a row and along a column, in units of the coordinate system."""
        lengths: Floats = np.linalg.norm(self.matrix[:, :2], axis=0)
        return lengths

    def find_points(self, places: Floats) -> Floats:
        """Return coordinates, float64 [point, 2], of points [point, column and row], both in shares of the extent."""
        points: Floats = apply_transforms(self.matrix[None], (places * self.shape[::-1])[None])[0]
        return points

    def measure_resolution_m(self) -> float:
        """Return the ground size of a pixel, metres: the root of its area.

        In a projected system it follows from the unit, since maps of land cover use those that are true to scale; in
        degrees it is that of the pixel at the centre.
        """
        if self.crs.is_projected:
            return float(np.sqrt(np.prod(self.sides)) * self.crs.linear_units_factor[1])
        pixel = np.array([[0, 0], [1, 0], [0, 1]]) / self.shape[::-1]
        degrees = bring(self.crs, _WGS_84, self.find_points(pixel + 0.5))
        centre, right, below = to_geocentric(degrees)
        return float(np.sqrt(np.linalg.norm(right - centre) * np.linalg.norm(below - centre)))


def read_grid(dataset: DatasetReader, name: str) -> Grid:
    """Return the grid of an opened file.

    Raises:
        ArchiveError: it does not say where its pixels lie.
    """
    transform = tuple(map(float, dataset.transform[:6]))
    lacking = []
    if dataset.crs is None or not (dataset.crs.is_projected or dataset.crs.is_geographic):
        lacking.append("coordinate system")
    if dataset.transform.is_identity or not np.isfinite(transform).all() or dataset.transform.determinant == 0:
        lacking.append("transform")
    if lacking:
        raise ArchiveError(
            f"{name}: expected a georeferenced raster; it has no usable {' and no '.join(lacking)}. Write them into a"
            " copy: rio edit-info --crs EPSG:CODE --transform '[SIDE, 0, LEFT, 0, -SIDE, TOP]' copy.tif."
        )
    a, b, c, d, e, f = transform
    return Grid(crs=dataset.crs, transform=(a, b, c, d, e, f), shape=dataset.shape)


def check_grids(grids: Mapping[str, Grid]) -> None:
    """Raise `ArchiveError` unless grids share coordinate system, upper left corner and extent; name -> grid."""
    finest = min(grids, key=lambda name: grids[name].sides.min())
    coarsest = max(grid.sides.max() for grid in grids.values())
    reference = grids[finest]
    tolerance = np.array([_CORNER_TOLERANCE * reference.sides.min(), *[_EXTENT_TOLERANCE * coarsest] * 2])
    for name, grid in grids.items():
        if grid.crs != reference.crs:
            differs = "coordinate systems"
        else:
            off = np.linalg.norm(grid.find_points(_CORNERS) - reference.find_points(_CORNERS), axis=1) > tolerance
            differs = "upper left corners" if off[0] else "extents" if off.any() else ""
        if differs:
            raise ArchiveError(
                f"expected bands on one grid; the {differs} of {finest} and {name} differ: {finest} has {reference},"
                f" {name} has {grid}. Replace the file of {name} by one on the grid of {finest}: rio warp {name}.tif"
                f" copy.tif --like {finest}.tif, by the names that they have."
            )
