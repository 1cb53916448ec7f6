"""The image files below a folder, and the names that they go by."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from landscribe.archive.folders import scan_folder
from landscribe.archive.image import IMAGE_SUFFIXES
from landscribe.archive.names import check_name
from landscribe.core.errors import ArchiveError, PatchError


def find_images(root: Path) -> tuple[list[str], int]:
    """Return the paths of the image files below a folder, relative and sorted, and how many other files lie there.

    Hidden files and folders (macOS side files such as `._x.jpg` have bytes of another kind under the suffix of an
    image) are no images. Links are followed, each folder once.

    Raises:
        ArchiveError: the folder is absent, cannot be listed or holds no image.
    """
    scan_folder(root, "root")  # for its sentences: a walk passes over what it cannot list
    images: list[str] = []
    num_others, seen = 0, set()
    for name, inner, files in os.walk(root, followlinks=True):
        folder = Path(name)
        inner[:] = [name for name in inner if not (name.startswith(".") or name == "__MACOSX")]
        if (real := folder.resolve()) in seen:  # a link to a folder above it
            inner.clear()
            continue
        seen.add(real)
        found = [name for name in files if _is_image(folder / name)]
        num_others += len(files) - len(found)
        images += [(folder / name).relative_to(root).as_posix() for name in found]
    if not images:
        raise ArchiveError(
            f"folder {root}: expected {', '.join(IMAGE_SUFFIXES)} files; found none. Name the folder that holds them."
        )
    return sorted(images, key=lambda path: path.split("/")), num_others


def parse_image_name(text: str) -> str:
    """Return the key of an image that a table names: its path from the root, `/` between folders, no extension, NFC.

    Raises:
        PatchError: the path is absolute, leads out of the root, or is no printable text.
    """
    path = PurePosixPath(text.strip().replace("\\", "/"))
    if path.is_absolute() or (path.parts[:1] and path.parts[0].endswith(":")):
        raise PatchError(f"expected a path from the folder of the images; received {text!r}")
    for part in path.parts or ("",):
        check_name(part)
    return cut_suffix(str(path))


def cut_suffix(path: str) -> str:
    """Return a relative path without the extension of an image, in Unicode's composed form (NFC).

    macOS writes file names decomposed (NFD), tables are typed composed: only as one form do they meet.
    """
    stem, dot, suffix = path.rpartition(".")
    return unicodedata.normalize("NFC", stem if f"{dot}{suffix}".lower() in IMAGE_SUFFIXES else path)


def make_patch_ids(keys: Iterable[str]) -> dict[str, str]:
    """Return key -> patch_id: the file name where all differ, else the whole path of each, as in `forest/1`."""
    keys = list(keys)
    counts = Counter(key.rpartition("/")[2] for key in keys)
    if max(counts.values(), default=1) > 1:
        return {key: key for key in keys}
    return {key: key.rpartition("/")[2] for key in keys}


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()
