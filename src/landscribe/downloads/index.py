"""Where each file lies in a tar: an Arrow file, mapped into memory, with a row per folder, sorted by its path."""

import bisect
import os
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from landscribe.core.files import replacing

Place = tuple[int, int]  # offset of the first byte, and size

# At the beginning of an ending: the name of the file is that of its folder and what follows. In a name there is none.
_FOLDER_NAME = b"/"


class IndexBuilder:
    """Collects the members of a tar; eight million of them take 300 MB."""

    def __init__(self) -> None:
        self._folders: dict[bytes, int] = {}
        self._endings: dict[bytes, int] = {}
        self._folder_of, self._ending_of, self._offsets, self._sizes = array("i"), array("i"), array("q"), array("q")
        # Of the last file: its folder's number, the folder's path and "/", the same and the folder's own name.
        self._number, self._above, self._own = -1, b"/", b"/"

    def add(self, name: bytes, offset: int, size: int, is_folder: bool) -> None:
        """Take in a member; of two files of the same path the later one counts, as when a tar is extracted."""
        if is_folder:
            self._folders.setdefault(name, len(self._folders))
            return
        if not name.startswith(self._above) or b"/" in name[len(self._above) :]:  # the files of a folder stand together
            folder, mark, _ = name.rpartition(b"/")
            self._number = self._folders.setdefault(folder, len(self._folders))
            self._above = folder + mark
            self._own = self._above + folder.rpartition(b"/")[2]
        own = self._own
        ending = _FOLDER_NAME + name[len(own) :] if name.startswith(own) else name[len(self._above) :]
        self._folder_of.append(self._number)
        self._ending_of.append(self._endings.setdefault(ending, len(self._endings)))
        self._offsets.append(offset)
        self._sizes.append(size)

    def write(self, path: Path) -> None:
        """Write the index, complete or not at all."""
        folders = np.array(list(self._folders), object)
        order = np.argsort(folders)
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        row_of = rank[np.frombuffer(self._folder_of, np.int32)]
        files = np.argsort(row_of, kind="stable")  # the order of the tar within a folder
        ends = np.concatenate([[0], np.cumsum(np.bincount(row_of, minlength=len(order)))])
        codes = pa.array(np.frombuffer(self._ending_of, np.int32)[files])
        endings = pa.DictionaryArray.from_arrays(codes, pa.array(list(self._endings), pa.binary()))
        columns = [
            endings,
            *(pa.array(np.frombuffer(values, np.int64)[files]) for values in (self._offsets, self._sizes)),
        ]
        lists = [pa.LargeListArray.from_arrays(pa.array(ends), column) for column in columns]
        batch = pa.record_batch(
            [pa.array(folders[order], pa.large_binary()), *lists], ["folder", "endings", "offsets", "sizes"]
        )
        with (
            replacing(path) as beside,
            pa.OSFile(str(beside), "wb") as sink,
            pa.ipc.new_file(sink, batch.schema) as file,
        ):
            file.write_batch(batch)


class TarIndex:
    """The index of a tar; a lookup reads a few pages of its file.

    Raises:
        OSError, pa.ArrowException: it is absent, or no such file.
    """

    def __init__(self, path: Path) -> None:
        with pa.memory_map(str(path)) as source:
            self._rows = pa.ipc.open_file(source).get_batch(0)
        self._folders = self._rows["folder"]

    def find_files(self, folder: bytes) -> dict[bytes, Place]:
        """Return name -> place of the files of a folder; an empty dict where there is no such folder."""
        row = self._find(folder)
        if row == len(self._folders) or self._folders[row].as_py() != folder:
            return {}
        endings, offsets, sizes = (self._rows[name][row].values.to_pylist() for name in ("endings", "offsets", "sizes"))
        own = folder.rpartition(b"/")[2]
        names = (own + ending[1:] if ending.startswith(_FOLDER_NAME) else ending for ending in endings)
        return dict(zip(names, zip(offsets, sizes, strict=True), strict=True))

    def list_folders(self, folder: bytes) -> list[bytes]:
        """Return the names of the folders in a folder, sorted; `b""` is the top of the tar."""
        start = len(folder) + 1 if folder else 0
        return list(dict.fromkeys(path[start:].partition(b"/")[0] for path in self._iter_below(folder)))

    def find_parent(self, is_name: Callable[[str], bool]) -> bytes | None:
        """Return the first folder by path in which a folder of such a name lies; None where there is none."""
        for path in self._iter_below(b""):
            parts = path.split(b"/")
            for depth, part in enumerate(parts):
                if is_name(os.fsdecode(part)):
                    return b"/".join(parts[:depth])
        return None

    def _iter_below(self, folder: bytes) -> Iterator[bytes]:
        first, last = (self._find(folder + mark) for mark in (b"/", b"0")) if folder else (0, len(self._folders))
        for path in self._folders.slice(first, last - first).to_pylist():
            if path:
                yield path

    def _find(self, folder: bytes) -> int:
        """Return the row of a folder, or that of the next one by name."""
        return bisect.bisect_left(range(len(self._folders)), folder, key=lambda row: self._folders[row].as_py())
