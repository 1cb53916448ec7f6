"""The headers of the files of a scene: its bands and where they lie. No pixel is read."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import rasterio
from rasterio import DatasetReader
from rasterio.enums import MaskFlags
from rasterio.errors import NotGeoreferencedWarning

from landscribe.archive.gdal_errors import UNREADABLE, explain
from landscribe.archive.image_format import IMAGE_SUFFIXES
from landscribe.core.bands import S2_BANDS
from landscribe.core.errors import ArchiveError
from landscribe.scenes.grid import Grid, check_grids, read_grid
from landscribe.scenes.scene import SceneBand

CLOUD_NAME = "SCL"  # scene classification, uint8: cloud is one of its classes
DIGITAL_NUMBERS = ("uint16", "int16")
# By the format that a suffix stands for. Without a driver GDAL tries all, and some open further files.
_DRIVERS = {"TIFF": "GTiff", "JPEG 2000": "JP2OpenJPEG", "PNG": "PNG", "JPEG": "JPEG"}


@dataclass(frozen=True, kw_only=True)
class PlacedBand:
    """A band and its grid."""

    band: SceneBand
    grid: Grid


@contextlib.contextmanager
def open_raster(path: str) -> Iterator[DatasetReader]:
    """Open a file of a scene by its GDAL path; its suffix is one of `IMAGE_SUFFIXES`.

    Raises:
        ArchiveError: it cannot be read as a raster.
    """
    name, suffix = path.rpartition("/")[2], path[path.rindex(".") :].lower()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path, driver=_DRIVERS[IMAGE_SUFFIXES[suffix]]) as dataset:
                yield dataset
    except ArchiveError:
        raise
    except UNREADABLE as error:
        reason = explain(error, path, name)
        raise ArchiveError(
            f"{name} is unreadable: {reason}. The file is damaged or cut off; download it again."
        ) from error


def read_single(path: str, name: str) -> PlacedBand:
    """Return the only band of a file.

    Args:
        path: of the file, for GDAL.
        name: of the band.

    Raises:
        ArchiveError: the file is unreadable, has several bands or no georeference.
    """
    with open_raster(path) as dataset:
        if dataset.count != 1:
            file = path.rpartition("/")[2]
            raise ArchiveError(
                f"{file}: expected one band, {name}, as its name says; received {dataset.count}. If it holds all bands,"
                " name the file itself as the scene; else take it out of the folder."
            )
        return read_bands(dataset, path, {name: 1})[name]


def read_bands(
    dataset: DatasetReader, path: str, places: Mapping[str, int], alpha: int | None = None
) -> dict[str, PlacedBand]:
    """Return bands of an opened file.

    Args:
        dataset: the file.
        path: by which GDAL opens it.
        places: name -> number of the band, from 1.
        alpha: number of the band that says which pixels are transparent, or None.
    """
    grid = read_grid(dataset, path.rpartition("/")[2])
    resolution_m = grid.measure_resolution_m()
    return {
        name: PlacedBand(band=_describe(dataset, path, name, place, alpha, resolution_m), grid=grid)
        for name, place in places.items()
    }


def _describe(
    dataset: DatasetReader, path: str, name: str, place: int, alpha: int | None, resolution_m: float
) -> SceneBand:
    dtype, flags = dataset.dtypes[place - 1], dataset.mask_flag_enums[place - 1]
    nodata = dataset.nodatavals[place - 1]
    if nodata is None and (name == CLOUD_NAME or (name in (*S2_BANDS, "B10") and dtype in DIGITAL_NUMBERS)):
        nodata = 0.0  # Special_Values of MTD_MSIL2A.xml: NODATA is 0
    mask = alpha
    if mask is None and MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags:
        mask = 0
    if mask is not None and nodata is None:
        nodata = float("nan") if dtype.startswith("float") else 0.0
    return SceneBand(
        name=name,
        path=path,
        index=place,
        shape=dataset.shape,
        resolution_m=resolution_m,
        dtype=dtype,
        nodata=nodata,
        block=dataset.block_shapes[place - 1],
        mask=mask,
    )


def find_finest(placed: Mapping[str, PlacedBand]) -> PlacedBand:
    """Return the band with the smallest pixels, of several the first; all lie on one grid.

    Raises:
        ArchiveError: they do not.
    """
    check_grids({name: one.grid for name, one in placed.items()})
    return min(placed.values(), key=lambda one: one.band.resolution_m)
