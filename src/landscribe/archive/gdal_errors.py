"""The errors that rasterio raises for damaged files, and their message in one line."""

from pathlib import Path

from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

# GDAL's own errors pass through some of rasterio's attributes as they are.
UNREADABLE = (OSError, ValueError, RasterioError, CPLE_BaseError)


def explain(error: BaseException, path: str | Path, name: str) -> str:
    """Return the message of an error in one line, with the name of a file in place of its path on this machine."""
    return " ".join(str(error).replace(str(path), name).split())
