"""One image file of any colour model or bands, as bands by name, with what is nodata masked.

The content decides how a file is read, not its suffix. Pillow reads JPEG and 8-bit PNG (with grey, CMYK and
palettes); rasterio reads GeoTIFF, JPEG 2000 and 16-bit PNG, which Pillow would reduce to 8 bit.
"""

import contextlib
import functools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import ExifTags, Image, TiffImagePlugin
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning

from landscribe.archive.band_names import NamedBands, name_bands
from landscribe.archive.gdal_errors import UNREADABLE, explain
from landscribe.archive.image_format import IMAGE_SUFFIXES, sniff
from landscribe.core.errors import PatchError

# Of Planet's GeoTIFFs of four bands, where a file does not mark its colours.
PLANET_BAND_ORDER = ("B", "G", "R", "NIR")

_DRIVERS = {"TIFF": "GTiff", "JPEG 2000": "JP2OpenJPEG", "PNG": "PNG"}
_DTYPES = ("uint8", "uint16", "int16", "float32", "float64")  # of rasters; the last is stored as the one before
_MODE_QUIRKS = {"L": "grey-image", "LA": "grey-image", "1": "grey-image", "CMYK": "cmyk-image", "RGBA": "rgba-image",
                "P": "palette-image", "PA": "palette-image"}  # fmt: skip
# Orientation of EXIF and TIFF 6.0 -> whether rows and columns are exchanged, then rows, then columns reversed.
_TURNS = {2: (False, False, True), 3: (False, True, True), 4: (False, True, False), 5: (True, False, False),
          6: (True, False, True), 7: (True, True, True), 8: (True, True, False)}  # fmt: skip
_LEAST_WEIGHT = 1e-6  # of the valid pixels in a resampled one; less is rounding

_MAX_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # the limit of Pillow: a damaged header can claim any size
# SyntaxError: what Pillow raises for a damaged PNG.
_UNREADABLE = (*UNREADABLE, SyntaxError, Image.DecompressionBombError)


@dataclass(frozen=True)
class Square:
    """The place of an image that fits: the upper left corner and the side, metres, in the projected system `epsg`."""

    epsg: int
    ulx_m: float
    uly_m: float
    size_m: float


@dataclass(frozen=True)
class ImageFacts:
    """What the header says: dtype as it is stored, native size, place (None if unknown), quirks met, names of bands.

    `crs` and `transform` are those of `PATCH_SCHEMA`, of any raster that has them; `square` is the same of a square,
    north up, in metres.
    """

    dtype: str
    rows_px: int
    columns_px: int
    square: Square | None
    quirks: tuple[str, ...]
    bands: tuple[str, ...]
    crs: str | None = None
    transform: tuple[float, ...] | None = None


def inspect_image(path: Path, band_order: Sequence[str], names: Iterable[str] = ()) -> ImageFacts:
    """Read the header of an image.

    Args:
        path: a JPEG, PNG, TIFF or JPEG 2000.
        band_order: bands, by name, of a raster that has as many and does not name them itself.
        names: that its descriptions may use, beside these and the known ones.

    Raises:
        PatchError: the file is of another format, or what its bands are cannot be known.
    """
    with _open_image(path) as (content, image):
        quirks: tuple[str, ...] = () if IMAGE_SUFFIXES.get(path.suffix.lower()) == content else ("mislabelled-image",)
        turn = _read_turn(image, path)
        quirks += ("exif-orientation",) if turn else ()
        named = _name_bands(image, path, names, band_order)
        quirks += named.quirks
        rows_px, columns_px = (image.width, image.height) if turn and turn[0] else (image.height, image.width)
        if isinstance(image, Image.Image):
            return ImageFacts("uint8", rows_px, columns_px, None, quirks, tuple(named.places))
        dtype = "float32" if image.dtypes[0] == "float64" else image.dtypes[0]
        georeference = _read_georeference(image)
        return ImageFacts(dtype, rows_px, columns_px, _locate(image), quirks, tuple(named.places), *georeference)


def read_image(path: Path, names: Sequence[str], band_order: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the bands `names` of an image, each [row, column], uint8, uint16, int16 or float32.

    A band with nodata is a masked array: pixels of a declared value, transparent or masked in the file, and those that
    are no finite number.

    Args:
        path: a JPEG, PNG, TIFF or JPEG 2000.
        names: bands to read.
        band_order: as for `inspect_image`.

    Raises:
        PatchError: the file is unreadable, lacks a band, or what its bands are cannot be known.
    """
    with _open_image(path) as (_, image):
        named = _name_bands(image, path, names, band_order)
        for name in names:
            if name not in named.places:
                hint = _explain_missing(image, name)
                raise PatchError(f"band {name} is missing: {path.name} holds {', '.join(named.places)}{hint}")
        read = _read_picture if isinstance(image, Image.Image) else _read_raster
        values, invalid = read(image, [named.places[name] for name in names], named.alpha)
        turn = _read_turn(image, path)
        return {name: _turn(band, turn) for name, band in zip(names, _mask(values, invalid), strict=True)}


def resample(values: np.ndarray, size_px: int) -> np.ndarray:
    """Return [row, column] values resampled to `size_px` squared in their own dtype; whole numbers are rounded.

    Bilinear, with a support that grows when shrinking (no aliasing). Nodata has no weight in it: a pixel is the mean of
    the valid ones that it covers, and masked where there is none. The served model contains the same rule.
    """
    if values.shape == (size_px, size_px):
        return values
    if not isinstance(values, np.ma.MaskedArray):
        return _round_to(_resize(values, size_px), values.dtype)
    weights = _resize(~np.ma.getmaskarray(values), size_px)
    invalid = weights < _LEAST_WEIGHT
    means = _resize(values.filled(0), size_px) / np.where(invalid, 1, weights)
    return np.ma.MaskedArray(_round_to(np.where(invalid, 0, means), values.dtype), invalid)


def _resize(values: np.ndarray, size_px: int) -> np.ndarray:
    image = Image.fromarray(values.astype(np.float32))
    return np.asarray(image.resize((size_px, size_px), Image.Resampling.BILINEAR))


def _round_to(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    rounded: np.ndarray = np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
    return rounded


@contextlib.contextmanager
def _open_image(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the format and the opened file: a Pillow image, or a raster where Pillow would lose bits or bands."""
    content, deep = sniff(path)
    try:
        if content == "JPEG" or (content == "PNG" and not deep):
            with Image.open(path, formats=(content,)) as image:
                yield content, image
        else:
            with _open_raster(path, _DRIVERS[content]) as dataset:
                yield content, dataset
    except PatchError:
        raise
    except _UNREADABLE as error:
        raise PatchError(f"{path.name} is unreadable: {explain(error, path, path.name)}") from error


@contextlib.contextmanager
def _open_raster(path: Path, driver: str) -> Iterator[rasterio.DatasetReader]:
    """Open an image, georeferenced or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, driver=driver) as dataset:
            if dataset.width * dataset.height > _MAX_PIXELS:
                raise PatchError(f"{path.name}: expected at most {_MAX_PIXELS:,} px; received {dataset.shape}")
            if dataset.subdatasets:
                raise PatchError(
                    f"{path.name}: expected one page; received {len(dataset.subdatasets)}. Save the page that is meant"
                    f" as a file of its own (rio convert GTIFF_DIR:1:{path.name} page.tif), or all as bands of one"
                )
            yield dataset


def _name_bands(image: Any, path: Path, names: Iterable[str], band_order: Sequence[str]) -> NamedBands:
    """Return the names of the bands and the quirks of their dtype and colours.

    Raises:
        PatchError: the dtype is none that records hold, or the names are not known.
    """
    if isinstance(image, Image.Image):
        quirk = _MODE_QUIRKS.get(image.mode)
        return NamedBands({"R": 1, "G": 2, "B": 3}, None, (quirk,) if quirk else ())
    dtype = image.dtypes[0]
    if dtype not in _DTYPES:
        raise PatchError(
            f"{path.name}: expected {', '.join(_DTYPES)}; received {dtype}. Convert a copy of it (rio convert --dtype"
            f" float32 {path.name} copy.tif)"
        )
    named = name_bands(image, path.name, names, band_order)
    return replace(named, quirks=("float64-image", *named.quirks)) if dtype == "float64" else named


def _read_picture(image: Image.Image, places: Sequence[int], _: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return red, green, blue as uint8 [band, row, column], and bool of that shape: which pixels are transparent."""
    colours = np.moveaxis(np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB")), -1, 0)
    values = colours[[place - 1 for place in places]]
    return values, np.broadcast_to(colours[3] == 0, values.shape) if len(colours) > 3 else None


def _read_raster(
    dataset: rasterio.DatasetReader, places: Sequence[int], alpha: int | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return bands of a raster, [band, row, column], and bool of that shape: which pixels are nodata, None for none."""
    values = dataset.read(list(places))
    invalid = ~np.isfinite(values) if values.dtype.kind == "f" else np.zeros(values.shape, np.bool_)
    if alpha is not None:
        invalid |= dataset.read(alpha) == 0
    for number, place in enumerate(places):
        nodata, flags = dataset.nodatavals[place - 1], dataset.mask_flag_enums[place - 1]
        if nodata is not None:  # also a value that the dtype cannot hold, which no pixel has
            invalid[number] |= values[number] == (np.float32(nodata) if values.dtype == np.float32 else nodata)
        if MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags:
            invalid[number] |= dataset.read_masks(place) == 0
    if values.dtype == np.float64:
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
        invalid |= ~np.isfinite(values)
    return values, invalid if invalid.any() else None


def _mask(values: np.ndarray, invalid: np.ndarray | None) -> list[np.ndarray]:
    """Return each band of [band, row, column]; one with invalid pixels as a masked array."""
    if invalid is None:
        return list(values)
    return [
        np.ma.MaskedArray(band, where) if where.any() else band for band, where in zip(values, invalid, strict=True)
    ]


def _read_turn(image: Any, path: Path) -> tuple[bool, bool, bool] | None:
    """Return how the pixels lie, as `_TURNS` says; None where they lie upright, or where the file says on what ground.

    Raises nothing: what is written around the pixels may be damaged.
    """
    try:
        if isinstance(image, Image.Image):
            return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
        if image.driver != "GTiff" or not image.transform.is_identity:
            return None
        with path.open("rb") as stream:
            head = stream.read(8)
            head += stream.read(8) if b"+" in head[2:4] else b""  # of a BigTIFF
            directory = TiffImagePlugin.ImageFileDirectory_v2(head)
            stream.seek(directory.next)
            directory.load(stream)
        return _TURNS.get(directory.get(ExifTags.Base.Orientation, 1))
    except Exception:  # Pillow raises what it meets
        return None


def _turn(values: np.ndarray, turn: tuple[bool, bool, bool] | None) -> np.ndarray:
    """Return [row, column] as it is to be looked at."""
    if turn is None:
        return values
    exchanged, rows, columns = turn
    upright = values.T if exchanged else values
    return upright[:: -1 if rows else 1, :: -1 if columns else 1]


def _explain_missing(image: Any, name: str) -> str:
    """Return what to do if infrared is requested and a band is marked as transparency, as writers do by default."""
    if name != "NIR" or isinstance(image, Image.Image) or ColorInterp.alpha not in image.colorinterp:
        return ""
    marks = ["nir" if colour == ColorInterp.alpha else colour.name for colour in image.colorinterp]
    return (
        ", and a band marked as transparency. If that is infrared, mark it so in a copy of the file"
        f" (rio edit-info --colorinterp {','.join(marks)}); else take NIR out of the bands"
    )


def _locate(dataset: rasterio.DatasetReader) -> Square | None:
    """Return the place of a square, north-up image of square pixels in metres; None for every other image."""
    crs, transform = dataset.crs, dataset.transform
    is_square = dataset.width == dataset.height and math.isclose(transform.a, -transform.e)
    is_north_up = transform.a > 0 and transform.b == transform.d == 0
    if not (is_square and is_north_up and crs and crs.is_projected and crs.linear_units_factor[1] == 1):
        return None
    epsg, side_m = _find_epsg(crs.wkt), transform.a * dataset.width
    is_known = epsg and all(map(math.isfinite, (transform.c, transform.f, side_m)))
    return Square(epsg, transform.c, transform.f, side_m) if epsg and is_known else None


def _read_georeference(dataset: rasterio.DatasetReader) -> tuple[str | None, tuple[float, ...] | None]:
    """Return coordinate system and transform; the identity is no transform."""
    wkt = dataset.crs.wkt if dataset.crs else ""
    epsg = _find_epsg(wkt) if wkt else None
    return f"EPSG:{epsg}" if epsg else wkt or None, None if dataset.transform.is_identity else dataset.transform[:6]


@functools.lru_cache(maxsize=1000)  # a search through PROJ's tables where the file names no code
def _find_epsg(wkt: str) -> int | None:
    code: int | None = CRS.from_wkt(wkt).to_epsg()
    return code
