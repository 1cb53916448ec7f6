"""The files of an archive that is still the download: unpacked to a plain tar, in which each file is a place."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from landscribe.archive.patch_files import MOST_BYTES, FolderFiles, PatchFiles
from landscribe.archive.wrong_folder import IsName, Kind, tell_kind
from landscribe.downloads.index import Place, TarIndex
from landscribe.downloads.parts import Download, find_download, list_downloads
from landscribe.downloads.unpacked import unpack, unpack_all
from landscribe.runtime.progress import make_logger


class Root(NamedTuple):
    """What a key of section `archive` names.

    Attributes:
        path: a folder of patches, a download, or a folder with nothing but downloads in it.
        kind: of the patches; where a folder holds more than one download, it decides by their names as published.
        is_name: of the folders in the folder of the patches, which may lie a few levels down in a download.
    """

    path: Path
    kind: Kind
    is_name: IsName

    def find_download(self) -> Download | None:
        """Return the download; None for a folder of patches, or one that is absent.

        Raises:
            ArchiveError: a part of it is absent.
        """
        if download := find_download(self.path):
            return download
        try:
            with os.scandir(self.path) as items:
                if any(item.is_dir() for item in items):
                    return None
        except OSError:
            return None
        found = [path for path in list_downloads(self.path) if tell_kind(path) == self.kind]
        return find_download(found[0]) if len(found) == 1 else None


def open_roots(roots: Mapping[str, Root]) -> dict[str, PatchFiles]:
    """Return the files of each root, by the key of section `archive`; downloads are unpacked, side by side.

    Raises:
        ArchiveError: a download is damaged or not complete, or there is no space.
    """
    downloads = {key: root.find_download() for key, root in roots.items()}
    unpack_all([download for download in downloads.values() if download])
    return {key: _open(root, downloads[key]) for key, root in roots.items()}


def iter_parts(download: Download) -> Iterator[tuple[str, list[str]]]:
    """Yield (name, [file]) of each part of a download, as `Archive.iter_units` does."""
    make_logger("archive").info("archive: reading %s", download.parts[0])
    for part in download.parts:
        yield part.name, [str(part)]


def _open(root: Root, download: Download | None) -> PatchFiles:
    if download is None:
        return FolderFiles(str(root.path))
    unpacked = unpack(download)
    return TarFiles(unpacked.path, unpacked.index_path, root.is_name)


class TarFiles:
    """The files in an unpacked download.

    Args:
        path: of the tar.
        index_path: its index.
        is_name: of the folders that lie in the folder of the patches.
    """

    def __init__(self, path: Path, index_path: Path, is_name: IsName) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._path, self._index_path, self._is_name = path, index_path, is_name
        self._index = TarIndex(index_path)
        top = self._index.find_parent(is_name) or b""
        self._top = top + b"/" if top else b""
        self._last: tuple[bytes, dict[bytes, Place]] = (b"/", {})

    def __reduce__(self) -> tuple[type["TarFiles"], tuple[Path, Path, IsName]]:
        return TarFiles, (self._path, self._index_path, self._is_name)

    def __del__(self) -> None:
        os.close(self._descriptor)

    def list_folder(self, path: str, key: str) -> list[tuple[str, bool]]:
        """Look the folder up in the index."""
        del key
        folder = self._find_folder(os.fsencode(path))
        return [
            *((os.fsdecode(name), True) for name in self._index.list_folders(folder)),
            *((os.fsdecode(name), False) for name in self._index.find_files(folder)),
        ]

    def read(self, path: str) -> bytes | None:
        """Read the place of the file in the tar."""
        place = self._find(path)
        if place is None:
            return None
        offset, size = place
        return os.pread(self._descriptor, min(size, MOST_BYTES + 1), offset)

    def locate(self, path: str) -> str:
        """Return a part of the tar as GDAL names it: https://gdal.org/user/virtual_file_systems.html#vsisubfile."""
        offset, size = self._find(path) or (0, 0)
        return f"/vsisubfile/{offset}_{size},{self._path}"

    def _find(self, path: str) -> Place | None:
        folder, _, name = os.fsencode(path).rpartition(b"/")
        if self._last[0] != folder:  # the bands of a patch follow each other
            self._last = folder, self._index.find_files(self._find_folder(folder))
        return self._last[1].get(name)

    def _find_folder(self, path: bytes) -> bytes:
        return (self._top + path).rstrip(b"/")
