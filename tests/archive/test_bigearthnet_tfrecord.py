"""The authors' TFRecords: every sound record once, pixel for pixel; nothing guessed, nothing twice."""

import gzip
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landscribe.archive import bigearthnet_tfrecord
from landscribe.archive.bigearthnet_tfrecord import BigEarthNetTFRecord
from landscribe.archive.raster import read_band
from landscribe.core.bands import BANDS, S1_BANDS, S2_BANDS
from landscribe.core.errors import ArchiveError, PatchError
from landscribe.core.nomenclature import BEN_19_CODES
from landscribe.core.patch import S1_FOLDER, S2_FOLDER
from landscribe.core.tfrecord import decode_example, iter_records, read_record
from tests.support.fake_tfrecord import Features, write_examples, write_tfrecord_archive
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow(6)

DOCUMENTED = (ROOT / "docs/archive_quirks.md").read_text(encoding="utf-8")
NAME = "S2A_MSIL2A_20170613T101031_87_48"
ALPHABETICAL = sorted(BEN_19_CODES)


@pytest.fixture(scope="module")
def members(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[str]]]:
    """Files of both sensors, never written to, and split -> patch names."""
    folder = tmp_path_factory.mktemp("tfrecord") / "files"
    return folder, write_tfrecord_archive(demo_root, folder)


@pytest.fixture(scope="module")
def root(members: tuple[Path, dict[str, list[str]]]) -> Path:
    """The folder of these files."""
    return members[0]


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(root, tmp_path / "copy"))


def make_features(name: str = NAME, changes: Mapping[str, Any] | None = None) -> Features:
    """Return a record without bands; a feature that is None is left out."""
    labels = ["Urban fabric", "Pastures"]
    features = {
        "patch_name": name.encode(),
        "BigEarthNet-19_labels": [label.encode() for label in labels],
        "BigEarthNet-19_labels_multi_hot": np.array([label in labels for label in BEN_19_CODES], np.int64),
    }
    return {key: value for key, value in (features | dict(changes or {})).items() if value is not None}


def list_ids(folder: Path) -> list[str]:
    """Return the patch_ids of a listing."""
    ids: list[str] = BigEarthNetTFRecord(folder).read_listing().patches["patch_id"].to_pylist()
    return ids


def test_every_record_is_listed_once_in_the_split_of_its_file(members: tuple[Path, dict[str, list[str]]]) -> None:
    folder, names = members
    archive = BigEarthNetTFRecord(folder)
    listing = archive.read_listing()
    patches = listing.patches.to_pylist()
    assert {(row["patch_id"], row["official_split"]) for row in patches} == {(n, s) for s in names for n in names[s]}
    assert len(patches) == sum(map(len, names.values()))
    assert (listing.quarantined, listing.excluded) == ([], [])
    assert all(f"| `{name}` |" in DOCUMENTED for name in listing.quirks)
    for row in patches:
        assert row["patch_id"] == f"{row['granule']}_{row['column']}_{row['row']}"
        assert row["s1_patch_id"].endswith(f"_{row['tile']}_{row['column']}_{row['row']}")
        assert row["path"] == row["s1_path"]
        assert row["path"].startswith(f"{row['official_split']}.tfrecord@")
    assert [name for name, _ in archive.iter_units()] == ["test.tfrecord", "train.tfrecord", "val.tfrecord"]


def test_pixels_are_those_of_the_geotiffs_band_by_band(root: Path, demo_root: Path) -> None:
    archive = BigEarthNetTFRecord(root)
    for row in archive.read_listing().patches.to_pylist()[::12]:
        values = archive.read_patch(row["path"], row["s1_path"], list(archive.bands.values())[::-1])
        assert set(values) == {*S2_BANDS, *S1_BANDS}
        for name, pixels in values.items():
            band = BANDS[name]
            top, patch = (S1_FOLDER, row["s1_patch_id"]) if name in S1_BANDS else (S2_FOLDER, row["patch_id"])
            expected = read_band(demo_root / top / patch / f"{patch}_{name}.tif", band)
            np.testing.assert_array_equal(pixels, expected, strict=True)
        assert (values["VH"] != values["VV"]).any()  # the authors' reader fills VH from VV


@pytest.mark.parametrize("classes43", [False, True])
def test_labels_are_those_of_the_json(demo_root: Path, tmp_path: Path, classes43: bool) -> None:
    write_tfrecord_archive(demo_root, tmp_path / "s2", sensors="S2", classes43=classes43)
    listing = BigEarthNetTFRecord(tmp_path / "s2").read_listing()
    assert listing.quarantined == []
    for row in listing.patches.to_pylist():
        path = demo_root / S2_FOLDER / row["patch_id"] / f"{row['patch_id']}_labels_metadata.json"
        stored = json.loads(path.read_text(encoding="utf-8"))["labels"]
        assert row["labels"] == stored if classes43 else set(row["labels"]) <= set(BEN_19_CODES)
        assert (row["s1_patch_id"], row["s1_path"], row["tile"]) == (None, None, None)


def test_files_of_sentinel_2_alone_say_that_a_radar_band_is_missing(demo_root: Path, tmp_path: Path) -> None:
    write_tfrecord_archive(demo_root, tmp_path / "s2", sensors="S2")
    archive = BigEarthNetTFRecord(tmp_path / "s2")
    path = archive.read_listing().patches["path"][0].as_py()
    assert set(archive.read_patch(path, None, list(S2_BANDS.values()))) == set(S2_BANDS)
    with pytest.raises(PatchError, match=r"band VH is missing: the record in \w+\.tfrecord does not hold it"):
        archive.read_patch(path, None, [BANDS["B02"], BANDS["VH"]])


def test_parts_of_any_size_and_any_workers_give_one_listing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = BigEarthNetTFRecord(root)
    expected = archive.read_listing()
    for num_bytes in (1, 500_000):
        monkeypatch.setattr(bigearthnet_tfrecord, "_PART_BYTES", num_bytes)
        assert archive.read_listing() == expected
    monkeypatch.setattr(bigearthnet_tfrecord, "_POOL_FROM_BYTES", 0)
    assert archive.read_listing() == expected


def test_one_file_is_an_archive_too(root: Path, members: tuple[Path, dict[str, list[str]]]) -> None:
    archive = BigEarthNetTFRecord(root / "val.tfrecord")
    patches = archive.read_listing().patches
    assert patches["patch_id"].to_pylist() == sorted(members[1]["val"])
    assert [name for name, _ in archive.iter_units()] == ["val.tfrecord"]
    assert archive.read_patch(patches["path"][0].as_py(), None, [BANDS["B01"]])["B01"].shape == (20, 20)


SPLITS = {"train_00": "train", "Validation": "val", "val19": "val", "testing": "test", "trainval": None, "all": None}


@pytest.mark.parametrize(("stem", "split"), SPLITS.items())
def test_the_split_comes_from_the_name_of_the_file_or_from_nowhere(tmp_path: Path, stem: str, split: str) -> None:
    write_examples(tmp_path / f"{stem}.tfrecord", [make_features()])
    (tmp_path / "notes.txt").touch()
    listing = BigEarthNetTFRecord(tmp_path).read_listing()
    assert listing.patches["official_split"].to_pylist() == [split]
    assert +listing.quirks == {"stray-file": 1}


def test_a_multi_hot_in_alphabetical_order_is_refused(tmp_path: Path) -> None:
    features = make_features()
    labels = [label.decode() for label in features["BigEarthNet-19_labels"]]  # type: ignore[union-attr]
    order = {"alphabetical": [name in labels for name in ALPHABETICAL], "neither": np.arange(19) < 2}
    examples = [
        make_features(f"{name}_1_1", {"BigEarthNet-19_labels_multi_hot": np.array(values, np.int64)})
        for name, values in order.items()
    ]
    write_examples(tmp_path / "train.tfrecord", [features, *examples])
    listing = BigEarthNetTFRecord(tmp_path).read_listing()
    assert listing.patches["patch_id"].to_pylist() == [NAME]
    alphabetical, neither = listing.quarantined
    assert (alphabetical.patch_id, neither.patch_id) == ("alphabetical_1_1", "neither_1_1")
    assert "would fit in alphabetical order. A class order is refused, never guessed" in alphabetical.reason
    assert "in CLC and in alphabetical order" in neither.reason


BAD_RECORDS: dict[str, tuple[Features, str]] = {
    "no name": (
        make_features(changes={"patch_name": None}),
        "expected one name under patch_name_s2 or patch_name; the record has 0",
    ),
    "two names": (make_features(changes={"patch_name": [b"a", b"b"]}), "the record has 2"),
    "a number for a name": (make_features(changes={"patch_name": np.array([7])}), "expected one name"),
    "a name that is no text": (make_features(changes={"patch_name": b"\xff"}), "expected text in UTF-8"),
    "a name that leads out": (make_features("../../etc/x"), "expected a plain name"),
    "an absolute name": (make_features("/etc/x"), "expected a plain name"),
    "a twin that leads out": (make_features(changes={"patch_name_s1": b"a\\b"}), "expected a plain name"),
    "no labels": (make_features(changes={"BigEarthNet-19_labels": None}), "expected the labels under"),
    "numbers for labels": (make_features(changes={"BigEarthNet-19_labels": np.array([1])}), "expected strings"),
    "an unknown label": (
        make_features(changes={"BigEarthNet-19_labels": [b"Transitional woodland/shrub"]}),
        "'Transitional woodland/shrub' is none of the 19 classes. Did you mean 'Transitional woodland, shrub'?",
    ),
    "no multi-hot": (
        make_features(changes={"BigEarthNet-19_labels_multi_hot": None}),
        "expected 19 numbers; received none",
    ),
    "43 numbers": (make_features(changes={"BigEarthNet-19_labels_multi_hot": np.zeros(43, int)}), "received 43"),
}


@pytest.mark.parametrize("kind", BAD_RECORDS)
def test_a_bad_record_is_quarantined_alone(tmp_path: Path, kind: str) -> None:
    features, words = BAD_RECORDS[kind]
    write_examples(tmp_path / "train.tfrecord", [make_features("a_1_1"), features, make_features("b_1_1")])
    listing = BigEarthNetTFRecord(tmp_path).read_listing()
    assert listing.patches["patch_id"].to_pylist() == ["a_1_1", "b_1_1"]
    (bad,) = listing.quarantined
    assert words in bad.reason


def test_a_patch_without_labels_is_listed_without(tmp_path: Path) -> None:
    zeros = {"BigEarthNet-19_labels": [], "BigEarthNet-19_labels_multi_hot": np.zeros(19, np.int64)}
    write_examples(tmp_path / "train.tfrecord", [make_features(changes=zeros)])
    assert BigEarthNetTFRecord(tmp_path).read_listing().patches["labels"].to_pylist() == [[]]


def test_a_patch_in_two_files_is_in_no_split(copy: Path, members: tuple[Path, dict[str, list[str]]]) -> None:
    records = [decode_example(record) for record in iter_records(copy / "train.tfrecord")]
    write_examples(copy / "val.tfrecord", [records[0], records[3], records[3]])
    listing = BigEarthNetTFRecord(copy).read_listing()
    train, test = members[1]["train"], members[1]["test"]
    assert listing.patches["patch_id"].to_pylist() == sorted({*train, *test} - {train[0], train[3]})
    assert {bad.patch_id: bad.reason for bad in listing.quarantined} == {
        train[0]: "2 records, in train.tfrecord and val.tfrecord; keep one",
        train[3]: "3 records, in train.tfrecord and val.tfrecord; keep one",
    }


def find_offsets(path: Path) -> list[int]:
    """Return where each record of a sound file begins, and where the last one ends."""
    offsets = [0]
    with path.open("rb") as stream:
        while read_record(stream) is not None:
            offsets.append(stream.tell())
    return offsets


def change_byte(path: Path, at: int) -> None:
    """Damage one byte of a file."""
    data = path.read_bytes()
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


@pytest.mark.parametrize("number", [0, 4, -1])
def test_damage_in_the_content_of_a_record_costs_that_record(
    copy: Path, members: tuple[Path, dict[str, list[str]]], number: int
) -> None:
    begin = find_offsets(copy / "val.tfrecord")[:-1][number]
    change_byte(copy / "val.tfrecord", begin + 5000)
    listing = BigEarthNetTFRecord(copy).read_listing()
    every = {name for names in members[1].values() for name in names}
    assert set(listing.patches["patch_id"].to_pylist()) == every - {members[1]["val"][number]}
    (bad,) = listing.quarantined
    assert bad.patch_id == f"val.tfrecord@{begin}"
    assert bad.reason == "the record does not fit its checksum; write or copy the file again"


@pytest.mark.parametrize("part_bytes", [1, 2**26])
@pytest.mark.parametrize("first", [0, 1, 7])
def test_every_record_that_damage_hides_weighs(
    copy: Path,
    members: tuple[Path, dict[str, list[str]]],
    first: int,
    part_bytes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bigearthnet_tfrecord, "_PART_BYTES", part_bytes)
    offsets, val = find_offsets(copy / "val.tfrecord"), members[1]["val"]
    change_byte(copy / "val.tfrecord", offsets[first])  # in the length: where the next record begins is lost
    listing = BigEarthNetTFRecord(copy).read_listing()
    assert set(listing.patches["patch_id"].to_pylist()) & set(val) == set(val[:first])
    hidden = [f"val.tfrecord, record {number}" for number in range(first, len(val))]
    assert [bad.patch_id for bad in listing.quarantined] == hidden
    (reason,) = {bad.reason for bad in listing.quarantined}
    lost = f"from record {first} on: {offsets[-1] - offsets[first]:,} of {offsets[-1]:,} bytes cannot be read; write or"
    assert lost in reason


def test_a_file_that_was_cut_keeps_its_whole_records(copy: Path, members: tuple[Path, dict[str, list[str]]]) -> None:
    offsets, val = find_offsets(copy / "val.tfrecord"), members[1]["val"]
    for end in (offsets[6] + 5, offsets[6] + 5000, offsets[7] - 1):
        (copy / "val.tfrecord").write_bytes((members[0] / "val.tfrecord").read_bytes()[:end])
        listing = BigEarthNetTFRecord(copy).read_listing()
        assert set(listing.patches["patch_id"].to_pylist()) & set(val) == set(val[:6])
        (bad,) = listing.quarantined
        assert bad.patch_id == "val.tfrecord, record 6"
        assert bad.reason.startswith(f"file damaged from record 6 on: {end - offsets[6]:,} of {end:,} bytes")


NO_TFRECORDS: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("no record\n" * 10, encoding="utf-8"),
    "gzip": lambda path: path.write_bytes(gzip.compress(path.read_bytes())),
    "empty": lambda path: path.write_bytes(b""),
    "a length of exabytes, its checksum right": lambda path: path.write_bytes(b"\xff" * 8 + b"\xa6{\x11:" + bytes(9)),
}


@pytest.mark.parametrize("kind", NO_TFRECORDS)
def test_a_file_that_is_none_is_quarantined_among_others_and_an_error_alone(copy: Path, kind: str) -> None:
    NO_TFRECORDS[kind](copy / "val.tfrecord")
    listing = BigEarthNetTFRecord(copy).read_listing()
    assert listing.quarantined[0].patch_id == "val.tfrecord, record 0"
    assert {bad.patch_id.split(",")[0] for bad in listing.quarantined} == {"val.tfrecord"}
    assert set(listing.patches["official_split"].to_pylist()) == {"train", "test"}
    with pytest.raises(ArchiveError, match=r"none has a valid one\. The first: val\.tfrecord, record 0: file "):
        BigEarthNetTFRecord(copy / "val.tfrecord").read_listing()


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"set archive\.root"):
        list(BigEarthNetTFRecord(tmp_path / "absent").iter_units())
    with pytest.raises(ArchiveError, match=r"expected \.tfrecord files; found none"):
        list(BigEarthNetTFRecord(tmp_path).iter_units())


BAD_BANDS: dict[str, tuple[str, Any, str]] = {
    "too short": ("B01", np.zeros(399, np.int64), "expected 400 values; received 399"),
    "negative": ("B01", np.full(400, -1), "expected values from 0 to 65535; received -1 to -1"),
    "beyond 16 bits": ("B01", np.full(400, 65536), "received 65536 to 65536"),
    "floats": ("B01", np.zeros(400, np.float32), "expected an Int64List"),
    "bytes": ("B01", bytes(800), "expected an Int64List"),
    "decibels cast to integers": ("VV", np.zeros(14400, np.int64), "expected a FloatList, decibels"),
    "no number": ("VV", np.full(14400, np.nan, np.float32), "holds NaN or infinity"),
}


@pytest.mark.parametrize("kind", BAD_BANDS)
def test_a_band_that_is_not_as_the_schema_says_is_refused(tmp_path: Path, kind: str) -> None:
    name, values, words = BAD_BANDS[kind]
    write_examples(tmp_path / "train.tfrecord", [make_features(changes={name: values})])
    archive = BigEarthNetTFRecord(tmp_path)
    assert archive.read_listing().quarantined == []
    with pytest.raises(PatchError, match=f"band {name}") as caught:
        archive.read_patch("train.tfrecord@0", None, [BANDS[name]])
    assert words in str(caught.value)


@pytest.mark.parametrize("path", ["train.tfrecord@1", "train.tfrecord@999999999", "gone.tfrecord@0"])
def test_a_record_that_is_not_there_is_refused(root: Path, path: str) -> None:
    with pytest.raises(PatchError, match=path.split("@")[0]):
        BigEarthNetTFRecord(root).read_patch(path, None, [BANDS["B01"]])
