"""Signatures and digests of an archive's units, a chunk at a time.

Worker processes import this module: it imports nothing that is slow to load.
"""

import os
from array import array
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from landscribe.core.files import compute_digest, compute_file_digest
from landscribe.downloads.parts import is_part

Unit = Sequence[str | Path]  # folders or files
Signature = tuple[bytes, int, int]  # digest of names, sizes and times; number of files; their bytes
File = tuple[str, str, os.stat_result]  # name, path


def sign_units(units: Sequence[Unit]) -> list[Signature]:
    """Return the signature of each unit: what changes whenever a file does. No file is opened."""
    return [_sign(unit) for unit in units]


def digest_units(units: Sequence[Unit]) -> list[str]:
    """Return the digest of each unit's file names and bytes; files are read as streams."""
    return [_digest(unit) for unit in units]


def _sign(unit: Unit) -> Signature:
    files = _list_files(unit)
    sizes = [stat.st_size for _, _, stat in files]
    # ctime as well: a tool that edits in place and sets mtime back still moves ctime.
    times = [time for _, _, stat in files for time in (stat.st_mtime_ns, stat.st_ctime_ns)]
    content = os.fsencode("\0".join([name for name, _, _ in files])) + array("q", sizes + times).tobytes()
    return sha256(content).digest()[:16], len(files), sum(sizes)


def _digest(unit: Unit) -> str:
    files = _list_files(unit)
    try:
        return compute_digest(*(part for name, path, _ in files for part in (name, _digest_file(Path(path)))))
    except OSError:  # an unreadable file is quarantined later, by name; here it only has to change the digest
        return compute_digest("unreadable", *(name for name, _, _ in files))


def _digest_file(path: Path) -> str:
    """Return the digest of a file; that of a download's is remembered, since what is unpacked is named after it."""
    if not is_part(path.name):
        return compute_file_digest(path)
    from landscribe.downloads.digest import digest_part  # here: it imports what is slow to load

    return digest_part(path)


def _list_files(unit: Unit) -> list[File]:
    """Return the regular files of a unit, those of a folder sorted by name.

    A unit that cannot be listed has no files here; the reader quarantines it by name.
    """
    files: list[File] = []
    for path in unit:
        try:
            with os.scandir(os.fspath(path)) as items:
                found = [(item.name, item.path, item.stat()) for item in items if item.is_file()]
        except NotADirectoryError:
            file = Path(path)
            found = [(file.name, str(file), file.stat())]
        except OSError:
            found = []
        files += sorted(found)
    return files
