"""BigEarthNet v1 / MM: every patch once, every quirk counted, every damage named."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from landscribe.archive import bigearthnet_v1
from landscribe.archive.bigearthnet_v1 import BigEarthNetV1, read_twin_names
from landscribe.archive.protocol import PATCH_SCHEMA, Listing
from landscribe.core.bands import S2_BANDS
from landscribe.core.errors import ArchiveError, PatchError
from landscribe.core.patch import S1_FOLDER, S2_FOLDER, parse_patch_name
from tests.support.paths import ROOT
from tests.support.v1_folders import list_folders, list_patches, open_pairs, open_s1, turn_into_folder

DOCUMENTED = (ROOT / "docs/archive_quirks.md").read_text(encoding="utf-8")


def find_metadata(folder: Path) -> Path:
    """Return the JSON of a patch folder."""
    return folder / f"{folder.name}_labels_metadata.json"


def read_metadata(folder: Path) -> dict[str, Any]:
    """Return the content of a patch folder's JSON."""
    content: dict[str, Any] = json.loads(find_metadata(folder).read_text(encoding="utf-8"))
    return content


def edit(folder: Path, **changes: Any) -> None:
    """Change keys of a patch's JSON; None takes a key out."""
    content = read_metadata(folder) | changes
    find_metadata(folder).write_text(json.dumps({k: v for k, v in content.items() if v is not None}), encoding="utf-8")


def swap_key(folder: Path, old: str, new: str) -> dict[str, Any]:
    """Return the coordinates of a patch's JSON with one key under another name."""
    corners = read_metadata(folder)["coordinates"]
    return {new if key == old else key: value for key, value in corners.items()}


def copy_patch(folder: Path, name: str) -> Path:
    """Copy a patch's folder and JSON under another name."""
    copied = folder.with_name(name)
    copied.mkdir()
    shutil.copy(find_metadata(folder), find_metadata(copied))
    return copied


def check_nothing_is_lost(root: Path, listing: Listing) -> None:
    """Every Sentinel-2 folder is listed, quarantined or excluded: once."""
    met = listing.patches["patch_id"].to_pylist()
    met += [patch.patch_id for patch in (*listing.quarantined, *listing.excluded) if patch.patch_id.startswith("S2")]
    assert sorted(met) == [folder.name for folder in list_folders(root / S2_FOLDER)]


def test_every_patch_is_listed_once_in_order(demo_root: Path) -> None:
    listing = open_pairs(demo_root).read_listing()
    assert listing.patches.schema == PATCH_SCHEMA
    assert listing.patches["patch_id"].to_pylist() == [path.name for path in list_folders(demo_root / S2_FOLDER)]
    assert len(listing.patches["s1_patch_id"].unique()) == 60
    assert (listing.quarantined, listing.excluded) == ([], [])


@pytest.mark.parametrize("sensors", ["S2", "S1", "both"])
def test_a_row_says_what_names_and_json_say(demo_root: Path, sensors: str) -> None:
    twins = read_twin_names(demo_root / S1_FOLDER)
    root = None if sensors == "S1" else demo_root / S2_FOLDER
    s1_root = None if sensors == "S2" else demo_root / S1_FOLDER
    patches = list_patches(BigEarthNetV1(root, s1_root))
    assert len(patches) == 60
    for patch in patches:
        s1_name = twins[patch["patch_id"]]
        folder = demo_root / S1_FOLDER / s1_name if root is None else demo_root / S2_FOLDER / patch["patch_id"]
        content, name = read_metadata(folder), parse_patch_name(patch["patch_id"])
        time = content["acquisition_time"] if root is None else content["acquisition_date"].replace(" ", "T")
        zone = int(patch["tile"][:2])
        assert f"_{patch['tile']}_" in s1_name
        assert f"UTM zone {zone}N" in content["projection"]
        assert {key: value for key, value in patch.items() if value is not None} == {
            "patch_id": patch["patch_id"],
            "labels": content["labels"],
            "path": folder.name,
            **({} if s1_root is None else {"s1_patch_id": s1_name, "s1_path": s1_name}),
            "granule": name.granule,
            "tile": patch["tile"],
            "column": name.column,
            "row": name.row,
            "acquired_at": time,
            "epsg": 32600 + zone,
            "ulx_m": content["coordinates"]["ulx"],
            "uly_m": content["coordinates"]["uly"],
            "size_m": 1200,
        }


def test_the_listing_does_not_depend_on_the_number_of_workers(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_metadata(list_folders(pairs / S2_FOLDER)[1]).write_bytes(b"")
    edit(list_folders(pairs / S2_FOLDER)[4], labels=["Vineyards"])
    alone = open_pairs(pairs).read_listing()
    monkeypatch.setattr(bigearthnet_v1, "_CHUNK_PATCHES", 1)  # six chunks: worker processes start
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert open_pairs(pairs).read_listing() == alone


def test_quirks_are_counted(pairs: Path) -> None:
    first, second, *_ = list_folders(pairs / S2_FOLDER)
    (pairs / S2_FOLDER / ".DS_Store").write_bytes(b"\0")
    (pairs / S2_FOLDER / "README.txt").write_text("note", encoding="utf-8")
    (pairs / S2_FOLDER / "S2A_MSIL2A_20170613T101031_1_1").touch()  # a file under a patch's name is no patch
    (pairs / S2_FOLDER / "S2A_MSIL2A_20170613T101031_1_٢").mkdir()  # a digit of another script is none in a name
    (pairs / S1_FOLDER / ".DS_Store").write_bytes(b"\0")
    edit(first, labels=["Vineyards"])
    edit(second, labels=[*reversed(read_metadata(second)["labels"])])
    documented = list_folders(pairs / S1_FOLDER)[0]  # as the documentation has it
    edit(documented, acquisition_time=None, coordinates=swap_key(documented, "lly", "lry"))
    listing = open_pairs(pairs).read_listing()
    assert dict(+listing.quirks) == {
        "stray-file": 5,
        "s1-lly-key": 5,
        "s1-acquisition-time-key": 5,
        "hour-without-leading-zero": 2,
        "twin-labels-differ": 1,
    }
    assert listing.patches["labels"][0].as_py() == ["Vineyards"]  # those of Sentinel-2 hold
    assert all(f"| `{name}` |" in DOCUMENTED for name in (*listing.quirks, "label-table-name-absent"))
    alone = open_s1(pairs).read_listing().quirks
    assert dict(+alone) == {
        "stray-file": 1,
        "s1-lly-key": 5,
        "s1-acquisition-time-key": 5,
        "hour-without-leading-zero": 2,
    }


def test_twins_without_a_partner_of_their_own_are_counted(pairs: Path) -> None:
    last = list_folders(pairs / S1_FOLDER)[-1]
    stem = last.name.rsplit("_", 2)[0]
    copy_patch(last, f"{stem}_90_89")
    edit(copy_patch(last, f"{stem}_90_90"), corresponding_s2_patch="S2A_MSIL2A_20170613T101031_1_1")
    listing = open_pairs(pairs).read_listing()
    assert (listing.quirks["s1-twin-repeated"], listing.quirks["s1-without-s2"]) == (1, 1)
    check_nothing_is_lost(pairs, listing)
    twin = read_metadata(last)["corresponding_s2_patch"]
    chosen = max(last.name, f"{stem}_90_89")  # the last by name
    for archive in (open_pairs(pairs), open_s1(pairs)):
        assert {patch["patch_id"]: patch["s1_path"] for patch in list_patches(archive)}[twin] == chosen
    alone = open_s1(pairs).read_listing()
    assert (len(alone.patches), alone.quirks["s1-twin-repeated"], alone.quirks["s1-without-s2"]) == (7, 1, 0)


# What is done to the JSON of a patch, and what its reason says.
DAMAGED_JSON: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:40]), "is not JSON"),
    "empty": (lambda path: path.write_bytes(b""), "is not JSON"),
    "not UTF-8": (lambda path: path.write_bytes(b'{"labels": ["\xff"]}'), "is not JSON"),
    "a web page": (lambda path: path.write_bytes(b"<html>404</html>"), "is not JSON"),
    "nested too deep": (lambda path: path.write_bytes(b"[" * 100_000), "is not JSON"),
    "a number too long": (lambda path: path.write_bytes(b"[" + b"9" * 5000 + b"]"), "is not JSON"),
    "absent": (lambda path: path.unlink(), "is unreadable: No such file"),
    "a folder": (turn_into_folder, "is unreadable"),
    "a list": (lambda path: path.write_bytes(b"[]"), "expected a JSON object; received list"),
    "null": (lambda path: path.write_bytes(b"null"), "expected a JSON object; received NoneType"),
    "no labels": (lambda path: edit(path.parent, labels=None), "expected labels as list; received None"),
    "labels in one string": (lambda path: edit(path.parent, labels="Pastures"), "expected labels as list"),
    "labels as numbers": (lambda path: edit(path.parent, labels=[231]), "expected labels as strings"),
    "a label as null": (lambda path: edit(path.parent, labels=["Pastures", None]), "labels as strings"),
    "half a character": (lambda path: edit(path.parent, labels=["\ud800"]), "expected labels as text"),
}


@pytest.mark.parametrize("kind", DAMAGED_JSON)
def test_a_patch_with_damaged_json_is_quarantined_by_name(pairs: Path, kind: str) -> None:
    damage, words = DAMAGED_JSON[kind]
    for folder, archive in ((S2_FOLDER, open_pairs(pairs)), (S1_FOLDER, open_s1(pairs))):
        damaged = list_folders(pairs / folder)[2]
        damage(find_metadata(damaged))
        listing = archive.read_listing()
        assert len(listing.patches) == 5
        (bad,) = listing.quarantined
        assert bad.patch_id == damaged.name
        assert words in bad.reason
        assert "\n" not in bad.reason
        assert str(pairs) not in bad.reason
        assert len(bad.reason.encode()) < 300  # what is wrong is shown, however long it is
        if folder == S2_FOLDER:
            check_nothing_is_lost(pairs, listing)


def test_what_is_no_file_quarantines_its_patch_and_never_hangs(pairs: Path) -> None:
    folders = list_folders(pairs / S2_FOLDER)
    for folder in folders[:3]:
        find_metadata(folder).unlink()
    os.mkfifo(folders[0] / f"{folders[0].name}_labels_metadata.json")
    (folders[1] / f"{folders[1].name}_labels_metadata.json").symlink_to("/dev/zero")
    (folders[2] / f"{folders[2].name}_labels_metadata.json").mkdir()
    bad = {patch.patch_id: patch.reason for patch in open_pairs(pairs).read_listing().quarantined}
    assert set(bad) == {folder.name for folder in folders[:3]}
    assert all("is unreadable: No such file" in reason for reason in bad.values())


def test_a_band_that_names_another_file_is_not_followed(pairs: Path) -> None:
    folder = list_folders(pairs / S2_FOLDER)[0]
    band = folder / f"{folder.name}_B02.tif"
    shutil.copy(band, pairs / "outside.tif")
    band.write_text(
        '<VRTDataset rasterXSize="120" rasterYSize="120"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">../../outside.tif</SourceFilename></SimpleSource></VRTRasterBand>'
        "</VRTDataset>"
    )
    with pytest.raises(PatchError, match="is unreadable") as error:
        open_pairs(pairs).read_patch(folder.name, None, [S2_BANDS["B02"]])
    assert str(pairs) not in str(error.value)


def test_facts_that_the_json_lacks_are_unknown(pairs: Path) -> None:
    folders = list_folders(pairs / S2_FOLDER)
    absent: dict[str, Any] = {"coordinates": None, "tile_source": None, "acquisition_date": None, "projection": None}
    edit(folders[0], **absent)
    edit(folders[1], coordinates=[1], tile_source=7, acquisition_date=[], projection={})
    edit(folders[2], coordinates={"ulx": 10**400, "uly": True}, tile_source="T33UUP", acquisition_date="yesterday")
    edit(folders[3], coordinates={"ulx": float("nan"), "uly": float("inf")}, projection='PROJCS["UTM zone 61N"]')
    edit(folders[4], coordinates={"ulx": "404400", "uly": {}}, projection="WGS 84 / UTM zone 61N")
    edit(folders[5], labels=[], projection='PROJCS["WGS 84 / UTM zone 21S",')
    patches = list_patches(BigEarthNetV1(pairs / S2_FOLDER, None))
    for patch in patches[:2]:
        assert {patch[key] for key in ("tile", "acquired_at", "epsg", "ulx_m", "uly_m")} == {None}
    assert (patches[2]["tile"], patches[2]["acquired_at"]) == (None, None)
    assert {patch[key] for patch in patches[2:5] for key in ("ulx_m", "uly_m")} == {None}
    assert [patch["epsg"] for patch in patches[3:]] == [None, None, 32721]
    assert patches[5]["labels"] == []


# Names that a JSON gives its twin; none of them is followed.
TWINS: tuple[Any, ...] = (
    *(None, 7, [], "", "..", "../S2A_MSIL2A_20170613T101031_87_48", "/etc/passwd", "S2A_MSIL2A_20170613T101031_87_48/"),
    *("S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57", "S2A_MSIL2A_20170613T101031_87_48\0", "x" * 100_000),
)


@pytest.mark.parametrize("named", TWINS)
def test_a_twin_that_names_no_patch_is_quarantined_and_its_patch_excluded(pairs: Path, named: Any) -> None:
    twin = list_folders(pairs / S1_FOLDER)[1]
    patch = read_metadata(twin)["corresponding_s2_patch"]
    edit(twin, corresponding_s2_patch=named)
    listing, alone = open_pairs(pairs).read_listing(), open_s1(pairs).read_listing()
    for found in (listing, alone):
        assert [bad.patch_id for bad in found.quarantined] == [twin.name]
        assert "expected corresponding_s2_patch" in found.quarantined[0].reason
        assert len(found.quarantined[0].reason) < 300
        assert len(found.patches) == 5
    assert [(out.patch_id, out.reason) for out in listing.excluded] == [(patch, "no Sentinel-1 twin")]
    assert listing.quirks["s2-without-s1"] == 1
    check_nothing_is_lost(pairs, listing)


@pytest.mark.parametrize("labels", [None, 5, "Pastures", [5], [{"a": 1}], [None], ["\ud800"]])
def test_labels_of_a_twin_never_lose_its_patch(pairs: Path, labels: Any) -> None:
    edit(list_folders(pairs / S1_FOLDER)[0], labels=labels, coordinates=7)
    listing = open_pairs(pairs).read_listing()
    assert (len(listing.patches), listing.quarantined) == (6, [])
    assert (listing.quirks["twin-labels-differ"], listing.quirks["s1-lly-key"]) == (1, 5)


# What is changed in the JSON of a twin, and whether it then lies elsewhere.
PLACES: list[tuple[dict[str, Any], bool]] = [
    ({"coordinates": {"ulx": 1200.0}}, True),
    ({"coordinates": {"uly": -10.0}}, True),
    ({"projection": 'PROJCS["WGS 84 / UTM zone 1S",'}, True),
    ({"coordinates": None, "projection": None}, False),
    ({"coordinates": {"ulx": "1200"}, "projection": "unknown"}, False),
]


@pytest.mark.parametrize(("changes", "distant"), PLACES)
def test_a_pair_of_two_places_is_quarantined(pairs: Path, changes: dict[str, Any], distant: bool) -> None:
    twin = list_folders(pairs / S1_FOLDER)[2]
    patch = read_metadata(twin)["corresponding_s2_patch"]
    edit(twin, **changes)
    listing = open_pairs(pairs).read_listing()
    reason = f"its Sentinel-1 twin lies elsewhere: projection, ulx or uly of {twin.name} differ"
    assert [(bad.patch_id, bad.reason) for bad in listing.quarantined] == [(patch, reason)] * distant
    assert len(listing.patches) == 6 - distant
    check_nothing_is_lost(pairs, listing)
    assert len(open_s1(pairs).read_listing().patches) == 6


def test_an_archive_all_of_whose_patches_are_bad_has_an_empty_listing(pairs: Path) -> None:
    for folder in list_folders(pairs / S2_FOLDER):
        find_metadata(folder).unlink()
    listing = open_pairs(pairs).read_listing()
    assert (len(listing.patches), len(listing.quarantined), listing.quirks["s1-without-s2"]) == (0, 6, 0)
    assert listing.patches.schema == PATCH_SCHEMA


def test_a_table_of_labels_replaces_those_of_the_json(pairs: Path, tmp_path: Path) -> None:
    patches = list_patches(open_pairs(pairs))
    edit(list_folders(pairs / S2_FOLDER)[1], labels=None)  # not needed then
    named = {patch["patch_id"]: ["Arable land", patch["labels"][0]] for patch in patches[1:]}
    absent = {"S2A_MSIL2A_20170613T101031_1_1": [], "../../etc/passwd": ["Pastures"]}
    path = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"patch_id": [*named, *absent], "labels": [*named.values(), *absent.values()]}), path)
    for archive in (BigEarthNetV1(pairs / S2_FOLDER, pairs / S1_FOLDER, path), open_s1(pairs, path)):
        listing = archive.read_listing()
        found = dict(zip(*(listing.patches[name].to_pylist() for name in ("patch_id", "labels")), strict=True))
        assert found == named
        assert [out.patch_id for out in listing.excluded] == [patches[0]["patch_id"]]
        assert listing.quirks["label-table-name-absent"] == 2
        assert listing.quarantined == []


def test_units_are_all_patch_folders(pairs: Path) -> None:
    folders = [*list_folders(pairs / S2_FOLDER), *list_folders(pairs / S1_FOLDER)]
    assert list(open_pairs(pairs).iter_units()) == [(folder.name, [str(folder)]) for folder in folders]
    assert list(open_s1(pairs).iter_units()) == [(folder.name, [str(folder)]) for folder in folders[6:]]


@pytest.mark.parametrize("key", ["root", "s1_root"])
@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("absent", r"does not exist; set archive\.{key} to it"),
        ("README.txt", r"cannot be listed: Not a directory; set archive\.{key}"),
        ("empty", "expected Sentinel-. patch folders like S.A_.*; found none"),
        ("", r"Set archive\.{key} to .*/{own}\."),
        ("{other}", r"These are Sentinel-. patches: name it in archive\.{other_key}"),
        ("v2", "set archive.layout to bigearthnet-v2"),
    ],
)
def test_a_folder_without_patches_is_refused_with_a_hint(pairs: Path, key: str, place: str, words: str) -> None:
    (pairs / "empty").mkdir()
    (pairs / "README.txt").touch()
    (pairs / "v2" / "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP").mkdir(parents=True)
    own, other = (S2_FOLDER, S1_FOLDER) if key == "root" else (S1_FOLDER, S2_FOLDER)
    names = {"key": key, "own": own, "other": other, "other_key": "s1_root" if key == "root" else "root"}
    wrong = pairs / place.format(**names)
    for beside in (None, pairs / other):
        roots = (wrong, beside) if key == "root" else (beside, wrong)
        with pytest.raises(ArchiveError, match=words.format(**names)):
            BigEarthNetV1(*roots).read_listing()


def test_twin_names_pair_what_the_listing_pairs(pairs: Path) -> None:
    listed = {patch["patch_id"]: patch["s1_patch_id"] for patch in list_patches(open_pairs(pairs))}
    assert read_twin_names(pairs / S1_FOLDER) == listed
    find_metadata(list_folders(pairs / S1_FOLDER)[0]).write_bytes(b"{")
    assert len(read_twin_names(pairs / S1_FOLDER)) == 5
