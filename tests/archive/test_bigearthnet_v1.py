"""BigEarthNet v1 / MM: every patch once, every quirk counted, every damage named."""

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1, read_twin_names
from landscribe.archive.config import ArchiveConfig
from landscribe.archive.layouts import open_archive
from landscribe.archive.protocol import Listing
from landscribe.bands import S1_BANDS, S2_BANDS, Band
from landscribe.errors import ArchiveError, PatchError
from landscribe.patch import parse_patch_name

DOCUMENTED = (Path(__file__).resolve().parents[2] / "docs/archive_quirks.md").read_text(encoding="utf-8")
S2_FOLDER, S1_FOLDER = "BigEarthNet-v1.0", "BigEarthNet-S1-v1.0"
ALL_BANDS = [*S2_BANDS.values(), *S1_BANDS.values()]


@pytest.fixture
def fake(demo_root: Path, tmp_path: Path) -> BigEarthNetV1:
    """Six pairs of the synthetic archive, two of each granule, to be damaged."""
    source = open_demo(demo_root)
    entries = sorted(source.read_listing().entries, key=lambda entry: (entry.granule, entry.patch_id))
    for entry in [entry for number, entry in enumerate(entries) if number % 20 < 2]:
        shutil.copytree(source.root / entry.path, tmp_path / S2_FOLDER / entry.path)
        shutil.copytree(demo_root / S1_FOLDER / str(entry.s1_path), tmp_path / S1_FOLDER / str(entry.s1_path))
    return open_demo(tmp_path)


def open_demo(root: Path) -> BigEarthNetV1:
    """Return the reader of an archive in the layout of v1 / MM."""
    return BigEarthNetV1(root / S2_FOLDER, root / S1_FOLDER, name="demo")


def list_folders(root: Path | None) -> list[Path]:
    """Return the patch folders, sorted."""
    return sorted(path for path in (root or Path()).iterdir() if path.is_dir())


def find_metadata(folder: Path) -> Path:
    """Return the JSON of a patch folder."""
    return folder / f"{folder.name}_labels_metadata.json"


def edit(folder: Path, **changes: Any) -> None:
    """Change keys of a patch's JSON; None takes a key out."""
    path = find_metadata(folder)
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}), encoding="utf-8")


def check_nothing_is_lost(archive: BigEarthNetV1, listing: Listing) -> None:
    """Every Sentinel-2 folder is listed, quarantined or excluded: once."""
    met = [entry.patch_id for entry in listing.entries]
    met += [patch.patch_id for patch in (*listing.quarantined, *listing.excluded) if patch.patch_id.startswith("S2")]
    assert sorted(met) == [folder.name for folder in list_folders(archive.root)]


def test_every_patch_is_listed_once_in_order(demo_root: Path) -> None:
    archive = open_demo(demo_root)
    listing = archive.read_listing()
    assert [entry.patch_id for entry in listing.entries] == [folder.name for folder in list_folders(archive.root)]
    assert len({entry.s1_patch_id for entry in listing.entries}) == len(listing.entries) == 60
    assert (listing.quarantined, listing.excluded) == ([], [])


def test_an_entry_says_what_name_and_json_say(demo_root: Path) -> None:
    archive = open_demo(demo_root)
    for entry in archive.read_listing().entries:
        content = json.loads(find_metadata(archive.root / entry.path).read_text(encoding="utf-8"))
        twin = json.loads(find_metadata(demo_root / S1_FOLDER / str(entry.s1_path)).read_text(encoding="utf-8"))
        name = parse_patch_name(entry.patch_id)
        assert twin["corresponding_s2_patch"] == entry.patch_id
        assert entry.labels == tuple(content["labels"])
        assert (entry.granule, entry.column, entry.row) == (name.granule, name.column, name.row)
        assert (entry.ulx_m, entry.uly_m) == (content["coordinates"]["ulx"], content["coordinates"]["uly"])
        assert f"_T{entry.tile}_" in content["tile_source"]
        assert str(entry.tile) in str(entry.s1_patch_id)
        assert entry.acquired_at == content["acquisition_date"].replace(" ", "T")


def test_quirks_are_counted(fake: BigEarthNetV1) -> None:
    first, second, *_ = list_folders(fake.root)
    (fake.root / ".DS_Store").write_bytes(b"\0")
    (fake.root / "README.txt").write_text("note", encoding="utf-8")
    (fake.root / "S2A_MSIL2A_20170613T101031_1_1").touch()  # a file under a patch's name is no patch
    (list_folders(fake.s1_root)[0].parent / ".DS_Store").write_bytes(b"\0")
    edit(first, labels=["Vineyards"])
    edit(second, labels=[*reversed(json.loads(find_metadata(second).read_text(encoding="utf-8"))["labels"])])
    documented = list_folders(fake.s1_root)[0]  # as the documentation has it
    edit(documented, acquisition_time=None, coordinates={"ulx": 0, "uly": 0, "lrx": 1200, "lry": -1200})
    listing = fake.read_listing()
    assert {name: number for name, number in listing.quirks.items() if number} == {
        "stray-file": 4,
        "s1-lly-key": 5,
        "s1-acquisition-time-key": 5,
        "hour-without-leading-zero": 2,
        "twin-labels-differ": 1,
    }
    check_nothing_is_lost(fake, listing)
    assert listing.entries[0].labels == ("Vineyards",)  # those of Sentinel-2 hold
    assert all(f"| `{name}` |" in DOCUMENTED for name in listing.quirks)


def test_twins_without_a_partner_of_their_own_are_counted(fake: BigEarthNetV1) -> None:
    last = list_folders(fake.s1_root)[-1]
    for cell, named in {"90_89": None, "90_90": "S2A_MSIL2A_20170613T101031_1_1"}.items():
        copied = last.with_name("_".join(last.name.split("_")[:-2]) + f"_{cell}")
        shutil.copytree(last, copied)
        (copied / find_metadata(last).name).rename(find_metadata(copied))
        if named:
            edit(copied, corresponding_s2_patch=named)
    listing = fake.read_listing()
    assert (listing.quirks["s1-twin-repeated"], listing.quirks["s1-without-s2"]) == (1, 1)
    check_nothing_is_lost(fake, listing)


def turn_into_folder(path: Path) -> None:
    """Put a folder in a file's place."""
    path.unlink()
    path.mkdir()


# What is done to the JSON of a Sentinel-2 patch, and what its reason says.
DAMAGED_JSON: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:40]), "is not JSON"),
    "empty": (lambda path: path.write_bytes(b""), "is not JSON"),
    "not UTF-8": (lambda path: path.write_bytes(b'{"labels": ["\xff"]}'), "is not JSON"),
    "a web page": (lambda path: path.write_bytes(b"<html>404</html>"), "is not JSON"),
    "absent": (lambda path: path.unlink(), "is unreadable: No such file"),
    "a folder": (turn_into_folder, "is unreadable"),
    "a list": (lambda path: path.write_bytes(b"[]"), "expected a JSON object; received list"),
    "null": (lambda path: path.write_bytes(b"null"), "expected a JSON object; received NoneType"),
    "no labels": (lambda path: path.write_bytes(b"{}"), "expected labels as list; received None"),
    "labels in one string": (lambda path: path.write_bytes(b'{"labels": "Pastures"}'), "expected labels as list"),
    "labels as numbers": (lambda path: path.write_bytes(b'{"labels": [231]}'), "expected labels as strings"),
    "a label as null": (lambda path: path.write_bytes(b'{"labels": ["Pastures", null]}'), "labels as strings"),
}


@pytest.mark.parametrize("kind", DAMAGED_JSON)
def test_a_patch_with_damaged_json_is_quarantined_by_name(fake: BigEarthNetV1, kind: str) -> None:
    damage, words = DAMAGED_JSON[kind]
    folder = list_folders(fake.root)[2]
    damage(find_metadata(folder))
    listing = fake.read_listing()
    assert [patch.patch_id for patch in listing.quarantined] == [folder.name]
    assert words in listing.quarantined[0].reason
    assert "\n" not in listing.quarantined[0].reason
    check_nothing_is_lost(fake, listing)


def test_facts_that_the_json_lacks_are_unknown(fake: BigEarthNetV1) -> None:
    first, second, *_ = list_folders(fake.root)
    edit(first, coordinates=None, tile_source=None, acquisition_date=None)
    find_metadata(second).write_bytes(
        b'{"labels": [], "coordinates": [1], "tile_source": null, "acquisition_date": null}'
    )
    for entry in fake.read_listing().entries[:2]:
        assert (entry.tile, entry.acquired_at, entry.ulx_m, entry.uly_m) == (None, None, None, None)


@pytest.mark.parametrize("damage", [b'{"labels": [', b"[]", b"{}", b'{"corresponding_s2_patch": 7}'])
def test_a_damaged_twin_is_quarantined_and_its_patch_excluded(fake: BigEarthNetV1, damage: bytes) -> None:
    twin = list_folders(fake.s1_root)[1]
    patch = json.loads(find_metadata(twin).read_text(encoding="utf-8"))["corresponding_s2_patch"]
    find_metadata(twin).write_bytes(damage)
    listing = fake.read_listing()
    assert [bad.patch_id for bad in listing.quarantined] == [twin.name]
    assert [(out.patch_id, out.reason) for out in listing.excluded] == [(patch, "no Sentinel-1 twin")]
    check_nothing_is_lost(fake, listing)


@pytest.mark.parametrize("labels", [None, 5, "Pastures", [5], [{"a": 1}], [None]])
def test_labels_of_a_twin_never_lose_its_patch(fake: BigEarthNetV1, labels: Any) -> None:
    edit(list_folders(fake.s1_root)[0], labels=labels, coordinates=7)
    listing = fake.read_listing()
    assert len(listing.entries) == 6
    assert listing.quirks["twin-labels-differ"] == 1
    assert listing.quirks["s1-lly-key"] == 5


def test_a_patch_without_twin_is_excluded_only_where_twins_are_asked_for(fake: BigEarthNetV1) -> None:
    patch = fake.read_listing().entries[0]
    shutil.rmtree(list_folders(fake.s1_root)[0].parent / str(patch.s1_path))
    listing = fake.read_listing()
    assert [out.patch_id for out in listing.excluded] == [patch.patch_id]
    check_nothing_is_lost(fake, listing)
    alone = BigEarthNetV1(fake.root, None)
    assert len(alone.read_listing().entries) == 6
    assert set(fake.bands) - set(alone.bands) == {"VV", "VH"}


def iter_bands(archive: BigEarthNetV1) -> Iterator[tuple[Band, np.ndarray, Path]]:
    """Yield (band, values as read, file) of every patch."""
    for entry in archive.read_listing().entries:
        values = archive.read_patch(entry.path, entry.s1_path, ALL_BANDS)
        assert list(values) == [band.name for band in ALL_BANDS]
        for band in ALL_BANDS:
            root, path = (archive.s1_root, entry.s1_path) if band.name in S1_BANDS else (archive.root, entry.path)
            yield band, values[band.name], Path(str(root)) / str(path) / f"{path}_{band.name}.tif"


def test_bands_are_the_files_value_by_value(fake: BigEarthNetV1) -> None:
    read = 0
    for band, values, path in iter_bands(fake):
        with rasterio.open(path) as dataset:
            np.testing.assert_array_equal(values, dataset.read(1))
        assert values.shape == (band.size_px, band.size_px)
        assert values.dtype.name == band.dtype
        read += 1
    assert read == 6 * 14


def rewrite(path: Path, values: np.ndarray) -> None:
    """Write other values into a band's file."""
    with rasterio.open(path) as dataset:
        profile = dataset.profile | {"dtype": values.dtype, "height": values.shape[0], "width": values.shape[1]}
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(values, 1)


# What is done to one band's file, and what the reason says.
DAMAGED_TIFF: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (lambda path: path.unlink(), "is missing: no "),
    "a folder": (turn_into_folder, "is missing: no "),
    "empty": (lambda path: path.write_bytes(b""), "is unreadable"),
    "not a TIFF": (lambda path: path.write_bytes(b"<html>404</html>"), "is unreadable"),
    "half a header": (lambda path: path.write_bytes(path.read_bytes()[:100]), "is unreadable"),
    "half the pixels": (lambda path: path.write_bytes(path.read_bytes()[:-600]), "is unreadable"),
    "wrong size": (
        lambda path: rewrite(path, np.ones((119, 120), np.float32)),
        "received (119, 120) float32",
    ),
    "wrong dtype": (lambda path: rewrite(path, np.ones((120, 120), np.int16)), "received (120, 120) int16"),
    "NaN": (lambda path: rewrite(path, np.full((120, 120), np.nan, np.float32)), "holds NaN or infinity"),
    "infinity": (lambda path: rewrite(path, np.full((120, 120), -np.inf, np.float32)), "holds NaN or infinity"),
}


@pytest.mark.parametrize("kind", DAMAGED_TIFF)
def test_a_damaged_band_is_refused_by_name(fake: BigEarthNetV1, kind: str) -> None:
    damage, words = DAMAGED_TIFF[kind]
    entry = fake.read_listing().entries[0]
    damage(Path(str(fake.s1_root)) / f"{entry.s1_path}/{entry.s1_path}_VV.tif")
    with pytest.raises(PatchError) as caught:
        fake.read_patch(entry.path, entry.s1_path, ALL_BANDS)
    assert words in str(caught.value)
    assert f"{entry.s1_path}_VV.tif" in str(caught.value)
    others = [band for band in ALL_BANDS if band.name != "VV"]
    assert len(fake.read_patch(entry.path, entry.s1_path, others)) == 13


def test_a_radar_band_without_a_twin_is_refused(fake: BigEarthNetV1) -> None:
    entry = fake.read_listing().entries[0]
    with pytest.raises(PatchError, match="VV is missing: the patch has no Sentinel-1 twin"):
        fake.read_patch(entry.path, None, ALL_BANDS)
    with pytest.raises(PatchError, match="VV is missing"):
        BigEarthNetV1(fake.root, None).read_patch(entry.path, entry.s1_path, ALL_BANDS)


def test_units_are_all_patch_folders(fake: BigEarthNetV1) -> None:
    units = dict(fake.iter_units())
    folders = [*list_folders(fake.root), *list_folders(fake.s1_root)]
    assert units == {folder.name: [folder] for folder in folders}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: root / "absent", "does not exist; set archive.root"),
        (lambda root: root / "README.txt", "cannot be listed: Not a directory"),
        (lambda root: root / "empty", "expected patch folders like"),
        (lambda root: root, "Did you mean"),
    ],
)
def test_a_root_without_patches_is_refused_with_a_hint(
    fake: BigEarthNetV1, make: Callable[[Path], Path], words: str
) -> None:
    (fake.root.parent / "empty").mkdir()
    (fake.root.parent / "README.txt").touch()
    for archive in (BigEarthNetV1(make(fake.root.parent), None), BigEarthNetV1(fake.root, make(fake.root.parent))):
        with pytest.raises(ArchiveError) as caught:
            archive.read_listing()
        assert words in str(caught.value)


def test_twin_names_pair_what_the_listing_pairs(fake: BigEarthNetV1) -> None:
    listed = {entry.patch_id: entry.s1_patch_id for entry in fake.read_listing().entries}
    assert read_twin_names(Path(str(fake.s1_root))) == listed
    find_metadata(list_folders(fake.s1_root)[0]).write_bytes(b"{")
    assert len(read_twin_names(Path(str(fake.s1_root)))) == 5


def make_config(**values: Any) -> ArchiveConfig:
    """Return a section `archive` with some values."""
    base: dict[str, Any] = {"layout": "demo", "root": "data", "s1_root": None, "labels_file": None}
    return ArchiveConfig.model_validate(base | {"nomenclature": "BEN-19", "exclude": []} | values)


def test_the_layout_chooses_the_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert open_archive(make_config()) == open_demo(tmp_path / "data")
    real = open_archive(make_config(layout="bigearthnet-v1", s1_root="/radar"))
    assert real == BigEarthNetV1(tmp_path / "data", Path("/radar"))
    assert real.name == "bigearthnet-v1"
    assert open_archive(make_config(layout="bigearthnet-v1")) == BigEarthNetV1(tmp_path / "data", None)
    tagged = open_archive(make_config(layout="tagged-images", labels_file="tags.csv"))
    assert (tagged.name, list(tagged.bands)) == ("tagged-images", ["R", "G", "B"])
    for archive in (real, tagged):
        # Conversion sends it to worker processes.
        assert pickle.loads(pickle.dumps(archive)) == archive  # noqa: S301


def test_the_section_names_every_file_beside_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "classes.yaml").touch()
    config = make_config(labels_file="tags.csv", exclude=["snow.csv"], nomenclature="classes.yaml")
    assert config.extra_files == [tmp_path / name for name in ("tags.csv", "snow.csv", "classes.yaml")]
    assert make_config().extra_files == []
