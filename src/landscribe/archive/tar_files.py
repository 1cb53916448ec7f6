"""The files of an archive that is still the download: unpacked to a plain tar, in which each file is a place."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from landscribe.archive.patch_files import MOST_BYTES, FolderFiles, PatchFiles
from landscribe.archive.wrong_folder import IsName, Kind, check_unpacked, tell_kind
from landscribe.downloads.index import Place, TarIndex
from landscribe.downloads.parts import Download, find_download, list_downloads
from landscribe.downloads.unpacked import find_unpacked, unpack, unpack_all
from landscribe.runtime.progress import make_logger

_SETTINGS: dict[Kind, str] = {"S2": "archive.root", "S1": "archive.s1_root", "maps": "archive.maps_root"}


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
            ArchiveError: a part of it is absent, or it is packed in another way than by gzip or zstd.
        """
        if download := find_download(self.path):
            return download
        check_unpacked(self.path, _SETTINGS[self.kind], self.is_name)
        try:
            with os.scandir(self.path) as items:
                if any(item.is_dir() for item in items):
                    return None
        except OSError:
            return None
        found = [path for path in list_downloads(self.path) if tell_kind(path) == self.kind]
        return find_download(found[0]) if len(found) == 1 else None


def open_roots(roots: Mapping[str, Root]) -> dict[str, PatchFiles]:
    """Return the files of each root, by the key of section `archive`.

    Downloads without an index are unpacked, side by side. One whose tar was removed is listed by its index and unpacked
    again when a file is read.

    Raises:
        ArchiveError: a download is damaged or not complete, or there is no space.
    """
    downloads = {key: root.find_download() for key, root in roots.items()}
    unpack_all([download for download in downloads.values() if download and not find_unpacked(download).is_indexed])
    return {
        key: TarFiles(download, roots[key].is_name) if download else FolderFiles(str(roots[key].path))
        for key, download in downloads.items()
    }


def iter_parts(download: Download) -> Iterator[tuple[str, list[str]]]:
    """Yield (name, [file]) of each part of a download, as `Archive.iter_units` does."""
    make_logger("archive").info("archive: reading %s", download.parts[0])
    for part in download.parts:
        yield part.name, [str(part)]


class TarFiles:
    """The files in an unpacked download.

    Args:
        download: whose index is there.
        is_name: of the folders that lie in the folder of the patches.
    """

    def __init__(self, download: Download, is_name: IsName) -> None:
        self._download, self._is_name = download, is_name
        self._index = TarIndex(find_unpacked(download).index_path)
        top = self._index.find_parent(is_name) or b""
        self._top = top + b"/" if top else b""
        self._last: tuple[bytes, dict[bytes, Place]] = (b"/", {})
        self._opened: tuple[Path, int] | None = None

    def __reduce__(self) -> tuple[type["TarFiles"], tuple[Download, IsName]]:
        return TarFiles, (self._download, self._is_name)

    def __del__(self) -> None:
        if self._opened:
            os.close(self._opened[1])

    def _open(self) -> tuple[Path, int]:
        """Return the tar and its open descriptor."""
        if self._opened is None:
            path = unpack(self._download).path
            self._opened = path, os.open(path, os.O_RDONLY)
        return self._opened

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
        return os.pread(self._open()[1], min(size, MOST_BYTES + 1), offset)

    def locate(self, path: str) -> str:
        """Return a part of the tar as GDAL names it: https://gdal.org/user/virtual_file_systems.html#vsisubfile."""
        offset, size = self._find(path) or (0, 0)
        return f"/vsisubfile/{offset}_{size},{self._open()[0]}"

    def _find(self, path: str) -> Place | None:
        folder, _, name = os.fsencode(path).rpartition(b"/")
        if self._last[0] != folder:  # the bands of a patch follow each other
            self._last = folder, self._index.find_files(self._find_folder(folder))
        return self._last[1].get(name)

    def _find_folder(self, path: bytes) -> bytes:
        return (self._top + path).rstrip(b"/")
