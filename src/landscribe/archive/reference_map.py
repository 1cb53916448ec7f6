"""Reference maps of BigEarthNet v2: a CORINE land cover code per pixel, 0 where there is none."""

import functools
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from landscribe.archive.patch_files import PatchFiles
from landscribe.archive.raster import read_band
from landscribe.core.bands import Band
from landscribe.core.errors import PatchError
from landscribe.core.nomenclature import BEN_19_CODES, CLC_CODES
from landscribe.runtime.pool import map_in_workers
from landscribe.runtime.progress import track

MAP_BAND = Band(name="reference_map", resolution_m=10, size_px=120, dtype="uint16")
_CHUNK_PATCHES = 1000  # a few workers start in the time in which one reads this number of maps

_CLC_NAMES = {code: name for name, code in CLC_CODES.items()}
_BEN_19_NAMES = {code: name for name, codes in BEN_19_CODES.items() for code in codes}

Codes = tuple[int, ...]


def read_maps(files: PatchFiles, paths: Sequence[str]) -> list[Codes | str]:
    """Return for each patch the CLC level 3 codes of its map, sorted, or the reason why there are none.

    Args:
        files: those of Reference_Maps.
        paths: `<tile folder>/<patch>` of each patch.
    """
    chunks = [paths[start : start + _CHUNK_PATCHES] for start in range(0, len(paths), _CHUNK_PATCHES)]
    results = map_in_workers(functools.partial(_read_chunk, files), chunks)
    tracked: Iterator[Sequence[Codes | str]] = track(
        results, total=len(paths), what="reading reference maps", count=len
    )
    return list(chain.from_iterable(tracked))


def _read_chunk(files: PatchFiles, paths: Sequence[str]) -> list[Codes | str]:
    found: list[Codes | str] = []
    for path in paths:
        try:
            found.append(_read_codes(files, path))
        except PatchError as error:
            found.append(str(error))
    return found


def _read_codes(files: PatchFiles, folder: str) -> Codes:
    patch = folder.rpartition("/")[2]
    values = read_band(f"{folder}/{patch}_{MAP_BAND.name}.tif", MAP_BAND, files)
    codes = tuple(np.flatnonzero(np.bincount(values.ravel())).tolist())
    known = tuple(code for code in codes if code)
    unknown = [str(code) for code in known if code not in _CLC_NAMES]
    if unknown or not known:
        received = f"received {', '.join(unknown)}" if unknown else "the map holds none"
        raise PatchError(f"reference map: expected the CLC codes 111 to 523 that BigEarthNet uses; {received}")
    return known


def name_clc_classes(codes: Codes) -> list[str]:
    """Return the names of the CLC classes, in the order of the codes."""
    return [_CLC_NAMES[code] for code in codes]


def name_ben_19_classes(codes: Codes) -> set[str]:
    """Return the names of the classes of BEN-19 that the codes map to; some codes map to none."""
    return {_BEN_19_NAMES[code] for code in codes if code in _BEN_19_NAMES}
