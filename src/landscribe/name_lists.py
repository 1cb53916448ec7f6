"""Lists of patch names: one name a line in column 1, no header, plain or .bz2."""

import bz2
import csv
from pathlib import Path

from landscribe.errors import ArchiveError

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")


def read_names(path: Path) -> list[str]:
    """Return the names of column 1, without an image's extension, in the order of the file.

    Raises:
        ArchiveError: the file is absent, unreadable or empty.
    """
    try:
        content = path.read_bytes()
        text = (bz2.decompress(content) if path.suffix == ".bz2" else content).decode("utf-8-sig")
        rows = list(csv.reader(text.splitlines()))
    except (OSError, ValueError, csv.Error) as error:
        raise ArchiveError(f"{path}: expected a list of patch names; {error}") from error
    names = [_without_suffix(row[0].strip()) for row in rows if row and row[0].strip()]
    if not names:
        raise ArchiveError(f"{path}: expected one patch name a line; the file is empty.")
    return names


def _without_suffix(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return stem if dot + suffix.lower() in _IMAGE_SUFFIXES else name
