"""BigEarthNet v2: every row of the metadata is met once, by its folder; no name is followed out of the archive."""

import dataclasses
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from landscribe.archive.bigearthnet_v2 import BigEarthNetV2, read_twin_paths
from landscribe.archive.metadata_v2 import read_metadata
from landscribe.archive.protocol import Listing
from landscribe.core.bands import S1_BANDS, S2_BANDS
from landscribe.core.errors import ArchiveError, PatchError
from landscribe.core.nomenclature import CLC_CODES
from landscribe.core.patch import S1_FOLDER, S2_FOLDER
from tests.support.fake_v2 import ArchiveParts, write_metadata, write_v2_archive
from tests.support.paths import ROOT

DOCUMENTED = (ROOT / "docs/archive_quirks.md").read_text(encoding="utf-8")
ALL_BANDS = [*S2_BANDS.values(), *S1_BANDS.values()]
Row = dict[str, Any]


@pytest.fixture(scope="module")
def parts(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> ArchiveParts:
    """A v2 archive; never written to."""
    return write_v2_archive(demo_root, tmp_path_factory.mktemp("v2"))


@pytest.fixture
def few(parts: ArchiveParts, tmp_path: Path) -> ArchiveParts:
    """The folders of six patches, both sensors and the map, to be damaged; all stand in the first parquet."""
    rows = read_rows(parts)[::10]
    roots = (parts.root, "patch_id"), (parts.s1_root, "s1_name"), (parts.maps_root, "patch_id")
    for root, column in roots:
        for path in [path for row in rows for path in root.glob(f"*/{row[column]}")]:
            shutil.copytree(path, tmp_path / path.relative_to(parts.root.parent))
    files = tmp_path / parts.label_files[0].name, tmp_path / parts.label_files[1].name
    write_metadata(rows, files[0])
    write_metadata([], files[1])
    s2, s1, maps = (tmp_path / root.name for root, _ in roots)
    return ArchiveParts(s2, s1, maps, files)


def open_parts(parts: ArchiveParts, *keys: str) -> BigEarthNetV2:
    """Return the reader of the folders named by `keys`, of both sensors without any."""
    roots = {key: getattr(parts, key) for key in keys or ("root", "s1_root")}
    return BigEarthNetV2(roots.get("root"), roots.get("s1_root"), roots.get("maps_root"), parts.label_files)


def read_rows(parts: ArchiveParts) -> list[Row]:
    """Return the rows of the metadata, sorted by patch."""
    return sorted(read_metadata(parts.label_files).to_pylist(), key=lambda row: str(row["patch_id"]))


def check_nothing_is_lost(listing: Listing, rows: list[Row]) -> None:
    """Every name of the metadata is listed, quarantined or excluded: once."""
    met = listing.patches["patch_id"].to_pylist()
    met += [patch.patch_id for patch in (*listing.quarantined, *listing.excluded)]
    assert sorted(met) == sorted({str(row["patch_id"]) or "''" for row in rows})


def test_every_patch_is_listed_once_with_the_facts_of_its_row(parts: ArchiveParts) -> None:
    listing = open_parts(parts).read_listing()
    assert (listing.quarantined, listing.excluded) == ([], [])
    rows = read_rows(parts)
    assert len(rows) == len(listing.patches)
    for row, patch in zip(rows, listing.patches.to_pylist(), strict=True):
        granule, column, row_number = row["patch_id"].rsplit("_", 2)
        scene = row["s1_name"].rsplit("_", 3)[0]
        known = {
            "patch_id": row["patch_id"],
            "labels": row["labels"],
            "path": f"{granule}/{row['patch_id']}",
            "s1_patch_id": row["s1_name"],
            "s1_path": f"{scene}/{row['s1_name']}",
            "granule": granule,
            "tile": granule[-5:],
            "column": int(column),
            "row": int(row_number),
            "country": row["country"],
            "official_split": {"train": "train", "validation": "val", "test": "test"}[row["split"]],
            "v1_patch_id": row["s2v1_name"],
            "snow": row["contains_seasonal_snow"],
            "cloud": row["contains_cloud_or_shadow"],
        }
        assert patch == dict.fromkeys(patch) | known
        assert (parts.root / patch["path"]).is_dir()
        assert (parts.s1_root / patch["s1_path"]).is_dir()


def test_a_sensor_alone_has_the_same_patches_and_its_own_bands(parts: ArchiveParts) -> None:
    both = open_parts(parts)
    patches = both.read_listing().patches
    optical, radar = open_parts(parts, "root"), open_parts(parts, "s1_root")
    kept = [name for name in patches.column_names if name not in ("path", "s1_path")]
    for archive in (optical, radar):
        assert archive.read_listing().patches.select(kept) == patches.select(kept)
    assert radar.read_listing().patches["path"] == patches["s1_path"]
    assert optical.read_listing().patches["s1_path"].null_count == len(patches)
    assert (dict(optical.bands), dict(radar.bands), dict(both.bands)) == (S2_BANDS, S1_BANDS, S2_BANDS | S1_BANDS)


def test_the_order_of_the_rows_changes_nothing(few: ArchiveParts) -> None:
    before = open_parts(few).read_listing()
    write_metadata(read_rows(few)[::-1], few.label_files[0])
    assert open_parts(few).read_listing() == before


def test_quirks_are_counted_and_documented(few: ArchiveParts) -> None:
    (few.root / ".DS_Store").touch()
    tile_folder = next(path for path in few.root.iterdir() if path.is_dir())
    (tile_folder / f"{tile_folder.name}_00_00").mkdir()
    listing = open_parts(few, "root", "s1_root", "maps_root").read_listing()
    assert dict(+listing.quirks) == {
        "stray-file": 1,
        "folder-without-metadata": 1,
        "hour-without-leading-zero": 2,  # those of 35VPK, whose time differs besides
        "v1-time-differs": 2,
    }
    for name in listing.quirks:
        assert f"| `{name}` |" in DOCUMENTED, name


@pytest.mark.parametrize("moved", [("99XXX", 0, 0), (None, 1, 0), (None, 0, 1), (None, 0, 0)])
def test_a_pair_of_two_places_is_quarantined(few: ArchiveParts, moved: tuple[str | None, int, int]) -> None:
    rows = read_rows(few)
    scene, tile, column, row = rows[3]["s1_name"].rsplit("_", 3)
    rows[3]["s1_name"] = f"{scene}_{moved[0] or tile}_{int(column) + moved[1]}_{int(row) + moved[2]}"
    (few.s1_root / scene / rows[3]["s1_name"]).mkdir(exist_ok=True)
    write_metadata(rows, few.label_files[0])
    reason = "its Sentinel-1 twin lies elsewhere: tile, column or row of s1_name differ"
    expected = [(rows[3]["patch_id"], reason)] * any(moved)
    for keys in (("root", "s1_root"), ("s1_root",)):
        listing = open_parts(few, *keys).read_listing()
        assert [(out.patch_id, out.reason) for out in listing.quarantined] == expected
        check_nothing_is_lost(listing, rows)
    assert len(open_parts(few, "root").read_listing().patches) == 6


def test_the_real_metadata_has_the_quirks_that_its_names_show(samples: Path, tmp_path: Path) -> None:
    root = samples / "bigearthnet-v2"
    files = (root / "metadata.parquet", root / "metadata_for_patches_with_snow_cloud_or_shadow.parquet")
    rows = read_metadata(files).to_pylist()
    for row in rows:  # the real images are of other patches
        (tmp_path / row["patch_id"].rsplit("_", 2)[0] / row["patch_id"]).mkdir(parents=True)
    listing = BigEarthNetV2(tmp_path, None, None, files).read_listing()
    assert listing.patches["patch_id"].to_pylist() == sorted(row["patch_id"] for row in rows)
    assert len(listing.patches) == 24
    assert (sum(listing.patches["snow"].to_pylist()), sum(listing.patches["cloud"].to_pylist())) == (3, 3)
    assert dict(+listing.quirks) == {"hour-without-leading-zero": 3, "v1-time-differs": 3}  # T94132 is not 094131


BAD_NAMES = [
    None,
    "",
    "..",
    "/etc",
    "../S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57",
    "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP/../x_26_57",
    "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57\n",
    "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_٢6_57",
    "S2A_MSIL2A_20170613T101031_26_57",  # the form of v1
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_no_key_is_quarantined_and_never_followed(few: ArchiveParts, name: str | None) -> None:
    first, *rows = read_rows(few)
    (few.root.parent / "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57").mkdir()
    write_metadata([first | {"patch_id": name}, *rows], few.label_files[0])
    listing = open_parts(few).read_listing()
    assert listing.patches["patch_id"].to_pylist() == [row["patch_id"] for row in rows]
    (bad,) = listing.quarantined
    assert bad.reason.endswith(f"_26_57; received {name!r}")
    assert listing.quirks["folder-without-metadata"] == 1


CHANGES: list[tuple[Row, str]] = [
    ({"labels": None}, "labels: expected names of classes; received None"),
    ({"labels": ["Arable land", None]}, "labels: expected names of classes; received ['Arable land', None]"),
    ({"labels": [" "]}, "labels: expected names of classes; received [' ']"),
    ({"split": "dev"}, "split: expected train, validation or test; received 'dev'"),
    ({"split": None}, "split: expected train, validation or test; received None"),
    ({"s1_name": None}, "received None"),
    ({"s1_name": "../x_33UUP_26_57"}, "received '../x_33UUP_26_57'"),
]


@pytest.mark.parametrize(("change", "reason"), CHANGES)
def test_a_bad_row_quarantines_its_patch_alone(few: ArchiveParts, change: Row, reason: str) -> None:
    rows = read_rows(few)
    rows[2] |= change
    write_metadata(rows, few.label_files[0])
    listing = open_parts(few).read_listing()
    assert [(bad.patch_id, bad.reason.endswith(reason)) for bad in listing.quarantined] == [(rows[2]["patch_id"], True)]
    check_nothing_is_lost(listing, rows)
    assert len(listing.patches) == len(rows) - 1


def test_a_patch_on_two_rows_is_quarantined_once(few: ArchiveParts) -> None:
    rows = read_rows(few)
    write_metadata([rows[0] | {"split": "test"}, rows[0] | {"split": "train"}], few.label_files[1])
    listing = open_parts(few).read_listing()
    assert [(bad.patch_id, bad.reason) for bad in listing.quarantined] == [
        (rows[0]["patch_id"], "on 3 rows of the metadata")
    ]
    check_nothing_is_lost(listing, rows)


def test_a_part_of_the_archive_is_enough(few: ArchiveParts) -> None:
    rows = read_rows(few)
    paths = {patch["patch_id"]: patch["s1_path"] for patch in open_parts(few).read_listing().patches.to_pylist()}
    absent, alone = rows[0]["patch_id"], rows[3]["patch_id"]
    shutil.rmtree(few.root / absent.rsplit("_", 2)[0] / absent)
    shutil.rmtree(few.s1_root / paths[alone])
    listing = open_parts(few).read_listing()
    assert {(out.patch_id, out.reason) for out in listing.excluded} == {
        (absent, "no Sentinel-2 folder in the archive"),
        (alone, "no Sentinel-1 twin"),
    }
    assert listing.quarantined == []
    assert listing.quirks["folder-without-metadata"] == 0
    check_nothing_is_lost(listing, rows)


@pytest.mark.parametrize("key", ["root", "s1_root"])
def test_metadata_of_other_patches_is_refused(few: ArchiveParts, key: str) -> None:
    for path in list(getattr(few, key).glob("*/*")):
        path.rename(path.with_name(f"{path.name}_other"))
    with pytest.raises(ArchiveError, match=rf"none of the 6 patches .* Set archive\.{key} to"):
        open_parts(few).read_listing()


def test_reference_maps_give_the_43_classes(few: ArchiveParts, demo_root: Path) -> None:
    codes = {name: number for number, name in enumerate(CLC_CODES)}
    for patch in open_parts(few, "root", "maps_root").read_listing().patches.to_pylist():
        name = patch["v1_patch_id"]
        content = json.loads((demo_root / S2_FOLDER / name / f"{name}_labels_metadata.json").read_bytes())
        assert patch["labels"] == sorted(content["labels"], key=codes.__getitem__)


def test_maps_that_are_absent_or_differ_are_told(few: ArchiveParts) -> None:
    rows = read_rows(few)
    rows[1]["labels"] = ["Marine waters", "Beaches, dunes, sands"]
    write_metadata(rows, few.label_files[0])
    shutil.rmtree(next(few.maps_root.glob(f"*/{rows[4]['patch_id']}")))
    listing = open_parts(few, "root", "maps_root").read_listing()
    assert listing.quirks["map-labels-differ"] == 1
    assert [bad.patch_id for bad in listing.quarantined] == [rows[4]["patch_id"]]
    check_nothing_is_lost(listing, rows)
    with pytest.raises(ArchiveError, match=r"Set archive\.maps_root to .*Reference_Maps\."):
        dataclasses.replace(open_parts(few, "root"), maps_root=few.root.parent).read_listing()


def test_every_band_is_the_one_that_the_archive_was_made_of(parts: ArchiveParts, demo_root: Path) -> None:
    """Also where the file ends in `.tiff`, and where the tag of nodata names a value that occurs."""
    archive = pickle.loads(pickle.dumps(open_parts(parts)))  # noqa: S301 - as conversion does
    for patch in archive.read_listing().patches.to_pylist()[::7]:
        values = archive.read_patch(patch["path"], patch["s1_path"], ALL_BANDS)
        assert list(values) == [band.name for band in ALL_BANDS]
        for band in ALL_BANDS:
            root, name = (S1_FOLDER, "s1_patch_id") if band.name in S1_BANDS else (S2_FOLDER, "v1_patch_id")
            with rasterio.open(demo_root / root / patch[name] / f"{patch[name]}_{band.name}.tif") as dataset:
                np.testing.assert_array_equal(values[band.name], dataset.read(1))


def test_zero_stays_zero_although_it_means_nodata(few: ArchiveParts) -> None:
    patch = open_parts(few).read_listing().patches.to_pylist()[0]
    (path,) = (few.root / patch["path"]).glob("*_B03.tif*")
    with rasterio.open(path, "r+") as dataset:
        values = dataset.read(1)
        values[5:9] = 0
        dataset.write(values, 1)
        assert dataset.nodata == 0
    np.testing.assert_array_equal(open_parts(few).read_patch(patch["path"], None, [S2_BANDS["B03"]])["B03"], values)


@pytest.mark.parametrize("sensor", ["BigEarthNet-S2", "BigEarthNet-S1"])
def test_every_real_tiff_is_read_value_by_value(samples: Path, sensor: str) -> None:
    root, bands = samples / "bigearthnet-v2", S2_BANDS if sensor.endswith("S2") else S1_BANDS
    archive = BigEarthNetV2(root / "BigEarthNet-S2", root / "BigEarthNet-S1", None, ())
    folders = sorted((root / sensor).glob("*/*"))
    assert len(folders) == (2 if bands is S2_BANDS else 3)
    for folder in folders:
        path = folder.relative_to(root / sensor).as_posix()
        for name, values in archive.read_patch(path, path, list(bands.values())).items():
            with rasterio.open(folder / f"{folder.name}_{name}.tif") as dataset:
                raw = dataset.read(1)
            assert values.dtype == raw.dtype
            np.testing.assert_array_equal(values, raw)


def test_a_band_that_is_not_there_is_named(few: ArchiveParts) -> None:
    patch = open_parts(few).read_listing().patches.to_pylist()[0]
    with pytest.raises(PatchError, match="band VV is missing"):
        open_parts(few, "root").read_patch(patch["path"], None, ALL_BANDS)
    next((few.root / patch["path"]).glob("*_B05.*")).unlink()
    with pytest.raises(PatchError, match="band B05 is missing"):
        open_parts(few).read_patch(patch["path"], patch["s1_path"], ALL_BANDS)


def list_units(archive: BigEarthNetV2) -> dict[str, list[str]]:
    """Return the units by name; names are unique and sorted."""
    names, units = zip(*archive.iter_units(), strict=True)
    assert list(names) == sorted(set(names))
    return dict(zip(names, units, strict=True))


def test_units_hold_every_file_of_every_patch_once(parts: ArchiveParts) -> None:
    units = list_units(open_parts(parts, "root", "s1_root", "maps_root"))
    files = [path for folders in units.values() for folder in folders for path in Path(folder).iterdir()]
    expected = [path for root in (parts.root, parts.s1_root, parts.maps_root) for path in root.rglob("*.tif*")]
    assert sorted(files) == sorted(expected)
    assert len(units) == 2 * len(read_rows(parts))  # a map belongs to its patch


def test_reading_writes_nothing(parts: ArchiveParts) -> None:
    def stat_all() -> list[tuple[Path, int, int]]:
        paths = sorted(parts.root.parent.rglob("*"))
        return [(path, path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in paths]

    before = stat_all()
    archive = open_parts(parts, "root", "s1_root", "maps_root")
    list(archive.iter_units())
    patch = archive.read_listing().patches.to_pylist()[0]
    archive.read_patch(patch["path"], patch["s1_path"], ALL_BANDS)
    assert stat_all() == before


def test_twins_are_paired_by_the_metadata_beside_them(parts: ArchiveParts, few: ArchiveParts) -> None:
    patches = open_parts(parts).read_listing().patches
    expected = dict(zip(patches["patch_id"].to_pylist(), patches["s1_path"].to_pylist(), strict=True))
    assert read_twin_paths(parts.s1_root) == expected
    few.label_files[0].unlink()
    few.label_files[1].unlink()
    with pytest.raises(ArchiveError, match=r"expected metadata\.parquet beside it"):
        read_twin_paths(few.s1_root)
