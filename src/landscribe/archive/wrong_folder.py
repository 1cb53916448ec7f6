"""What to do where a folder of patches is wrong: a level too high or too low, or the archive is still packed."""

import itertools
import os
import shlex
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, cast

import pyarrow as pa

from landscribe.core.errors import ArchiveError
from landscribe.downloads.parts import find_download

_PACKED = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.zstd", ".tar.xz", ".tar.bz2")
_LEVELS, _MOST_FOLDERS, _MOST_MEMBERS = 2, 200, 1000

Kind = Literal["S1", "S2", "maps"]
IsName = Callable[[str], bool]  # whether a name is that of a folder looked for: a patch, or a tile of v2


def tell_kind(path: Path) -> Kind:
    """Return what a folder or a packed archive holds by its name as published; unknown names are of Sentinel-2."""
    return "S1" if "-S1" in path.name else "maps" if "Maps" in path.name else "S2"


def holds(folder: Path, is_name: IsName) -> bool:
    """Return whether a folder by such a name lies in `folder`; what cannot be listed holds none."""
    try:
        with os.scandir(folder) as items:
            return any(is_name(item.name) and item.is_dir() for item in items)
    except OSError:
        return False


def find_below(folder: Path, is_name: IsName) -> list[Path]:
    """Return the folders up to two levels below `folder` that hold what is looked for."""
    near = itertools.islice(_iter_below(folder, _LEVELS), _MOST_FOLDERS)
    return [other for other in near if holds(other, is_name)]


def find_folders(folder: Path, is_name: IsName) -> list[Path]:
    """Return the folders below `folder`, then those up to two levels above it, that hold what is looked for."""
    above = itertools.islice(folder.absolute().parents, _LEVELS)
    return [*find_below(folder, is_name), *(other for other in above if holds(other, is_name))]


def suggest_folder(folder: Path, setting: str, is_name: IsName, kind: Kind) -> str:
    """Return a sentence that names the right folder, or the command that unpacks it; an empty one where there is none.

    Args:
        folder: the wrong one.
        setting: what names it, such as `archive.root`.
        is_name: of what it should hold.
        kind: of its patches; where more than one folder would do, its name as published decides.
    """
    found = find_folders(folder, is_name)
    if found:
        return f" Set {setting} to {next((path for path in found if tell_kind(path) == kind), found[0])}."
    packed = [path for path in _list_packed(folder) if tell_kind(path) == kind]
    readable = [path for path in packed if find_download(path)] if setting.startswith("archive.") else []
    if readable:
        return f" Set {setting} to {readable[0]}."
    return f" {_explain_packed(packed[0], setting, is_name)}" if packed else ""


def check_unpacked(path: Path, setting: str, is_name: IsName) -> None:
    """Raise `ArchiveError` with the command that unpacks it where `path` is a packed archive."""
    if path.name.endswith(_PACKED) and path.is_file():
        raise ArchiveError(f"{path}: expected a folder. {_explain_packed(path, setting, is_name)}")


def _iter_below(folder: Path, levels: int) -> Iterator[Path]:
    """Yield the folders in a folder, by name, then those in each of them."""
    try:
        inner = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return
    yield from inner
    if levels > 1:
        for path in inner:
            yield from _iter_below(path, levels - 1)


def _list_packed(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.name.endswith(_PACKED) and path.is_file())


def _explain_packed(path: Path, setting: str, is_name: IsName) -> str:
    """Return the command that unpacks an archive beside itself, and the folder to name then."""
    inner = _find_in_tar(path, is_name)
    folder = "the folder of the patches in it" if inner is None else path.parent / inner
    file, place = (shlex.quote(str(item)) for item in (path, path.parent))
    return f"{path.name} is packed. Run: tar -xf {file} -C {place} and set {setting} to {folder}"


def _find_in_tar(path: Path, is_name: IsName) -> str | None:
    """Return the folder in a tar that holds what is looked for; None where its beginning shows none."""
    try:
        compression = "zstd" if path.name.endswith((".zst", ".zstd")) else None
        with (
            pa.input_stream(str(path), compression=compression) as stream,
            tarfile.open(fileobj=cast("tarfile._Fileobj", stream), mode="r|" if compression else "r|*") as tar,
        ):
            for member in itertools.islice(tar, _MOST_MEMBERS):
                parts = Path(member.name).parts
                for place, part in enumerate(parts):
                    if is_name(part):
                        return "/".join(parts[:place])
    except (OSError, tarfile.TarError, EOFError, pa.ArrowException):
        return None
    return None
