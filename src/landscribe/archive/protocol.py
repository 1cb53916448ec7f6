"""What every reader offers, and what it says of a patch."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from landscribe.bands import Band
from landscribe.quarantine import LeftOut


@dataclass(frozen=True, kw_only=True)
class PatchEntry:
    """One patch as the archive describes it; absent facts are None.

    Attributes:
        patch_id: Sentinel-2 patch name, or image name without extension.
        path: folder or file, relative to the archive's root, with `/`.
        labels: source labels, as written in the archive.
        s1_patch_id: name of the Sentinel-1 twin; `s1_path` its folder relative to the Sentinel-1 root.
        granule: one tile at one acquisition; `tile` the MGRS code, e.g. "33UUP".
        column: cell of the tile's 1,200 m grid; `row` likewise.
        acquired_at: ISO 8601, as the metadata says (never from the name).
        ulx_m: easting of the upper left corner in the tile's UTM zone, metres; `uly_m` the northing.
        dtype: dtype of an image's values; None where the bands fix it.
        rows_px: native rows of an image; `columns_px` its columns; None where the bands fix them.
    """

    patch_id: str
    path: str
    labels: tuple[str, ...]
    s1_patch_id: str | None = None
    s1_path: str | None = None
    granule: str | None = None
    tile: str | None = None
    column: int | None = None
    row: int | None = None
    acquired_at: str | None = None
    ulx_m: float | None = None
    uly_m: float | None = None
    dtype: str | None = None
    rows_px: int | None = None
    columns_px: int | None = None


@dataclass
class Listing:
    """All that a reader found.

    Attributes:
        entries: the readable patches, sorted by patch_id.
        quarantined: bad patches; they count towards `max_bad_fraction`.
        excluded: sound patches left out by a rule.
        quirks: name of a tolerated quirk -> how often it was met.
    """

    entries: list[PatchEntry] = field(default_factory=list)
    quarantined: list[LeftOut] = field(default_factory=list)
    excluded: list[LeftOut] = field(default_factory=list)
    quirks: Counter[str] = field(default_factory=Counter)


class Archive(Protocol):
    """A reader of one layout. Picklable: conversion sends it to worker processes."""

    @property
    def name(self) -> str:
        """Name of the archive in manifests and shards."""

    @property
    def bands(self) -> Mapping[str, Band]:
        """The bands that this archive can give, by name."""

    def iter_units(self) -> Iterator[tuple[str, list[Path]]]:
        """Yield (unit name, folders or files) of everything whose change must be noticed, sorted by name."""

    def read_listing(self) -> Listing:
        """Read the metadata of all patches.

        Raises:
            ArchiveError: the archive as a whole cannot be read.
        """

    def read_patch(self, path: str, s1_path: str | None, bands: Sequence[Band]) -> dict[str, np.ndarray]:
        """Return the bands of a patch, [row, column] each, native size and dtype.

        Args:
            path: `PatchEntry.path`; `s1_path` likewise.
            s1_path: folder of the Sentinel-1 twin, None without one.
            bands: bands with size and dtype resolved.

        Raises:
            PatchError: a band is missing, unreadable or not as expected.
        """
