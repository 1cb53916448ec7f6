"""A folder with a file per band: which file is which, by its name; of several, by the resolution."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from landscribe.core.bands import S1_BANDS, S2_BANDS
from landscribe.core.errors import ArchiveError
from landscribe.scenes.band_names import find_named
from landscribe.scenes.headers import CLOUD_NAME, PlacedBand, read_single
from landscribe.scenes.listing import SceneFiles, list_examples

_SUFFIXES = (".tif", ".tiff", ".jp2")
_SAME_RESOLUTION = 0.01  # of the native one: pixels of EuroSAT are 10.0057 m wide


def list_rasters(files: SceneFiles) -> list[str]:
    """Return the rasters at the top of a folder."""
    return [name for name in files.names if "/" not in name and PurePosixPath(name).suffix.lower() in _SUFFIXES]


def find_bands(files: SceneFiles, names: Sequence[str], where: str = "") -> dict[str, PlacedBand]:
    """Return the bands of a folder, and the scene classification where it is there.

    A file holds a band if its name is that of the band, or contains it between `_`, `-` or `.`: `B02.tif`,
    `T33UUP_20220605T100601_B02_10m.jp2`, `blue.tif`.

    Args:
        files: of the folder.
        names: bands to find.
        where: the option that named the folder, for messages.

    Raises:
        ArchiveError: a band is missing, or several files may hold it.
    """
    rasters = list_rasters(files)
    candidates = {name: find_named(rasters, name) for name in (*names, CLOUD_NAME)}
    missing = [name for name in names if not candidates[name]]
    if missing:
        raise ArchiveError(_explain_missing(files, missing, rasters, where))
    return {name: _choose(files, name, found) for name, found in candidates.items() if found}


def _choose(files: SceneFiles, name: str, candidates: Sequence[str]) -> PlacedBand:
    """Return the only candidate, or the only one in native resolution; 20 m before 60 m for the classification."""
    placed = {file: read_single(files.locate(file), name) for file in candidates}
    if len(placed) == 1:
        return next(iter(placed.values()))
    native_m = 20 if name == CLOUD_NAME else S2_BANDS[name].resolution_m if name in S2_BANDS else None
    fitting = [
        one
        for one in placed.values()
        if native_m is not None and abs(one.band.resolution_m - native_m) <= _SAME_RESOLUTION * native_m
    ]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(f"{file} ({one.band.resolution_m:g} m)" for file, one in placed.items())
    expected = f"one of {native_m} m" if native_m else "one"
    raise ArchiveError(
        f"{files.path}: expected one file of band {name}, of several {expected}; received {listed}. Leave the one that"
        " is meant in the folder."
    )


def _explain_missing(files: SceneFiles, missing: Sequence[str], rasters: Sequence[str], where: str) -> str:
    advice = (
        " Name a folder with VV.tif and VH.tif on the same grid by --s1-root."
        if not where and set(missing) <= set(S1_BANDS)
        else " If one file holds all bands, name that file."
        if len(rasters) == 1
        else " Add them, or name the folder that has them."
    )
    example = f"{missing[0]}.tif or *_{missing[0]}_*.tif"
    return (
        f"{where}{' ' if where else ''}{files.path}: expected a file for each band, such as {example}; missing are"
        f" {', '.join(missing)}. There are: {list_examples(rasters)}.{advice}"
    )
