"""Reading one GeoTIFF band."""

import os
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import RasterioError

from landscribe.bands import Band
from landscribe.errors import PatchError

# Without it GDAL lists the folder at each open to look for side files: most of the time of a small read
# (https://github.com/rasterio/rasterio/issues/2213). Set for the process: entering a rasterio.Env costs as much again.
os.environ.setdefault("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR")


def read_band(path: Path, band: Band) -> np.ndarray:
    """Return one band, [row, column], checked against size, dtype and (for decibels) finiteness.

    Raises:
        PatchError: the file is missing, unreadable or not as expected.
    """
    if not path.is_file():
        raise PatchError(f"band {band.name} is missing: no {path.name}")
    try:
        with rasterio.open(path) as dataset:
            values: np.ndarray = dataset.read(1)
            num_bands = dataset.count
    except RasterioError as error:
        raise PatchError(f"{path.name} is unreadable: {' '.join(str(error).split())}") from error
    if num_bands != 1:
        raise PatchError(f"{path.name}: expected one band; received {num_bands}")
    expected = (band.size_px, band.size_px)
    if values.shape != expected or values.dtype != band.dtype:
        raise PatchError(f"{path.name}: expected {expected} {band.dtype}; received {values.shape} {values.dtype}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise PatchError(f"{path.name} holds NaN or infinity")
    return values
