"""A small archive in the layout of BigEarthNet v2, made from the synthetic one in the layout of v1."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio

from landscribe.archive.metadata_v2 import METADATA_SCHEMA
from landscribe.core.nomenclature import BEN_19_CODES, CLC_CODES
from landscribe.core.patch import S1_FOLDER, S2_FOLDER

COUNTRIES = {"33UUP": "Austria", "29SND": "Portugal", "35VPK": "Finland"}
SPLITS = ("train", "train", "validation", "test")


@dataclass(frozen=True)
class ArchiveParts:
    """The folders and files of an archive, by the keys of section `archive`."""

    root: Path
    s1_root: Path
    maps_root: Path
    label_files: tuple[Path, Path]


def write_v2_archive(demo_root: Path, folder: Path) -> ArchiveParts:
    """Write the patches of a synthetic v1 archive, those with a label among the 19, in the layout of v2.

    Every third file of Sentinel-2 ends in `.tiff`. The last five patches stand in the second parquet: two with snow,
    three with cloud or shadow. The reference maps hold the classes of the v1 labels in strips of equal width, between
    strips without a code.
    """
    parts = ArchiveParts(
        folder / "BigEarthNet-S2",
        folder / "BigEarthNet-S1",
        folder / "Reference_Maps",
        (folder / "metadata.parquet", folder / "metadata_for_patches_with_snow_cloud_or_shadow.parquet"),
    )
    twins = {_read_json(path)["corresponding_s2_patch"]: path for path in (demo_root / S1_FOLDER).iterdir()}
    rows: list[dict[str, Any]] = []
    for source in sorted((demo_root / S2_FOLDER).iterdir()):
        if row := _make_row(source, twins[source.name].name, len(rows)):
            _write_patch(parts, source, twins[source.name], row)
            rows.append(row)
    for number, row in enumerate(rows[-5:]):
        row["contains_seasonal_snow" if number < 2 else "contains_cloud_or_shadow"] = True
    write_metadata(rows[:-5], parts.label_files[0])
    write_metadata(rows[-5:], parts.label_files[1])
    return parts


def write_metadata(rows: list[dict[str, Any]], path: Path) -> None:
    """Write rows as the published files have them: the eight columns, and the index that pandas left there."""
    schema = METADATA_SCHEMA.append(pa.field("__index_level_0__", pa.int64()))
    pq.write_table(pa.Table.from_pylist([row | {"__index_level_0__": 7} for row in rows], schema), path)


def _read_json(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / f"{folder.name}_labels_metadata.json").read_bytes())
    return content


def _make_row(source: Path, s1_name: str, number: int) -> dict[str, Any] | None:
    """Return a row of the metadata; None for a patch without a class of BEN-19."""
    content = _read_json(source)
    codes = {CLC_CODES[name] for name in content["labels"]}
    labels = sorted(name for name, members in BEN_19_CODES.items() if codes & set(members))
    prefix, column, row = source.name.rsplit("_", 2)
    mission, level, time = prefix.split("_")
    *_, orbit, tile, _ = content["tile_source"].split("_")
    if len(time) < 15:  # as in the archive, where a digit is missing the times of the two releases differ as well
        time = f"{time[:9]}0{int(time[9:]) - 1}"
    granule = f"{mission}_{level}_{time}_N9999_{orbit}_{tile}"
    if not labels:
        return None
    return {
        "patch_id": f"{granule}_{int(column):02}_{int(row):02}",
        "labels": labels,
        "split": SPLITS[number % len(SPLITS)],
        "country": COUNTRIES[tile[1:]],
        "s1_name": s1_name,
        "s2v1_name": source.name,
        "contains_seasonal_snow": False,
        "contains_cloud_or_shadow": False,
    }


def _write_patch(parts: ArchiveParts, source: Path, twin: Path, row: dict[str, Any]) -> None:
    patch_id, s1_name = row["patch_id"], row["s1_name"]
    tile_folder, scene = patch_id.rsplit("_", 2)[0], s1_name.rsplit("_", 3)[0]
    s2, s1 = parts.root / tile_folder / patch_id, parts.s1_root / scene / s1_name
    s2.mkdir(parents=True)
    s1.mkdir(parents=True)
    for number, path in enumerate(sorted(source.glob("*.tif"))):
        band = path.stem.rsplit("_", 1)[1]
        copied = s2 / f"{patch_id}_{band}{'.tif' if number % 3 else '.tiff'}"
        shutil.copyfile(path, copied)
        with rasterio.open(copied, "r+") as dataset:
            dataset.nodata = 0
    for path in twin.glob("*.tif"):
        shutil.copyfile(path, s1 / path.name)
    _write_map(parts.maps_root / tile_folder / patch_id, _read_json(source))


def _write_map(folder: Path, content: dict[str, Any]) -> None:
    """Write the reference map of a patch, as in the archive: uint16, deflate, nodata 0."""
    corner, codes = content["coordinates"], [CLC_CODES[name] for name in content["labels"]]
    strips = [code for code in codes for code in (code, 0)]
    values = np.repeat(np.array(strips, np.uint16), -(-120 // len(strips)))[:120]
    folder.mkdir(parents=True)
    profile = {"driver": "GTiff", "width": 120, "height": 120, "count": 1, "dtype": "uint16", "compress": "deflate"}
    place = {"transform": rasterio.Affine(10, 0, corner["ulx"], 0, -10, corner["uly"]), "crs": content["projection"]}
    with rasterio.open(folder / f"{folder.name}_reference_map.tif", "w", nodata=0, **profile, **place) as dataset:
        dataset.write(np.tile(values, (120, 1)), 1)
