"""The JSON of BigEarthNet v1 / MM patches, a chunk of patches at a time.

Worker processes import this module: it imports nothing that is slow to load, and returns columns of plain values.
The content of a JSON: https://bigearth.net and docs/archive_quirks.md.
"""

import errno
import json
import math
import os
import re
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from landscribe.archive.patch_files import PatchFiles
from landscribe.core.errors import PatchError
from landscribe.core.patch import is_s1_name, parse_patch_name, parse_s1_tile

_TILE = re.compile(r"_T([0-9]{2}[A-Z]{3})_")
_UTM_ZONE = re.compile(r"WGS 84 / UTM zone ([1-9]|[1-5][0-9]|60)([NS])\b")
_MAX_BYTES = 1_000_000  # a JSON of the archive has about 1,000
_UTM_EPSG = {"N": 32600, "S": 32700}  # plus the zone: https://epsg.io/32633


@dataclass(frozen=True)
class MetadataChunk:
    """The content of the JSON of some patches.

    Attributes:
        num_patches: number of patches read, good and bad.
        columns: one for each of `FIELDS`: values of the readable patches, in the order of the names.
        bad: (name, reason) of the others.
    """

    num_patches: int
    columns: list[tuple[Any, ...]]
    bad: list[tuple[str, str]]


# name: the folder. patch_id: the Sentinel-2 patch that it is, or whose twin it is. label_set: the labels as one string,
# equal where two patches have the same ones. The last three are quirks.
FIELDS = (
    *("name", "patch_id", "labels", "label_set", "granule", "tile", "column", "row"),
    *("acquired_at", "epsg", "ulx_m", "uly_m"),
    *("hour-without-leading-zero", "s1-lly-key", "s1-acquisition-time-key"),
)


def read_metadata(files: PatchFiles, names: Sequence[str], *, needs_labels: bool) -> MetadataChunk:
    """Read the JSON of each patch; bad ones are returned with a reason that names no folder of this machine.

    Args:
        files: of the archive.
        names: patch folders of one sensor.
        needs_labels: a patch is bad if its labels are not a list of strings; else such labels are null.
    """
    rows, bad = [], []
    for name in names:
        try:
            rows.append(_parse(name, _read_json(files, name), needs_labels))
        except PatchError as error:
            bad.append((name, str(error)))
    columns = list(zip(*rows, strict=True)) or [()] * len(FIELDS)
    return MetadataChunk(len(names), columns, bad)


def _read_json(files: PatchFiles, patch: str) -> dict[str, Any]:
    name = f"{patch}_labels_metadata.json"
    try:
        metadata = json.loads(_read_bytes(files, f"{patch}/{name}", name))
    except OSError as error:
        raise PatchError(f"{name} is unreadable: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise PatchError(f"{name} is not JSON: {error}") from error
    if not isinstance(metadata, dict):
        raise PatchError(f"{name}: expected a JSON object; received {type(metadata).__name__}")
    return metadata


def _read_bytes(files: PatchFiles, path: str, name: str) -> bytes:
    content = files.read(path)
    if content is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    if len(content) > _MAX_BYTES:
        raise PatchError(f"{name}: expected a file of at most {_MAX_BYTES:,} bytes")
    return content


def _parse(name: str, metadata: dict[str, Any], needs_labels: bool) -> tuple[Any, ...]:
    """Return the values of `FIELDS`."""
    patch_id = _parse_twin(metadata) if is_s1_name(name) else name
    parsed = parse_patch_name(patch_id)
    try:
        labels = _parse_labels(metadata.get("labels"))
    except PatchError:
        if needs_labels:
            raise
        labels = None
    corner = metadata.get("coordinates")
    corner = corner if isinstance(corner, dict) else {}
    # fmt: off
    return (
        name, patch_id, labels, None if labels is None else "\n".join(sorted(set(labels))),
        parsed.granule, parse_s1_tile(name) or _parse_tile(metadata.get("tile_source")), parsed.column, parsed.row,
        _parse_time(metadata.get("acquisition_date") or metadata.get("acquisition_time")),
        _parse_epsg(metadata.get("projection")), _parse_metres(corner.get("ulx")), _parse_metres(corner.get("uly")),
        parsed.short_clock, "lly" in corner, "acquisition_time" in metadata,
    )
    # fmt: on


def _parse_twin(metadata: dict[str, Any]) -> str:
    """Return the Sentinel-2 patch that a Sentinel-1 JSON names: a key, never a path."""
    twin = metadata.get("corresponding_s2_patch")
    if not isinstance(twin, str):
        raise PatchError(f"metadata: expected corresponding_s2_patch as str; received {reprlib.repr(twin)}")
    try:
        parse_patch_name(twin)
    except PatchError as error:
        raise PatchError(
            "metadata: expected corresponding_s2_patch as a patch name like S2A_MSIL2A_20170613T101031_87_48;"
            f" received {reprlib.repr(twin)}"
        ) from error
    return twin


def _parse_labels(labels: Any) -> list[str]:
    if not isinstance(labels, list):
        raise PatchError(f"metadata: expected labels as list; received {reprlib.repr(labels)}")
    if not all(isinstance(label, str) for label in labels):
        raise PatchError(f"metadata: expected labels as strings; received {reprlib.repr(labels)}")
    try:
        "".join(labels).encode()
    except UnicodeEncodeError as error:  # "\\ud800" is JSON, but half a character
        raise PatchError(f"metadata: expected labels as text; received {reprlib.repr(labels)}") from error
    return labels


def _parse_tile(tile_source: Any) -> str | None:
    """Return the MGRS tile in the name of a Sentinel-2 product, e.g. "33UUP"; None where there is none."""
    found = _TILE.search(tile_source) if isinstance(tile_source, str) else None
    return found[1] if found else None


def _parse_time(text: Any) -> str | None:
    """Return ISO 8601 with a `T`; None if the value is not a time."""
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        return None


def _parse_epsg(projection: Any) -> int | None:
    """Return the EPSG code of a UTM projection in WKT, e.g. 32633; None for another."""
    found = _UTM_ZONE.search(projection) if isinstance(projection, str) else None
    return _UTM_EPSG[found[2]] + int(found[1]) if found else None


def _parse_metres(value: Any) -> float | None:
    """Return a finite number; None if the value is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer beyond any float
        return None
