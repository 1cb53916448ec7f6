"""BigEarthNet v1 / MM: a folder a patch, a GeoTIFF a band, a JSON with the labels; Sentinel-1 twins beside.

Layout and defects: https://bigearth.net and docs/archive_quirks.md.
"""

import contextlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from landscribe.archive.protocol import Listing, PatchEntry
from landscribe.archive.raster import read_band
from landscribe.bands import S1_BANDS, S2_BANDS, Band
from landscribe.errors import ArchiveError, PatchError
from landscribe.patch import is_s1_name, is_s2_name, parse_patch_name
from landscribe.progress import track
from landscribe.quarantine import LeftOut


@dataclass(frozen=True)
class BigEarthNetV1:
    """Reader of a folder of Sentinel-2 patches and, optionally, one of their Sentinel-1 twins."""

    root: Path
    s1_root: Path | None
    name: str = "bigearthnet-v1"

    @property
    def bands(self) -> Mapping[str, Band]:
        """Sentinel-2 bands, and Sentinel-1 where its folder is given."""
        return S2_BANDS if self.s1_root is None else {**S2_BANDS, **S1_BANDS}

    def iter_units(self) -> Iterator[tuple[str, list[Path]]]:
        """Yield (patch name, [patch folder]), Sentinel-2 first."""
        for name in _list_patches(self.root, is_s2_name)[0]:
            yield name, [self.root / name]
        if self.s1_root is not None:
            for name in _list_patches(self.s1_root, is_s1_name)[0]:
                yield name, [self.s1_root / name]

    def read_listing(self) -> Listing:
        """Read the JSON of every patch, pair the twins, count the quirks."""
        listing = Listing()
        twins = self._read_twins(listing)
        names, strays = _list_patches(self.root, is_s2_name)
        listing.quirks["stray-file"] += strays
        listing.quirks["s1-without-s2"] = len(twins.keys() - set(names))
        for name in track(names, total=len(names), what="reading metadata"):
            try:
                entry = _read_entry(self.root, name, listing.quirks)
            except PatchError as error:
                listing.quarantined.append(LeftOut(name, str(error)))
                continue
            if self.s1_root is None:
                listing.entries.append(entry)
            elif name not in twins:
                listing.excluded.append(LeftOut(name, "no Sentinel-1 twin"))
            else:
                listing.entries.append(_pair(entry, twins[name], listing.quirks))
        return listing

    def _read_twins(self, listing: Listing) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Return Sentinel-2 name -> (Sentinel-1 name, its labels); bad twins are quarantined."""
        quirks = listing.quirks
        if self.s1_root is None:
            return {}
        names, strays = _list_patches(self.s1_root, is_s1_name)
        quirks["stray-file"] += strays
        twins = {}
        for name in track(names, total=len(names), what="reading Sentinel-1 metadata"):
            try:
                metadata = _read_metadata(self.s1_root, name)
                corresponding = _expect(metadata, "corresponding_s2_patch", str)
            except PatchError as error:
                listing.quarantined.append(LeftOut(name, str(error)))
                continue
            corner, labels = metadata.get("coordinates"), metadata.get("labels")
            quirks["s1-lly-key"] += isinstance(corner, dict) and "lly" in corner
            quirks["s1-acquisition-time-key"] += "acquisition_time" in metadata
            quirks["s1-twin-repeated"] += corresponding in twins
            twins[corresponding] = (name, tuple(map(str, labels)) if isinstance(labels, list) else ())
        return twins

    def read_patch(self, path: str, s1_path: str | None, bands: Sequence[Band]) -> dict[str, np.ndarray]:
        """Read each band's file of the patch folder, or of its twin's folder for Sentinel-1."""
        values = {}
        for band in bands:
            if band.name in S1_BANDS:
                if self.s1_root is None or s1_path is None:
                    raise PatchError(f"band {band.name} is missing: the patch has no Sentinel-1 twin")
                folder = self.s1_root / s1_path
            else:
                folder = self.root / path
            values[band.name] = read_band(folder / f"{folder.name}_{band.name}.tif", band)
        return values


def read_twin_names(s1_root: Path) -> dict[str, str]:
    """Return Sentinel-2 patch name -> name of its Sentinel-1 twin; twins with unreadable metadata are left out."""
    twins = {}
    for name in _list_patches(s1_root, is_s1_name)[0]:
        with contextlib.suppress(PatchError):
            twins[str(_read_metadata(s1_root, name).get("corresponding_s2_patch"))] = name
    return twins


def _list_patches(root: Path, is_name: Any) -> tuple[list[str], int]:
    """Return the sorted patch names in `root` and how many other things lie there.

    Raises:
        ArchiveError: the folder is absent or holds no patch.
    """
    try:
        with os.scandir(root) as items:
            found = [(item.name, is_name(item.name) and _is_folder(item)) for item in items]
    except FileNotFoundError as error:
        raise ArchiveError(f"archive folder {root} does not exist; set archive.root (or s1_root) to it.") from error
    except OSError as error:
        raise ArchiveError(
            f"archive folder {root} cannot be listed: {error.strerror}; set archive.root (or s1_root) to a folder."
        ) from error
    names = sorted(name for name, is_patch in found if is_patch)
    if not names:
        nested = [name for name, _ in found if name.startswith("BigEarthNet")]
        hint = f" Did you mean {root / nested[0]}?" if nested else ""
        raise ArchiveError(
            f"archive folder {root}: expected patch folders like S2A_MSIL2A_20170613T101031_87_48 (or"
            f" S1A_IW_GRDH_1SDV_... under s1_root); found none.{hint}"
        )
    return names, len(found) - len(names)


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link that leads nowhere
        return False


def _read_metadata(root: Path, name: str) -> dict[str, Any]:
    path = root / name / f"{name}_labels_metadata.json"
    try:
        metadata = json.loads(path.read_bytes())
    except OSError as error:
        raise PatchError(f"{path.name} is unreadable: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise PatchError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(metadata, dict):
        raise PatchError(f"{path.name}: expected a JSON object; received {type(metadata).__name__}")
    return metadata


def _expect(metadata: dict[str, Any], key: str, kind: type) -> Any:
    value = metadata.get(key)
    if not isinstance(value, kind):
        raise PatchError(f"metadata: expected {key} as {kind.__name__}; received {value!r}")
    return value


def _read_entry(root: Path, name: str, quirks: Counter[str]) -> PatchEntry:
    """Return a Sentinel-2 patch from its name and JSON."""
    parsed = parse_patch_name(name)
    metadata = _read_metadata(root, name)
    labels = _expect(metadata, "labels", list)
    if not all(isinstance(label, str) for label in labels):
        raise PatchError(f"metadata: expected labels as strings; received {labels!r}")
    corner = metadata.get("coordinates")
    corner = corner if isinstance(corner, dict) else {}
    tile = [part for part in str(metadata.get("tile_source", "")).split("_") if len(part) == 6 and part[0] == "T"]
    quirks["hour-without-leading-zero"] += parsed.short_clock
    return PatchEntry(
        patch_id=name,
        path=name,
        labels=tuple(labels),
        granule=parsed.granule,
        tile=tile[0][1:] if tile else None,
        column=parsed.column,
        row=parsed.row,
        acquired_at=str(metadata.get("acquisition_date") or "").replace(" ", "T") or None,
        ulx_m=_number(corner.get("ulx")),
        uly_m=_number(corner.get("uly")),
    )


def _number(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, int | float) else None
    except OverflowError:
        return None


def _pair(entry: PatchEntry, twin: tuple[str, tuple[str, ...]], quirks: Counter[str]) -> PatchEntry:
    """Return the entry with its twin; the Sentinel-2 labels hold where the two differ."""
    s1_name, s1_labels = twin
    quirks["twin-labels-differ"] += set(s1_labels) != set(entry.labels)
    return replace(entry, s1_patch_id=s1_name, s1_path=s1_name)
