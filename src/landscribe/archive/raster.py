"""Reading one GeoTIFF band: directly if its form allows, else through GDAL."""

import os
import stat
from pathlib import Path

import numpy as np

from landscribe.archive.plain_tiff import decode_plain_tiff
from landscribe.core.bands import Band, hint_at_reflectance
from landscribe.core.errors import PatchError

# A larger file is not a plain band of a patch, and is never read into memory as a whole.
_MOST_BYTES = 1 << 20
# Does not wait for a writer if the file is a pipe.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_band(path: str | Path, band: Band) -> np.ndarray:
    """Return one band, [row, column], checked against size, dtype and (for decibels) finiteness.

    Args:
        path: a `.tif`; if it is absent, the `.tiff` of the same name is read.
        band: what the file should contain.

    Raises:
        PatchError: the file is missing, unreadable or not as expected.
    """
    data = _read_file(path)
    if data is None:
        name, path = Path(path).name, Path(path).with_suffix(".tiff")
        data = _read_file(path)
        if data is None:
            raise PatchError(f"band {band.name} is missing: no {name}")
    values = decode_plain_tiff(data)
    if values is None:
        values = _read_through_gdal(path, band)
    _check_form(path, band, values.shape, values.dtype)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise PatchError(f"{Path(path).name} holds NaN or infinity")
    return values


def _read_file(path: str | Path) -> bytes | None:
    """Return the bytes, or empty bytes for a large file; None if there is no such file.

    Raises:
        PatchError: it cannot be read.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
        try:
            # Not os.fstat, which takes four times as long: anything but a file has no size, size zero or a huge one.
            num_bytes = os.lseek(descriptor, 0, os.SEEK_END)
            if 0 < num_bytes <= _MOST_BYTES:
                return os.pread(descriptor, num_bytes, 0)
            return b"" if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
        finally:
            os.close(descriptor)
    except OSError as error:
        if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for a name too long
            return None
        raise PatchError(f"{Path(path).name} is unreadable: {error.strerror}") from error


def _read_through_gdal(path: str | Path, band: Band) -> np.ndarray:
    """Return the only band of a TIFF of any form; an unexpected size or dtype is refused before it takes memory.

    Only the driver for TIFF is used: another driver could open further files that are named in the content.
    """
    import rasterio  # imported here: it takes 0.1 s at the start of every worker, and most archives never need it

    from landscribe.archive.gdal_errors import UNREADABLE, explain

    try:
        with rasterio.open(path, driver="GTiff") as dataset:
            if dataset.count != 1:
                raise PatchError(f"{Path(path).name}: expected one band; received {dataset.count}")
            _check_form(path, band, dataset.shape, dataset.dtypes[0])
            values: np.ndarray = dataset.read(1)
    except PatchError:
        raise
    except UNREADABLE as error:
        raise PatchError(f"{Path(path).name} is unreadable: {explain(error, Path(path))}") from error
    return values


def _check_form(path: str | Path, band: Band, shape: tuple[int, ...], dtype: np.dtype | str) -> None:
    expected = (band.size_px, band.size_px)
    if shape != expected or dtype != band.dtype:
        hint = hint_at_reflectance(band.dtype, dtype)
        raise PatchError(f"{Path(path).name}: expected {expected} {band.dtype}; received {shape} {dtype}{hint}")
