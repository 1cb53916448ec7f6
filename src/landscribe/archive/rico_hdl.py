"""BigEarthNet v2 as rico-hdl encodes it: one LMDB, a patch name -> its bands as safetensors, and metadata.parquet.

Patches of Sentinel-1 are entries of their own. Encoder: https://github.com/rsim-tu-berlin/rico-hdl
"""

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landscribe.archive.bigearthnet_v2 import BigEarthNetV2
from landscribe.archive.folders_v2 import S1_TREE, S2_TREE, Tree
from landscribe.archive.raster import check_values
from landscribe.core.bands import S1_BANDS, Band
from landscribe.core.errors import ArchiveError, PatchError

_KEYS = {S2_TREE: re.compile(S2_TREE.inner.encode()), S1_TREE: re.compile(S1_TREE.inner.encode())}
_CELL_PARTS = {S2_TREE: 2, S1_TREE: 3}  # what a patch's name has after that of its tile or scene


@dataclass(frozen=True)
class RicoHdl(BigEarthNetV2):
    """Reader of an LMDB. Its patches have the paths, and so the index, that the folders of v2 give them.

    Attributes:
        root: folder of `data.mdb`; None where it holds no patch of Sentinel-2.
        s1_root: the same folder; None where it holds no patch of Sentinel-1.
    """

    @property
    def _path(self) -> Path:
        return self.root or self.s1_root or Path()

    def iter_units(self) -> Iterator[tuple[str, list[str]]]:
        """Yield the file of the LMDB alone: its entries cannot change without it."""
        yield "data.mdb", [str(self._path / "data.mdb")]

    def read_patch(self, path: str, s1_path: str | None, bands: Sequence[Band]) -> dict[str, np.ndarray]:
        """Read the entry of the patch and, for bands of Sentinel-1, that of its twin."""
        entries: dict[str, dict[str, np.ndarray]] = {}
        values = {}
        for band in bands:
            name = ((s1_path if band.name in S1_BANDS else path) or "").rpartition("/")[2]
            if name not in entries:
                entries[name] = _read_entry(self._path, name)
            if band.name not in entries[name]:
                raise PatchError(f"band {band.name} is missing: not in entry {name!r}")
            values[band.name] = entries[name][band.name]
            check_values(f"{name}_{band.name}", band, values[band.name])
        return values

    def _list_folders(self, tree: Tree) -> tuple[list[str], int]:
        names, num_others = [], 0
        for key in _iter_keys(self._path):
            if _KEYS[tree].fullmatch(key):
                name = key.decode()
                names.append(f"{name.rsplit('_', _CELL_PARTS[tree])[0]}/{name}")
            elif not any(pattern.fullmatch(key) for pattern in _KEYS.values()):
                num_others += 1
        return names, num_others


def open_rico_hdl(root: Path, label_files: tuple[Path, ...]) -> RicoHdl:
    """Return the reader of the sensors that an LMDB holds.

    Raises:
        ArchiveError: it is absent or no LMDB, or has no patch.
    """
    holds = {tree: any(map(pattern.fullmatch, _iter_keys(root))) for tree, pattern in _KEYS.items()}
    if not any(holds.values()):
        raise ArchiveError(
            f"{root}: expected entries with patch names like {S2_TREE.example}_26_57; found none. Set archive.root to"
            " the LMDB that rico-hdl wrote of BigEarthNet v2."
        )
    return RicoHdl(root if holds[S2_TREE] else None, root if holds[S1_TREE] else None, None, label_files)


def _read_entry(path: Path, name: str) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError, numpy

    with _open(path).begin() as transaction:
        content = transaction.get(name.encode()) if name else None
    if content is None:
        raise PatchError(f"no entry {name!r} in the LMDB")
    try:
        entry: dict[str, np.ndarray] = numpy.load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise PatchError(f"entry {name!r} is no safetensors: {' '.join(str(error).split())}") from error
    return entry


def _iter_keys(path: Path) -> Iterator[bytes]:
    with _open(path).begin() as transaction, transaction.cursor() as cursor:
        yield from cursor.iternext(values=False)


@functools.lru_cache(maxsize=2)
def _open(path: Path) -> Any:
    try:
        import lmdb
    except ImportError as error:
        raise ArchiveError(
            "archive.layout rico-hdl needs the packages lmdb and safetensors: pip install 'landscribe[rico-hdl]'."
        ) from error
    try:
        return lmdb.open(str(path), readonly=True, lock=False, readahead=False, create=False)
    except lmdb.Error as error:
        raise ArchiveError(
            f"{path}: expected the folder of an LMDB, with data.mdb in it; it cannot be opened: {error}. Set"
            " archive.root to what rico-hdl wrote."
        ) from error
