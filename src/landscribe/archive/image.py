"""One image file of any colour model, 8 or 16 bit, as three bands R, G, B.

The content decides how a file is read, not its suffix. Pillow reads JPEG and 8-bit PNG (it knows grey, CMYK and
palettes); rasterio reads GeoTIFF and 16-bit PNG, which Pillow would cut to 8 bit.
"""

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from landscribe.errors import PatchError

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

_MAX_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # where Pillow refuses: a damaged header can claim any size
# SyntaxError and ValueError: what Pillow raises for a damaged PNG.
_UNREADABLE = (OSError, SyntaxError, ValueError, RasterioError, Image.DecompressionBombError)


@dataclass(frozen=True)
class ImageFacts:
    """What the header says: dtype "uint8" or "uint16", native size and the quirks met."""

    dtype: str
    rows_px: int
    columns_px: int
    quirks: tuple[str, ...]


def inspect_image(path: Path) -> ImageFacts:
    """Read the header of an image.

    Raises:
        PatchError: the file is no JPEG, PNG or TIFF, or its bands are neither grey nor RGB.
    """
    content, deep = _sniff(path)
    quirks = () if IMAGE_SUFFIXES.get(path.suffix.lower()) == content else ("mislabelled-image",)
    try:
        if content == "TIFF" or deep:
            with _open_raster(path) as dataset:
                colour = _rgb_indexes(dataset, path)[1]
                return ImageFacts(dataset.dtypes[0], dataset.height, dataset.width, quirks + colour)
        with Image.open(path) as image:
            colour = (_MODE_QUIRKS[image.mode],) if image.mode in _MODE_QUIRKS else ()
            return ImageFacts("uint8", image.height, image.width, quirks + colour)
    except _UNREADABLE as error:
        raise PatchError(f"{path.name} is unreadable: {' '.join(str(error).split())}") from error


def read_image(path: Path) -> np.ndarray:
    """Return an image as [row, column, 3], uint8 or uint16, red first.

    Raises:
        PatchError: the file is unreadable or its bands are neither grey nor RGB.
    """
    content, deep = _sniff(path)
    try:
        if content == "TIFF" or deep:
            with _open_raster(path) as dataset:
                values: np.ndarray = dataset.read(_rgb_indexes(dataset, path)[0])
                return np.moveaxis(values, 0, -1)
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except _UNREADABLE as error:
        raise PatchError(f"{path.name} is unreadable: {' '.join(str(error).split())}") from error


def resample(values: np.ndarray, size_px: int) -> np.ndarray:
    """Return [row, column] values resampled to `size_px` squared in their own integer dtype.

    Bilinear, with a support that grows when shrinking (no aliasing); the served model carries the same rule.
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
def _open_raster(path: Path) -> Iterator[rasterio.DatasetReader]:
    """Open an image that need not lie anywhere on Earth."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            if dataset.width * dataset.height > _MAX_PIXELS:
                raise PatchError(f"{path.name}: expected at most {_MAX_PIXELS:,} px; received {dataset.shape}")
            yield dataset


def _rgb_indexes(dataset: rasterio.DatasetReader, path: Path) -> tuple[list[int], tuple[str, ...]]:
    """Return the band numbers of red, green, blue and the quirk of the colour model."""
    colours = list(dataset.colorinterp)
    if set(dataset.dtypes) - {"uint8", "uint16"}:
        raise PatchError(f"{path.name}: expected uint8 or uint16; received {dataset.dtypes[0]}")
    if dataset.count in (1, 2) and ColorInterp.palette not in colours:
        return [1, 1, 1], ("grey-image",)
    rgb = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
    if all(colour in colours for colour in rgb):
        return [colours.index(colour) + 1 for colour in rgb], ("rgba-image",) if ColorInterp.alpha in colours else ()
    if dataset.count == 3:
        return [1, 2, 3], ()
    raise PatchError(f"{path.name}: expected grey, RGB or bands marked red, green, blue; received {colours}")
