"""`scores.tif`: a Cloud Optimized GeoTIFF with a band per class, one pixel per cell."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
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


def write_scores_tif(
    path: Path,
    rows: Iterable[np.ndarray],
    shape: tuple[int, int],
    classes: Sequence[str],
    crs_wkt: str,
    transform: Sequence[float],
    facts: Mapping[str, str],
) -> None:
    """Write the scores of all cells, atomically; NaN is nodata.

    Args:
        path: file to write.
        rows: float [cell, class], one per row of cells from the top.
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
            for number, scores in enumerate(rows):
                strip = scores.T.astype(np.float32)[:, None, :]
                target.write(strip, window=Window(0, number, shape[1], 1))
            target.descriptions = tuple(classes)
            target.update_tags(**facts)
        options = {"COMPRESS": "DEFLATE", "PREDICTOR": "FLOATING_POINT", "BLOCKSIZE": str(_BLOCK_PX)}
        options |= {"OVERVIEW_RESAMPLING": "AVERAGE", "OVERVIEW_COUNT": str(_count_overviews(shape))}
        with replacing(path) as beside:
            copy(plain, beside, driver="COG", **options)


def _count_overviews(shape: tuple[int, int]) -> int:
    """Return how often the map is halved before a side is shorter than is worth showing; once at least."""
    halvings = int(np.log2(max(1, min(shape) / _LEAST_OVERVIEW_PX)))
    return max(1, halvings)
