"""The interface of every reader, and its table of the patches: one row per patch."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from landscribe.core.bands import Band
from landscribe.core.quarantine import LeftOut

# Facts that an archive does not give are null.
PATCH_SCHEMA = pa.schema(
    {
        "patch_id": pa.string(),  # Sentinel-2 patch name, or image name without extension: a key
        "labels": pa.list_(pa.string()),  # source labels, as written in the archive
        "path": pa.string(),  # folder, file or record, relative to the archive's root, with `/`
        "s1_patch_id": pa.string(),  # name of the Sentinel-1 twin
        "s1_path": pa.string(),  # its folder, relative to the Sentinel-1 root
        "granule": pa.string(),  # one tile at one acquisition
        "tile": pa.string(),  # MGRS code, e.g. "33UUP"
        "column": pa.int32(),  # cell of the tile's 1,200 m grid, eastwards from 0
        "row": pa.int32(),  # southwards from 0
        "acquired_at": pa.string(),  # ISO 8601, as the metadata says, never from the name
        "epsg": pa.int32(),  # code of the projected coordinates below
        "ulx_m": pa.float64(),  # easting of the upper left corner, metres
        "uly_m": pa.float64(),  # its northing
        "size_m": pa.float64(),  # side of the square that the patch covers
        "longitude": pa.float64(),  # of the centre, WGS 84, degrees
        "latitude": pa.float64(),
        "crs": pa.string(),  # of an image's transform: "EPSG:" and a code, or WKT where it has none
        "transform": pa.list_(pa.float64()),  # a to f: x = a column + b row + c, y = d column + e row + f, from pixel 0
        "footprint": pa.list_(pa.float64()),  # of an image: longitude, latitude of its four corners, WGS 84, degrees
        "unlocated": pa.string(),  # why the place of an image is unknown; null where it is known
        "country": pa.string(),
        "official_split": pa.string(),  # train, val or test, if the archive has its own split
        "v1_patch_id": pa.string(),  # name of the same place and acquisition in BigEarthNet v1
        "snow": pa.bool_(),  # the archive's own flag: seasonal snow
        "cloud": pa.bool_(),  # the archive's own flag: cloud or its shadow
        "dtype": pa.string(),  # dtype of an image's values; null where the bands fix it
        "rows_px": pa.int32(),  # native rows of an image; null where the bands fix them
        "columns_px": pa.int32(),
        "bands": pa.list_(pa.string()),  # names of an image's bands, in the order of the file; null likewise
    }
)


def make_patches(columns: Mapping[str, Any]) -> pa.Table:
    """Return a table of `PATCH_SCHEMA`, sorted by patch_id.

    Args:
        columns: name -> sequence or arrow array, all of one length; the columns that are not given are null.
    """
    num_rows = len(columns["patch_id"])
    unknown = set(columns) - set(PATCH_SCHEMA.names)
    if unknown:
        raise ValueError(f"expected columns of PATCH_SCHEMA; received {sorted(unknown)} besides")
    arrays = [
        _to_array(columns[field.name], field.type) if field.name in columns else pa.nulls(num_rows, field.type)
        for field in PATCH_SCHEMA
    ]
    return pa.table(arrays, schema=PATCH_SCHEMA).sort_by("patch_id")


def _to_array(values: Any, kind: pa.DataType) -> Any:
    return values.cast(kind) if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, kind)


@dataclass
class Listing:
    """The result of reading an archive.

    Attributes:
        patches: the readable patches, `PATCH_SCHEMA`, sorted by patch_id; no name occurs twice.
        quarantined: bad patches; they count towards `max_bad_fraction`.
        excluded: valid patches left out by a rule.
        quirks: name of a tolerated quirk -> how often it occurs (docs/archive_quirks.md).
        labels_from: in words, how the labels were read where that had to be found; else empty.
    """

    patches: pa.Table = field(default_factory=PATCH_SCHEMA.empty_table)
    quarantined: list[LeftOut] = field(default_factory=list)
    excluded: list[LeftOut] = field(default_factory=list)
    quirks: Counter[str] = field(default_factory=Counter)
    labels_from: str = ""


class Archive(Protocol):
    """A reader of one layout. Small and picklable: conversion sends it to worker processes."""

    @property
    def name(self) -> str:
        """Name of the archive in manifests and shards."""

    @property
    def bands(self) -> Mapping[str, Band]:
        """The bands of this archive, by name."""

    def iter_units(self) -> Iterator[tuple[str, Sequence[str | Path]]]:
        """Yield (unit name, folders or files) of everything whose change must be noticed, sorted by name."""

    def read_listing(self) -> Listing:
        """Read the metadata of all patches.

        Raises:
            ArchiveError: the archive as a whole cannot be read.
        """

    def read_patch(self, path: str, s1_path: str | None, bands: Sequence[Band]) -> dict[str, np.ndarray]:
        """Return the bands of a patch, [row, column] each, native size and dtype.

        Args:
            path: as in `PATCH_SCHEMA`; `s1_path` likewise.
            s1_path: folder of the Sentinel-1 twin, None without one.
            bands: bands with size and dtype resolved.

        Raises:
            PatchError: a band is missing, unreadable or not as expected.
        """
