"""BigEarthNet v1 / MM: a folder per patch, a GeoTIFF per band, a JSON with the labels; Sentinel-1 twins apart.

Layout and defects: https://bigearth.net and docs/archive_quirks.md.
"""

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from landscribe.archive.label_table import read_label_table
from landscribe.archive.metadata_v1 import FIELDS, read_metadata
from landscribe.archive.patch_files import FolderFiles, PatchFiles, list_near
from landscribe.archive.protocol import PATCH_SCHEMA, Listing, make_patches
from landscribe.archive.raster import read_band
from landscribe.archive.tar_files import Root, iter_parts, open_roots
from landscribe.archive.wrong_folder import Kind, suggest_folder
from landscribe.core.bands import S1_BANDS, S2_BANDS, Band
from landscribe.core.errors import ArchiveError, PatchError
from landscribe.core.patch import S1_SCENE, V2_GRANULE, is_s1_name, is_s2_name
from landscribe.core.quarantine import LeftOut
from landscribe.core.tiles import PATCH_SIZE_M
from landscribe.downloads.parts import Download
from landscribe.downloads.unpacked import unpack_all
from landscribe.runtime.pool import map_in_workers
from landscribe.runtime.progress import track

_CHUNK_PATCHES = 4000  # one takes 0.2 s to read: worker processes are faster from the second on
_PIXEL_M = 10  # twins nearer than this show the same pixels
_OWN_KINDS = {"name": pa.string(), "label_set": pa.string()}  # besides the columns of PATCH_SCHEMA and the quirks
_KINDS = {field.name: field.type for field in PATCH_SCHEMA} | _OWN_KINDS
_METADATA_SCHEMA = pa.schema({name: _KINDS.get(name, pa.bool_()) for name in FIELDS})


@dataclass(frozen=True)
class _Sensor:
    """A sensor: its name, the key of section `archive` that names its folder, its kind and its patch names."""

    name: str
    key: str
    kind: Kind
    is_name: Callable[[str], bool]
    example: str


_S2 = _Sensor("Sentinel-2", "root", "S2", is_s2_name, "S2A_MSIL2A_20170613T101031_87_48")
_S1 = _Sensor("Sentinel-1", "s1_root", "S1", is_s1_name, "S1A_IW_GRDH_1SDV_20170613T165043_33UUP_87_48")


@dataclass(frozen=True)
class BigEarthNetV1:
    """Reader of a folder of Sentinel-2 patches, of a folder of Sentinel-1 patches, or of both as pairs.

    In place of a folder a root may be the published tar, as it was downloaded (`landscribe.downloads`).

    A Sentinel-1 patch always has the name of its Sentinel-2 twin, also without the twin, so that the lists, the
    exclusions and the scores of one sensor apply to the other.

    Attributes:
        root: folder or download of the Sentinel-2 patches; None: Sentinel-1 alone.
        s1_root: folder or download of the Sentinel-1 patches; None: Sentinel-2 alone.
        labels_file: table of labels that replace those of the JSON, as `read_label_table` reads it.
        name: of the archive in manifests and shards.
    """

    root: Path | None
    s1_root: Path | None
    labels_file: Path | None = None
    name: str = "bigearthnet-v1"

    @property
    def bands(self) -> Mapping[str, Band]:
        """The bands of each sensor whose folder is given."""
        return {**(S2_BANDS if self.root else {}), **(S1_BANDS if self.s1_root else {})}

    @property
    def _roots(self) -> dict[_Sensor, Root]:
        roots = {_S2: self.root, _S1: self.s1_root}
        return {sensor: Root(root, sensor.kind, sensor.is_name) for sensor, root in roots.items() if root is not None}

    @functools.cached_property
    def _files(self) -> dict[str, PatchFiles]:
        return open_roots({sensor.key: root for sensor, root in self._roots.items()})

    def find_downloads(self) -> list[Download]:
        """Return the downloads among the roots."""
        return [download for root in self._roots.values() if (download := root.find_download())]

    def iter_units(self) -> Iterator[tuple[str, list[str]]]:
        """Yield (patch name, [patch folder]), Sentinel-2 first; of a download (name, [file]) of each part."""
        for sensor, root in self._roots.items():
            if download := root.find_download():
                yield from iter_parts(download)
                continue
            for name in _list_patches(FolderFiles(str(root.path)), root.path, sensor)[0]:
                yield name, [f"{root.path}/{name}"]

    def read_listing(self) -> Listing:
        """Read the JSON of every patch, pair the twins, count the quirks.

        Raises:
            ArchiveError: a folder is absent or has no patch of its sensor, or the table of labels does not fit.
        """
        labels = read_label_table(self.labels_file) if self.labels_file else None
        listing = Listing()
        unpack_all(self.find_downloads())  # the labels are in them
        tables = {}
        for sensor, root in self._roots.items():
            needs_labels = labels is None and (sensor is _S2 or self.root is None)
            files = self._files[sensor.key]
            tables[sensor] = _read_folder(files, root.path, sensor, listing, needs_labels=needs_labels)
        if _S1 in tables:
            tables[_S1] = _drop_repeated(tables[_S1], listing)
        patches = next(iter(tables.values()))
        listing.quirks["hour-without-leading-zero"] += _count(patches["hour-without-leading-zero"])
        if _S1 in tables:  # alone, it is its own twin
            patches = _pair(patches, tables[_S1], listing)
        if labels is not None:
            patches = _replace_labels(patches, labels, listing)
        known = {name: patches[name] for name in patches.column_names if name in PATCH_SCHEMA.names}
        size_m = pa.repeat(float(PATCH_SIZE_M), len(patches))
        listing.patches = make_patches({**known, "path": patches["name"], "size_m": size_m})
        return listing

    def read_patch(self, path: str, s1_path: str | None, bands: Sequence[Band]) -> dict[str, np.ndarray]:
        """Read each band's file of the patch folder, or of its twin's folder for Sentinel-1."""
        return read_bands(self._files, path, s1_path, bands)


def read_bands(
    files: Mapping[str, PatchFiles], path: str, s1_path: str | None, bands: Sequence[Band]
) -> dict[str, np.ndarray]:
    """Return the bands of a patch, as `Archive.read_patch`; the folders of patches are the same in v2.

    Args:
        files: key of section `archive` -> files of its root.
        path: of the patch folder.
        s1_path: of its twin's.
        bands: what to read.

    Raises:
        PatchError: as `Archive.read_patch`.
    """
    values = {}
    for band in bands:
        sensor, folder = (_S1, s1_path) if band.name in S1_BANDS else (_S2, path)
        if sensor.key not in files or folder is None:
            raise PatchError(f"band {band.name} is missing: the patch has no {sensor.name} twin")
        patch = folder.rpartition("/")[2]  # in v2 a patch folder is in one of its tile or scene
        # Not Path: joining so many takes as long as reading the files.
        values[band.name] = read_band(f"{folder}/{patch}_{band.name}.tif", band, files[sensor.key])
    return values


def read_twin_names(s1_root: Path) -> dict[str, str]:
    """Return Sentinel-2 patch name -> name of its Sentinel-1 twin; twins with unreadable metadata are left out."""
    twins = _read_folder(FolderFiles(str(s1_root)), s1_root, _S1, Listing(), needs_labels=False)
    return dict(zip(twins["patch_id"].to_pylist(), twins["name"].to_pylist(), strict=True))


def _read_folder(files: PatchFiles, root: Path, sensor: _Sensor, listing: Listing, *, needs_labels: bool) -> pa.Table:
    """Return the JSON of each patch as `_METADATA_SCHEMA`; bad patches are quarantined."""
    names, strays = _list_patches(files, root, sensor)
    listing.quirks["stray-file"] += strays
    parts = [names[start : start + _CHUNK_PATCHES] for start in range(0, len(names), _CHUNK_PATCHES)]
    chunks = map_in_workers(functools.partial(read_metadata, files, needs_labels=needs_labels), parts)
    what = f"reading {sensor.name} metadata"
    tables = []
    for chunk in track(chunks, total=len(names), what=what, count=lambda chunk: chunk.num_patches):
        listing.quarantined += [LeftOut(name, reason) for name, reason in chunk.bad]
        arrays = [pa.array(values, kind) for values, kind in zip(chunk.columns, _METADATA_SCHEMA.types, strict=True)]
        tables.append(pa.Table.from_arrays(arrays, schema=_METADATA_SCHEMA))
    patches = pa.concat_tables(tables).combine_chunks()
    if sensor is _S1:
        for quirk in ("s1-lly-key", "s1-acquisition-time-key"):
            listing.quirks[quirk] += _count(patches[quirk])
    return patches


def _drop_repeated(twins: pa.Table, listing: Listing) -> pa.Table:
    """Return, of the Sentinel-1 patches that name the same Sentinel-2 patch, the last by name."""
    is_last = ~twins["patch_id"].to_pandas().duplicated(keep="last")
    listing.quirks["s1-twin-repeated"] += int((~is_last).sum())
    return twins.filter(pa.array(is_last))


def _pair(patches: pa.Table, twins: pa.Table, listing: Listing) -> pa.Table:
    """Return the patches that have a twin, with its name; if the labels differ, those of Sentinel-2 are kept."""
    present = pa.chunked_array(
        [*patches["patch_id"].chunks, [bad.patch_id for bad in listing.quarantined]], pa.string()
    )
    listing.quirks["s1-without-s2"] += _count(pc.invert(pc.is_in(twins["patch_id"], value_set=present)))
    twin = twins.take(pc.index_in(patches["patch_id"], value_set=twins["patch_id"]))
    has_twin = twin["name"].is_valid()
    alone = patches["patch_id"].filter(pc.invert(has_twin)).to_pylist()
    listing.excluded += [LeftOut(patch_id, "no Sentinel-1 twin") for patch_id in alone]
    listing.quirks["s2-without-s1"] += len(alone)
    patches = patches.append_column("s1_patch_id", twin["name"]).append_column("s1_path", twin["name"])
    patches, twin = patches.filter(has_twin), twin.filter(has_twin)
    one, other = (table["label_set"].fill_null("\0") for table in (patches, twin))  # null: no list of strings
    listing.quirks["twin-labels-differ"] += _count(pc.not_equal(one, other))
    return _drop_distant(patches, twin, listing)


def _drop_distant(patches: pa.Table, twin: pa.Table, listing: Listing) -> pa.Table:
    """Return the patches whose twin, in the same row of `twin`, has the same place, as far as both are known."""
    is_distant = pc.fill_null(pc.not_equal(patches["epsg"], twin["epsg"]), False)
    for edge in ("ulx_m", "uly_m"):
        distance_m = pc.abs(pc.subtract(patches[edge], twin[edge]))
        is_distant = pc.or_(is_distant, pc.fill_null(pc.greater_equal(distance_m, _PIXEL_M), False))
    for row in patches.filter(is_distant).select(["patch_id", "s1_path"]).to_pylist():
        reason = f"its Sentinel-1 twin lies elsewhere: projection, ulx or uly of {row['s1_path']} differ"
        listing.quarantined.append(LeftOut(row["patch_id"], reason))
    return patches.filter(pc.invert(is_distant))


def _replace_labels(patches: pa.Table, labels: Mapping[str, Sequence[str]], listing: Listing) -> pa.Table:
    """Return the patches in the table of labels, with its labels."""
    ids = patches["patch_id"].to_pylist()
    met = {*ids, *(out.patch_id for out in (*listing.quarantined, *listing.excluded))}
    listing.quirks["label-table-name-absent"] += len(labels.keys() - met)
    reason = "not in the table of archive.labels_file"
    listing.excluded += [LeftOut(patch_id, reason) for patch_id in ids if patch_id not in labels]
    patches = patches.filter(pa.array([patch_id in labels for patch_id in ids], pa.bool_()))
    named = [labels[patch_id] for patch_id in ids if patch_id in labels]
    place = patches.column_names.index("labels")
    return patches.set_column(place, "labels", pa.array(named, PATCH_SCHEMA.field("labels").type))


def _count(flags: pa.ChunkedArray) -> int:
    return int(pc.sum(flags).as_py() or 0)


def _list_patches(files: PatchFiles, root: Path, sensor: _Sensor) -> tuple[list[str], int]:
    """Return the sorted patch names of an archive and the number of other files and folders.

    Raises:
        ArchiveError: the folder is absent or has no patch of this sensor.
    """
    found = files.list_folder("", sensor.key)
    names = sorted(name for name, is_folder in found if is_folder and sensor.is_name(name))
    if not names:
        hint = _explain_others(root, list_near(files, sensor.key), sensor)
        raise ArchiveError(
            f"archive folder {root}: expected {sensor.name} patch folders like {sensor.example}; found none.{hint}"
        )
    return names, len(found) - len(names)


def _explain_others(root: Path, names: Sequence[str], sensor: _Sensor) -> str:
    """Return a hint at the right key or folder, from the content of `root`; an empty string without one."""
    other = _S1 if sensor is _S2 else _S2
    if any(map(other.is_name, names)):
        return f" These are {other.name} patches: name it in archive.{other.key}."
    if any(re.fullmatch(f"{V2_GRANULE}|{S1_SCENE}", name) for name in names):
        return " These are folders of BigEarthNet v2: set archive.layout to bigearthnet-v2."
    return suggest_folder(root, f"archive.{sensor.key}", sensor.is_name, sensor.kind)
