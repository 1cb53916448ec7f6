"""`scores.tif`: a Cloud Optimized GeoTIFF with a band per class, one pixel per cell."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.shutil import copy
from rasterio.windows import Window

from landscribe.core.files import replacing

_BLOCK_PX = 128  # a map of a whole tile of Sentinel-2 has 92 cells along a side
_LEAST_OVERVIEW_PX = 16
_THREADS = "1"  # the same bytes whatever the machine


def make_transform(transform: Sequence[float], stride_px: int) -> tuple[float, ...]:
    """Return the affine transform, a to f, of cells of so many pixels with the same upper left corner."""
    a, b, c, d, e, f = transform
    return a * stride_px, b * stride_px, c, d * stride_px, e * stride_px, f


@contextlib.contextmanager
def open_scores(
    path: Path,
    shape: tuple[int, int],
    classes: Sequence[str],
    crs_wkt: str,
    transform: Sequence[float],
    facts: Mapping[str, str],
) -> Iterator[Callable[[int, np.ndarray], None]]:
    """Yield what writes a row of cells: its number and float [cell, class]; the file is there when the block ends.

    Args:
        path: file to write, atomically; NaN is nodata.
        shape: rows and columns of cells.
        classes: names of the bands.
        crs_wkt: coordinate system.
        transform: affine, a to f, of the cells.
        facts: metadata of the file.
    """
    profile = {
        "driver": "GTiff", "height": shape[0], "width": shape[1], "count": len(classes), "dtype": "float32",
        "crs": CRS.from_wkt(crs_wkt), "transform": rasterio.Affine(*transform), "nodata": float("nan"),
        "interleave": "band", "bigtiff": "IF_SAFER",
    }  # fmt: skip
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, rasterio.Env(GDAL_NUM_THREADS=_THREADS):
        plain = Path(folder) / "scores.tif"
        with rasterio.open(plain, "w", **profile) as target:

            def write(row: int, scores: np.ndarray) -> None:
                target.write(scores.T.astype(np.float32)[:, None, :], window=Window(0, row, shape[1], 1))

            yield write
            target.descriptions = tuple(classes)
            target.update_tags(**facts)
        options = {"COMPRESS": "DEFLATE", "PREDICTOR": "FLOATING_POINT", "BLOCKSIZE": str(_BLOCK_PX)}
        count = _count_overviews(shape)
        options |= {"OVERVIEW_RESAMPLING": "AVERAGE", "OVERVIEW_COUNT": str(count)} if count else {"OVERVIEWS": "NONE"}
        with replacing(path) as beside:
            copy(plain, beside, driver="COG", **options)


def _count_overviews(shape: tuple[int, int]) -> int:
    """Return how often the map is halved: until a side is hardly worth showing; once at least where it can be."""
    if min(shape) < 2:
        return 0
    return max(1, int(np.log2(min(shape) / _LEAST_OVERVIEW_PX)))
