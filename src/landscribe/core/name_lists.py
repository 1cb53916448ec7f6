"""Lists of patch names: one name per line in column 1, optionally its Sentinel-1 twin in column 2; plain, .bz2 or .gz.

The official lists of BigEarthNet have no header line (`s2_name`, or `s2_name,s1_name` in those of MM); a first line
that is a usual header is skipped.
"""

import bz2
import csv
import gzip
import zlib
from pathlib import Path

from landscribe.core.errors import ArchiveError

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".jp2", ".j2k")
_HEADERS = ("patch_id", "patch_name", "image_name", "s2_name")
_DECOMPRESS = {".bz2": bz2.decompress, ".gz": gzip.decompress}


def read_names(path: Path) -> list[str]:
    """Return the names of column 1, without an image's extension, in the order of the file, repeated ones too.

    Raises:
        ArchiveError: the file is absent, unreadable, binary or empty.
    """
    return [name for name, _ in _read_rows(path)]


def read_pairs(path: Path) -> dict[str, str | None]:
    """Return name of column 1 -> Sentinel-1 name of column 2, None if the line has no second column.

    Raises:
        ArchiveError: as `read_names`, or a name has two different twins.
    """
    pairs: dict[str, str | None] = {}
    for name, twin in _read_rows(path):
        if pairs.setdefault(name, twin) != twin:
            raise ArchiveError(f"{path}: '{name}' has two twins, {pairs[name]} and {twin}; keep one line.")
    return pairs


def _read_rows(path: Path) -> list[tuple[str, str | None]]:
    try:
        text = _DECOMPRESS.get(path.suffix, bytes)(path.read_bytes()).decode("utf-8-sig")
        if "\0" in text:
            raise ValueError("received binary data")
        rows = [
            (_without_suffix(row[0].strip()), row[1].strip() or None if len(row) > 1 else None)
            for row in csv.reader(text.splitlines(), strict=True)
            if row and row[0].strip()
        ]
    except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
        raise ArchiveError(f"{path}: expected a list of patch names, one per line; {error}") from error
    if rows and rows[0][0].lower() in _HEADERS:
        del rows[0]
    if not rows:
        raise ArchiveError(f"{path}: expected one patch name per line; the file is empty.")
    return rows


def _without_suffix(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return stem if dot + suffix.lower() in _IMAGE_SUFFIXES else name
