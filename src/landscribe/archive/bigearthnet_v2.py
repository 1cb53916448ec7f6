"""BigEarthNet v2 (reBEN): patch folders in folders of tiles and scenes, one table of metadata for all.

Layout: arXiv:2407.03653, https://zenodo.org/records/10891137; defects: docs/archive_quirks.md.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from landscribe.archive.bigearthnet_v1 import read_bands
from landscribe.archive.folders_v2 import MAPS_TREE, S1_TREE, S2_TREE, Tree, list_folders
from landscribe.archive.metadata_v2 import read_metadata
from landscribe.archive.patch_files import FolderFiles, PatchFiles
from landscribe.archive.protocol import Listing, make_patches
from landscribe.archive.reference_map import name_ben_19_classes, name_clc_classes, read_maps
from landscribe.archive.tar_files import Root, iter_parts, open_roots
from landscribe.archive.wrong_folder import tell_kind
from landscribe.core.bands import S1_BANDS, S2_BANDS, Band
from landscribe.core.errors import ArchiveError
from landscribe.core.patch import V1_S2_NAME, V2_S1_NAME, V2_S2_NAME
from landscribe.core.quarantine import LeftOut
from landscribe.downloads.parts import Download
from landscribe.downloads.unpacked import unpack_all

_DISTANT = "its Sentinel-1 twin lies elsewhere: tile, column or row of s1_name differ"
_SPLITS = pa.array(["train", "validation", "test"])
_TIME_END = len("S2A_MSIL2A_20170613T101031")  # both releases begin a name with mission, level and time
_CLOCK_START = len("S2A_MSIL2A_20170613T")


@dataclass(frozen=True)
class BigEarthNetV2:
    """Reader of Sentinel-2 patches, of their Sentinel-1 twins, or of both.

    Attributes:
        root: folder BigEarthNet-S2, or its download; None for Sentinel-1 alone.
        s1_root: folder BigEarthNet-S1, or its download; None for Sentinel-2 alone.
        maps_root: folder Reference_Maps, or its download; the labels are then the CLC classes of each map.
        label_files: metadata.parquet, and perhaps the one of the patches with snow, cloud or shadow.
        name: of the archive in manifests and shards.
    """

    root: Path | None
    s1_root: Path | None
    maps_root: Path | None
    label_files: tuple[Path, ...]
    name: str = "bigearthnet-v2"

    @property
    def bands(self) -> Mapping[str, Band]:
        """The bands of the sensors whose folders are given."""
        return (S2_BANDS if self.root else {}) | (S1_BANDS if self.s1_root else {})

    @property
    def _roots(self) -> dict[Tree, Root]:
        roots = {S2_TREE: self.root, S1_TREE: self.s1_root, MAPS_TREE: self.maps_root}
        return {
            tree: Root(root, tell_kind(Path(tree.published)), tree.is_outer)
            for tree, root in roots.items()
            if root is not None
        }

    @functools.cached_property
    def _files(self) -> dict[str, PatchFiles]:
        return open_roots({tree.key: root for tree, root in self._roots.items()})

    def find_downloads(self) -> list[Download]:
        """Return the downloads among the roots."""
        return [download for root in self._roots.values() if (download := root.find_download())]

    def iter_units(self) -> Iterator[tuple[str, list[str]]]:
        """Yield (patch name, its folders): those of a Sentinel-2 patch and of its map together.

        Of a download (name, [file]) of each part is yielded.
        """
        found: dict[str, list[str]] = {}
        for tree, root in self._roots.items():
            if download := root.find_download():
                found |= iter_parts(download)
                continue
            for path in list_folders(FolderFiles(str(root.path)), root.path, tree)[0]:
                found.setdefault(path.rpartition("/")[2], []).append(f"{root.path}/{path}")
        yield from sorted(found.items())

    def read_listing(self) -> Listing:
        """Read the metadata, find the folders, pair the twins, count the quirks; no file of a patch is opened.

        With `maps_root` the reference map of every patch is read.
        """
        listing = Listing()
        rows = _parse_names(read_metadata(self.label_files))
        has_folder = self._find_folders(S2_TREE, rows["s2_path"], listing)
        has_twin = self._find_folders(S1_TREE, rows["s1_path"], listing)
        rows = rows.append_column("has_folder", has_folder).append_column("has_twin", has_twin)
        rows = self._check_names(rows, listing)
        rows = _set_apart(rows, pc.invert(rows["has_folder"]), listing.excluded, "no Sentinel-2 folder in the archive")
        rows = _check_content(rows, listing, check_labels=self.maps_root is None)
        num_paired = pc.sum(rows["has_twin"]).as_py() or 0
        listing.quirks["s2-without-s1"] += rows.num_rows - num_paired
        rows = _set_apart(rows, pc.invert(rows["has_twin"]), listing.excluded, "no Sentinel-1 twin")
        if self.s1_root is not None:
            rows = _set_apart(rows, pc.not_equal(rows["cell"], rows["s1_cell"]), listing.quarantined, _DISTANT)
        if self.maps_root is not None:
            unpack_all(self.find_downloads())
            rows = _read_labels(self._files[MAPS_TREE.key], self.maps_root, rows, listing)
        _count_name_quirks(rows, listing)
        listing.patches = self._make_patches(rows)
        return listing

    def read_patch(self, path: str, s1_path: str | None, bands: Sequence[Band]) -> dict[str, np.ndarray]:
        """Read each band's file; a patch folder is as in v1. The tag nodata = 0 changes nothing: 0 stays 0."""
        return read_bands(self._files, path, s1_path, bands)

    def _find_folders(self, tree: Tree, paths: pa.ChunkedArray, listing: Listing) -> pa.Array:
        """Return which of the paths are folders of a tree; all of them if the tree is not requested.

        Raises:
            ArchiveError: none of them is.
        """
        if tree not in self._roots:
            return pa.array(np.ones(len(paths), bool))
        root = self._roots[tree].path
        folders, num_strays = self._list_folders(tree)
        places = pc.index_in(paths, value_set=pa.array(folders, pa.string()))
        num_named = pc.count_distinct(places).as_py()
        if not num_named:
            first = next((path for path in paths.to_pylist() if path), tree.example)
            raise ArchiveError(
                f"archive folder {root}: none of the {len(paths)} patches of the metadata has its folder there, such as"
                f" {first}. Set archive.{tree.key} to {tree.published}, and archive.labels_file to its metadata."
            )
        listing.quirks["stray-file"] += num_strays
        listing.quirks["folder-without-metadata"] += len(folders) - num_named
        return pc.is_valid(places)

    def _list_folders(self, tree: Tree) -> tuple[list[str], int]:
        return list_folders(self._files[tree.key], self._roots[tree].path, tree)

    def _check_names(self, rows: pa.Table, listing: Listing) -> pa.Table:
        """Return the rows whose names occur once and are safe as part of a path."""
        bad = listing.quarantined
        reason = f"expected a name like {S2_TREE.example}_26_57"
        rows = _set_apart(rows, pc.is_null(rows["s2_path"]), bad, reason, "patch_id")
        counts = pc.value_counts(rows["patch_id"])
        repeated = counts.filter(pc.greater(counts.field("counts"), 1)).to_pylist()
        bad += [LeftOut(row["values"], f"on {row['counts']} rows of the metadata") for row in repeated]
        names = pa.array([row["values"] for row in repeated], pa.string())
        rows = rows.filter(pc.invert(pc.is_in(rows["patch_id"], value_set=names)))
        if self.s1_root is None:
            return rows
        reason = f"expected a name like {S1_TREE.example}_33UUP_26_57"
        return _set_apart(rows, pc.is_null(rows["s1_path"]), bad, reason, "s1_name")

    def _make_patches(self, rows: pa.Table) -> pa.Table:
        names = ("patch_id", "labels", "granule", "tile", "column", "row", "country")
        split = rows["split"]
        return make_patches(
            {name: rows[name] for name in names}
            | {
                "path": rows["s2_path" if self.root else "s1_path"],
                "s1_patch_id": rows["s1_name"],
                "official_split": pc.if_else(pc.equal(split, "validation"), "val", split),
                "v1_patch_id": rows["s2v1_name"],
                "snow": rows["contains_seasonal_snow"],
                "cloud": rows["contains_cloud_or_shadow"],
            }
            | ({"s1_path": rows["s1_path"]} if self.s1_root else {})
        )


def read_twin_paths(s1_root: Path) -> dict[str, str]:
    """Return Sentinel-2 patch name -> path of its Sentinel-1 twin under `s1_root`.

    The names do not say which radar scene belongs to a patch, as most places were seen more than once; the metadata
    does, so it must be next to `s1_root`, as published.

    Raises:
        ArchiveError: it is not there, or `s1_root` is not a folder.
    """
    if not s1_root.is_dir():
        raise ArchiveError(f"{s1_root} is no folder; expected {S1_TREE.published} of BigEarthNet v2.")
    files = sorted(s1_root.resolve().parent.glob("metadata*.parquet"))
    if not files:
        raise ArchiveError(
            f"{s1_root}: expected metadata.parquet beside it, where BigEarthNet v2 pairs its sensors; put it there."
        )
    rows = _parse_names(read_metadata(files)).select(["patch_id", "s1_path"])
    rows = rows.filter(pc.is_valid(rows["s1_path"]))
    return dict(zip(rows["patch_id"].to_pylist(), rows["s1_path"].to_pylist(), strict=True))


def _parse_names(rows: pa.Table) -> pa.Table:
    """Return the rows with the parts of their names, both cells and both paths; null where a name has another form."""
    s2 = pc.extract_regex(rows["patch_id"], f"^{V2_S2_NAME}$").combine_chunks()
    s1 = pc.extract_regex(rows["s1_name"], f"^{V2_S1_NAME}$").combine_chunks()
    for name in ("granule", "tile", "column", "row"):
        rows = rows.append_column(name, pc.struct_field(s2, name))
    rows = rows.append_column("cell", _join_cell(s2)).append_column("s1_cell", _join_cell(s1))
    s2_path = pc.binary_join_element_wise(rows["granule"], rows["patch_id"], "/")
    s1_path = pc.binary_join_element_wise(pc.struct_field(s1, "scene"), rows["s1_name"], "/")
    return rows.append_column("s2_path", s2_path).append_column("s1_path", s1_path)


def _join_cell(names: pa.StructArray) -> pa.Array:
    """Return tile, column and row as one string; those of Sentinel-1 have no leading zeros."""
    column, row = (pc.utf8_lpad(pc.struct_field(names, part), 2, "0") for part in ("column", "row"))
    return pc.binary_join_element_wise(pc.struct_field(names, "tile"), column, row, "_")


def _set_apart(rows: pa.Table, is_apart: pa.Array, into: list[LeftOut], reason: str, shown: str = "") -> pa.Table:
    """Move rows into `into`, with the reason and the value of the column `shown`; return the others."""
    apart = rows.filter(is_apart)
    names = [name or repr(name) for name in apart["patch_id"].to_pylist()]
    values = apart[shown].to_pylist() if shown else []
    reasons = [f"{shown}: {reason}; received {value!r}" for value in values] or [reason] * len(names)
    into += map(LeftOut, names, reasons)
    return rows.filter(pc.invert(is_apart)) if names else rows


def _check_content(rows: pa.Table, listing: Listing, *, check_labels: bool) -> pa.Table:
    """Return the rows with a valid split and, if the labels of the metadata are used, with valid labels."""
    bad = listing.quarantined
    if check_labels:
        rows = _set_apart(rows, _find_bad_labels(rows["labels"]), bad, "expected names of classes", "labels")
    no_split = pc.invert(pc.is_in(rows["split"], value_set=_SPLITS))
    return _set_apart(rows, no_split, bad, "expected train, validation or test", "split")


def _find_bad_labels(labels: pa.ChunkedArray) -> pa.Array:
    """Return where a list is null, or contains a null or an empty string."""
    is_bad = pc.is_null(labels).to_numpy().copy()
    blank = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(pc.list_flatten(labels)), ""), True)
    is_bad[pc.list_parent_indices(labels).filter(blank).to_numpy()] = True
    return pa.array(is_bad)


def _read_labels(files: PatchFiles, maps_root: Path, rows: pa.Table, listing: Listing) -> pa.Table:
    """Return the rows with the CLC classes of their maps as labels; those without a valid map are quarantined."""
    list_folders(files, maps_root, MAPS_TREE)  # reports a wrong folder before each of its maps is missing
    found = read_maps(files, rows["s2_path"].to_pylist())
    bad = [isinstance(codes, str) for codes in found]
    reasons = [codes for codes in found if isinstance(codes, str)]
    listing.quarantined += map(LeftOut, rows.filter(bad)["patch_id"].to_pylist(), reasons)
    rows = rows.filter(pc.invert(pa.array(bad)))
    codes_of = [codes for codes in found if not isinstance(codes, str)]
    for codes, labels in zip(codes_of, rows["labels"].to_pylist(), strict=True):
        listing.quirks["map-labels-differ"] += name_ben_19_classes(codes) != set(labels or ())
    labels = pa.array([name_clc_classes(codes) for codes in codes_of], pa.list_(pa.string()))
    return rows.set_column(rows.schema.get_field_index("labels"), "labels", labels)


def _count_name_quirks(rows: pa.Table, listing: Listing) -> None:
    """Count v1 names whose time lacks a digit, and those whose time differs even with the missing zero added."""
    v1 = pc.extract_regex(rows["s2v1_name"], f"^{V1_S2_NAME}$").combine_chunks()
    clock = pc.struct_field(v1, "clock")
    day = pc.utf8_slice_codeunits(pc.struct_field(v1, "granule"), 0, _CLOCK_START)
    time = pc.binary_join_element_wise(day, pc.utf8_lpad(clock, 6, "0"), "")
    differs = pc.not_equal(time, pc.utf8_slice_codeunits(rows["granule"].combine_chunks(), 0, _TIME_END))
    listing.quirks["hour-without-leading-zero"] += pc.sum(pc.less(pc.utf8_length(clock), 6)).as_py() or 0
    listing.quirks["v1-time-differs"] += pc.sum(differs).as_py() or 0
