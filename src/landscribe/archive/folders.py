"""The content of a folder of an archive, or an error that names the key to set."""

import os
from pathlib import Path

from landscribe.core.errors import ArchiveError


def scan_folder(folder: Path, key: str) -> list[tuple[str, bool]]:
    """Return (name, whether it is a folder) of everything in a folder, in no particular order.

    Args:
        folder: of an archive.
        key: of section `archive`, which names it.

    Raises:
        ArchiveError: it is absent or cannot be listed.
    """
    try:
        with os.scandir(folder) as items:
            return [(item.name, _is_folder(item)) for item in items]
    except FileNotFoundError as error:
        raise ArchiveError(f"archive folder {folder} does not exist; set archive.{key} to it.") from error
    except OSError as error:
        raise ArchiveError(
            f"archive folder {folder} cannot be listed: {error.strerror}; set archive.{key} to a folder that can."
        ) from error


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a broken link
        return False
