"""Grids of small GeoTIFFs in coordinate systems of any kind, and where they lie."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import rasterio
from rasterio.crs import CRS
from rasterio.transform import Affine

from landscribe.archive.image import PLANET_BAND_ORDER
from landscribe.archive.locate import locate_patches
from landscribe.archive.protocol import make_patches
from landscribe.archive.tagged_images import TaggedImages

# Columns and rows of tiles; the last two overlap: half a tile off the grid, and one place twice.
CELLS = [*((column, row) for column in range(4) for row in range(3)), (1.5, 0.5), (3, 2)]


def apply(affine: Affine, column: Any, row: Any) -> tuple[Any, Any]:
    """Return x and y; affine 2 multiplies with `*`, affine 3 with `@`."""
    a, b, c, d, e, f = affine[:6]
    return a * column + b * row + c, d * column + e * row + f


@dataclass(frozen=True)
class Grid:
    """Tiles of a size that lie side by side from an origin on."""

    crs: str
    origin: Affine
    columns_px: int = 64
    rows_px: int = 64

    def place(self, column: float, row: float) -> Affine:
        """Return the transform of a tile."""
        a, b, _, d, e, _ = self.origin[:6]
        x, y = apply(self.origin, column * self.columns_px, row * self.rows_px)
        return Affine(a, b, x, d, e, y)


NO_CODE = "+proj=laea +lat_0=48.3 +lon_0=14.3 +x_0=1000 +y_0=2000 +ellps=GRS80 +units=m"
GRIDS = {
    "degrees": Grid("EPSG:4326", Affine(1e-4, 0, 14.3, 0, -1e-4, 48.3)),
    "degrees, square on the ground": Grid("EPSG:4326", Affine(2e-4, 0, 14.3, 0, -1e-4, 60.0)),
    "degrees from 0 to 360": Grid("EPSG:4326", Affine(1e-4, 0, 190.3, 0, -1e-4, -17.3)),
    "degrees across the antimeridian": Grid("EPSG:4326", Affine(1e-4, 0, 179.984, 0, -1e-4, -17.3)),
    "grads of Paris": Grid("EPSG:4807", Affine(1e-4, 0, 1.2, 0, -1e-4, 51.3)),
    "US survey feet": Grid("EPSG:2263", Affine(32.8, 0, 990_000, 0, -32.8, 200_000)),
    "a system without a code": Grid(NO_CODE, Affine(10, 0, 5_000, 0, -10, 8_000)),
    "pixels of EuroSAT": Grid("EPSG:32635", Affine(10.0057, 0, 624602.23, 0, -9.9941, 4877286.03)),
    "oblong images": Grid("EPSG:32633", Affine(10, 0, 400_000, 0, -10, 5_300_000), 64, 48),
    "oblong images, no code, oblong pixels": Grid(NO_CODE, Affine(8, 0, 5_000, 0, -10, 8_000), 48, 64),
    "turned": Grid("EPSG:32633", Affine(2.4, 1.8, 400_000, 1.8, -2.4, 5_300_000)),
    "turned by quarters": Grid("EPSG:32633", Affine(0, 3, 400_000, 3, 0, 5_300_000), 64, 48),
    "south up": Grid("EPSG:32720", Affine(3, 0, 600_000, 0, 3, 9_600_000)),
    "millimetres": Grid("EPSG:32633", Affine(0.001, 0, 400_000, 0, -0.001, 5_300_000)),
    "squares in metres": Grid("EPSG:32633", Affine(10, 0, 400_000, 0, -10, 5_300_000)),
}


def write_images(folder: Path, images: Mapping[str, tuple[str | None, Affine, int, int]]) -> pa.Table:
    """Write grey GeoTIFFs, name -> (crs, transform, columns, rows), and return their table, located."""
    (folder / "images").mkdir()
    for name, (crs, transform, columns_px, rows_px) in images.items():
        profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "width": columns_px, "height": rows_px}
        place = {"crs": CRS.from_user_input(crs) if crs else None, "transform": transform}
        with rasterio.open(folder / "images" / f"{name}.tif", "w", **profile, **place) as dataset:
            dataset.write(np.full((1, rows_px, columns_px), 7, np.uint8))
    rows = "\n".join(["image_name,tags", *(f"{name},water" for name in images)])
    (folder / "tags.csv").write_text(rows + "\n", encoding="utf-8")
    listing = TaggedImages(folder / "images", folder / "tags.csv", PLANET_BAND_ORDER).read_listing()
    assert listing.quarantined == []
    return locate_patches(listing.patches)


def write_grid(folder: Path, grid: Grid) -> pa.Table:
    """Write the tiles of `CELLS`; return their table, located."""
    tiles = [grid.place(*cell) for cell in CELLS]
    return write_images(
        folder,
        {f"tile_{n:02}": (grid.crs, tile, grid.columns_px, grid.rows_px) for n, tile in enumerate(tiles)},
    )


def make_grid_index(grid: Grid, columns: int, rows: int) -> pd.DataFrame:
    """Return the index of a grid of tiles, without files, located."""
    cells = [(column, row) for column in range(columns) for row in range(rows)]
    table = make_patches(
        {
            "patch_id": [f"tile_{column:03}_{row:03}" for column, row in cells],
            "labels": [["water"]] * len(cells),
            "crs": [grid.crs] * len(cells),
            "transform": [grid.place(*cell)[:6] for cell in cells],
            "columns_px": [grid.columns_px] * len(cells),
            "rows_px": [grid.rows_px] * len(cells),
        }
    )
    located: pd.DataFrame = locate_patches(table).to_pandas()
    return located
