"""One image file of any colour model, 8 or 16 bit, as bands by name: R, G, B and, in a GeoTIFF, NIR.

The content decides how a file is read, not its suffix. Pillow reads JPEG and 8-bit PNG (with grey, CMYK and
palettes); rasterio reads GeoTIFF and 16-bit PNG, which Pillow would reduce to 8 bit. The file's own colour
interpretation says which band is red; only if it has none, an order given by name does.
"""

import contextlib
import functools
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import Image
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

from landscribe.archive.gdal_errors import UNREADABLE, explain
from landscribe.core.errors import PatchError

# Of Planet's GeoTIFFs of four bands, where a file does not mark its colours.
PLANET_BAND_ORDER = ("B", "G", "R", "NIR")

IMAGE_SUFFIXES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF"}

_MAGIC = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
_PNG_BIT_DEPTH_AT = 24  # byte of the IHDR chunk, https://www.w3.org/TR/png-3/#11IHDR
_MODE_QUIRKS = {"L": "grey-image", "LA": "grey-image", "1": "grey-image", "CMYK": "cmyk-image", "RGBA": "rgba-image",
                "P": "palette-image", "PA": "palette-image"}  # fmt: skip
_COLOURS = {"R": ColorInterp.red, "G": ColorInterp.green, "B": ColorInterp.blue}
_UNMARKED = {ColorInterp.gray, ColorInterp.undefined}

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
    """The content of a header: dtype "uint8" or "uint16", native size, place (None if unknown) and the quirks met.

    `crs` and `transform` are those of `PATCH_SCHEMA`, of any raster that has them; `square` is the same of a square,
    north up, in metres.
    """

    dtype: str
    rows_px: int
    columns_px: int
    square: Square | None
    quirks: tuple[str, ...]
    crs: str | None = None
    transform: tuple[float, ...] | None = None


def inspect_image(path: Path, band_order: Sequence[str]) -> ImageFacts:
    """Read the header of an image.

    Args:
        path: a JPEG, PNG or TIFF.
        band_order: bands, by name, of a TIFF that has as many and does not mark its colours.

    Raises:
        PatchError: the file is not a JPEG, PNG or TIFF, or it is unknown which of its bands is red.
    """
    with _open_image(path) as (content, image):
        quirks: tuple[str, ...] = () if IMAGE_SUFFIXES.get(path.suffix.lower()) == content else ("mislabelled-image",)
        if isinstance(image, Image.Image):
            colour = (_MODE_QUIRKS[image.mode],) if image.mode in _MODE_QUIRKS else ()
            return ImageFacts("uint8", image.height, image.width, None, quirks + colour)
        quirks += _name_bands(image, path, band_order)[1]
        georeference = _read_georeference(image)
        return ImageFacts(image.dtypes[0], image.height, image.width, _locate(image), quirks, *georeference)


def read_image(path: Path, names: Sequence[str], band_order: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the bands `names` of an image, each [row, column], uint8 or uint16.

    Args:
        path: a JPEG, PNG or TIFF.
        names: bands to read, out of R, G, B and NIR.
        band_order: as for `inspect_image`.

    Raises:
        PatchError: the file is unreadable, lacks a band, or it is unknown which of its bands is red.
    """
    with _open_image(path) as (_, image):
        is_raster = not isinstance(image, Image.Image)
        places = _name_bands(image, path, band_order)[0] if is_raster else {"R": 0, "G": 1, "B": 2}
        for name in names:
            if name not in places:
                hint = _explain_missing(image, name)
                raise PatchError(f"band {name} is missing: {path.name} holds {', '.join(places)}{hint}")
        wanted = [places[name] for name in names]
        values = image.read(wanted) if is_raster else np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)[wanted]
        return dict(zip(names, values, strict=True))


def resample(values: np.ndarray, size_px: int) -> np.ndarray:
    """Return [row, column] values resampled to `size_px` squared in their own integer dtype.

    Bilinear, with a support that grows when shrinking (no aliasing); the served model contains the same rule.
    """
    if values.shape == (size_px, size_px):
        return values
    resized = Image.fromarray(values.astype(np.float32)).resize((size_px, size_px), Image.Resampling.BILINEAR)
    limits = np.iinfo(values.dtype)
    rounded: np.ndarray = np.clip(np.rint(np.asarray(resized)), limits.min, limits.max).astype(values.dtype)
    return rounded


def _sniff(path: Path) -> tuple[str, bool]:
    """Return the format by content, and whether it is a PNG of 16 bit."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_PNG_BIT_DEPTH_AT + 1)
    except OSError as error:
        raise PatchError(f"{path.name} is unreadable: {error.strerror}") from error
    for magic, content in _MAGIC.items():
        if head.startswith(magic):
            return content, content == "PNG" and head[_PNG_BIT_DEPTH_AT:] == b"\x10"
    raise PatchError(f"{path.name}: expected JPEG, PNG or TIFF; received bytes {head[:8]!r}")


@contextlib.contextmanager
def _open_image(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the format and the opened file: a Pillow image, or a raster where Pillow would lose bits or bands."""
    content, deep = _sniff(path)
    try:
        if content == "TIFF" or deep:
            with _open_raster(path, "GTiff" if content == "TIFF" else "PNG") as dataset:
                yield content, dataset
        else:
            with Image.open(path) as image:
                yield content, image
    except PatchError:
        raise
    except _UNREADABLE as error:
        raise PatchError(f"{path.name} is unreadable: {explain(error, path)}") from error


@contextlib.contextmanager
def _open_raster(path: Path, driver: str) -> Iterator[rasterio.DatasetReader]:
    """Open an image, georeferenced or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, driver=driver) as dataset:
            if dataset.width * dataset.height > _MAX_PIXELS:
                raise PatchError(f"{path.name}: expected at most {_MAX_PIXELS:,} px; received {dataset.shape}")
            yield dataset


def _name_bands(
    dataset: rasterio.DatasetReader, path: Path, band_order: Sequence[str]
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return band name -> number in the file, from 1, and the quirk of the colour model."""
    colours = list(dataset.colorinterp)
    if set(dataset.dtypes) - {"uint8", "uint16"}:
        raise PatchError(f"{path.name}: expected uint8 or uint16; received {dataset.dtypes[0]}")
    if all(colour in colours for colour in _COLOURS.values()):
        places = {name: colours.index(colour) + 1 for name, colour in _COLOURS.items()}
        # Infrared is the band marked as such, or the unmarked one of four; alpha is neither.
        infrared = {ColorInterp.nir} if dataset.count != 4 else {ColorInterp.nir, ColorInterp.undefined}
        beside = [number for number, colour in enumerate(colours, 1) if colour in infrared]
        places |= {"NIR": beside[0]} if beside else {}
        return places, ("rgba-image",) if ColorInterp.alpha in colours else ()
    if dataset.driver == "GTiff" and len(colours) == len(band_order) and set(colours) <= _UNMARKED:
        return {name: number for number, name in enumerate(band_order, 1)}, ("band-order-from-params",)
    if dataset.count in (1, 2) and ColorInterp.palette not in colours:
        return dict.fromkeys(_COLOURS, 1), ("grey-image",)
    if dataset.count == 3 and set(colours) <= _UNMARKED:
        return {name: number for number, name in enumerate(_COLOURS, 1)}, ("rgb-order-assumed",)
    raise PatchError(
        f"{path.name}: expected grey, RGB, bands marked red, green, blue, or {len(band_order)} bands without marks;"
        f" received {', '.join(colour.name for colour in colours)}. Mark the bands in a copy of the file"
        " (rio edit-info --colorinterp red,green,blue,nir), or name the order of as many"
    )


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
