"""Reading one GeoTIFF band: directly if its form allows, else through GDAL."""

from pathlib import Path

import numpy as np

from landscribe.archive.patch_files import MOST_BYTES, FolderFiles, PatchFiles
from landscribe.archive.plain_tiff import decode_plain_tiff
from landscribe.core.bands import Band, hint_at_reflectance
from landscribe.core.errors import PatchError

_HERE = FolderFiles("")


def read_band(path: str | Path, band: Band, files: PatchFiles = _HERE) -> np.ndarray:
    """Return one band, [row, column], checked against size, dtype and (for decibels) finiteness.

    Args:
        path: a `.tif`; if it is absent, the `.tiff` of the same name is read.
        band: what the file should contain.
        files: what `path` is relative to; the working directory by default.

    Raises:
        PatchError: the file is missing, unreadable or not as expected.
    """
    path = str(path)
    data = _read_file(path, files)
    if data is None:
        name, path = Path(path).name, str(Path(path).with_suffix(".tiff"))
        data = _read_file(path, files)
        if data is None:
            raise PatchError(f"band {band.name} is missing: no {name}")
    values = decode_plain_tiff(data) if len(data) <= MOST_BYTES else None
    if values is None:
        values = _read_through_gdal(path, band, files)
    check_values(Path(path).name, band, values)
    return values


def check_values(name: str, band: Band, values: np.ndarray) -> None:
    """Check size, dtype and (for decibels) finiteness.

    Args:
        name: of what was read, for errors.
        band: what it should be.
        values: of its pixels.

    Raises:
        PatchError: they are not as expected.
    """
    _check_form(name, band, values.shape, values.dtype)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise PatchError(f"{name} holds NaN or infinity")


def _read_file(path: str, files: PatchFiles) -> bytes | None:
    """Return the content; None if there is no such file.

    Raises:
        PatchError: it cannot be read.
    """
    try:
        return files.read(path)
    except OSError as error:
        raise PatchError(f"{Path(path).name} is unreadable: {error.strerror}") from error


def _read_through_gdal(path: str, band: Band, files: PatchFiles) -> np.ndarray:
    """Return the only band of a TIFF of any form; an unexpected size or dtype is refused before it takes memory.

    Only the driver for TIFF is used: another driver could open further files that are named in the content.
    """
    import rasterio  # imported here: it takes 0.1 s at the start of every worker, and most archives never need it

    from landscribe.archive.gdal_errors import UNREADABLE, explain

    located = files.locate(path)
    try:
        with rasterio.open(located, driver="GTiff") as dataset:
            if dataset.count != 1:
                raise PatchError(f"{Path(path).name}: expected one band; received {dataset.count}")
            _check_form(Path(path).name, band, dataset.shape, dataset.dtypes[0])
            values: np.ndarray = dataset.read(1)
    except PatchError:
        raise
    except UNREADABLE as error:
        reason = explain(error, located, Path(path).name)
        raise PatchError(f"{Path(path).name} is unreadable: {reason}") from error
    return values


def _check_form(name: str, band: Band, shape: tuple[int, ...], dtype: np.dtype | str) -> None:
    expected = (band.size_px, band.size_px)
    if shape != expected or dtype != band.dtype:
        hint = hint_at_reflectance(band.dtype, dtype)
        raise PatchError(f"{name}: expected {expected} {band.dtype}; received {shape} {dtype}{hint}")
