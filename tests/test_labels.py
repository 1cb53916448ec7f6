"""The index: one row a patch, nothing lost, classes by name; and the report of `discover`."""

import csv
import json
import random
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.archive.protocol import Listing, PatchEntry
from landscribe.errors import ArchiveError, NomenclatureError
from landscribe.labels import (
    INDEX_SCHEMA,
    build_index,
    compute_cooccurrence,
    count_classes,
    encode_multi_hot,
    read_index,
    write_index,
)
from landscribe.labels_report import write_discover_report
from landscribe.nomenclature import NOMENCLATURES
from landscribe.quarantine import LeftOut

BEN_19 = NOMENCLATURES["BEN-19"]()


def make_listing() -> Listing:
    """Return a listing with a sound patch, one of a dropped class, one that a reader excluded and a bad one."""
    entries = [
        PatchEntry(patch_id="patch_c", path="patch_c", labels=("Sea and ocean", "Vineyards", "Olive groves")),
        PatchEntry(patch_id="patch_a", path="patch_a", labels=("Airports",)),
        PatchEntry(patch_id="patch_b", path="patch_b", labels=("Vineyards",), column=3, row=4, ulx_m=1.5),
        PatchEntry(patch_id="patch_d", path="patch_d", labels=()),
    ]
    return Listing(
        entries, [LeftOut("patch_e", "patch_e.json is not JSON")], [LeftOut("patch_f", "no Sentinel-1 twin")]
    )


def make_real_listing(root: Path) -> Listing:
    """Return the listing of the synthetic archive."""
    return BigEarthNetV1(root / "BigEarthNet-v1.0", root / "BigEarthNet-S1-v1.0", name="demo").read_listing()


def test_every_entry_is_a_row_or_excluded_with_a_reason() -> None:
    index, excluded = build_index(make_listing(), BEN_19, ["patch_c", "never heard of"])
    assert index["patch_id"].to_pylist() == ["patch_b"]
    assert {patch.patch_id: patch.reason for patch in excluded} == {
        "patch_a": "no class of BEN-19",
        "patch_c": "named in a list of archive.exclude",
        "patch_d": "no class of BEN-19",
        "patch_f": "no Sentinel-1 twin",
    }


def test_a_row_says_what_its_entry_says(demo_root: Path) -> None:
    listing = make_real_listing(demo_root)
    index, excluded = build_index(listing, BEN_19, [])
    rows = {row["patch_id"]: row for row in index.to_pylist()}
    assert len(rows) + len(excluded) == len(listing.entries) == 60
    for entry in listing.entries:
        if entry.patch_id in rows:
            said = asdict(entry) | {"source_labels": list(entry.labels), "labels": BEN_19.to_classes(entry.labels)}
            assert rows[entry.patch_id] == said


def test_the_index_does_not_depend_on_the_order_of_entries(demo_root: Path) -> None:
    listing = make_real_listing(demo_root)
    expected, _ = build_index(listing, BEN_19, [])
    random.Random(0).shuffle(listing.entries)
    index, _ = build_index(listing, BEN_19, [])
    assert index.equals(expected)
    assert index["patch_id"].to_pylist() == sorted(index["patch_id"].to_pylist())


def test_labels_stand_in_class_order() -> None:
    index, _ = build_index(make_listing(), BEN_19, [])
    assert index["labels"].to_pylist() == [["Permanent crops"], ["Permanent crops", "Marine waters"]]
    assert index["source_labels"].to_pylist()[1] == ["Sea and ocean", "Vineyards", "Olive groves"]


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(ArchiveError, match=r"no patch is left.*archive\.exclude"):
        build_index(make_listing(), BEN_19, ["patch_b", "patch_c"])


def test_an_unknown_label_is_an_error() -> None:
    with pytest.raises(NomenclatureError, match="Sea and ocean"):
        build_index(make_listing(), NOMENCLATURES["Planet-17"](), [])


def test_reading_the_index_inverts_writing(demo_root: Path, tmp_path: Path) -> None:
    index, _ = build_index(make_real_listing(demo_root), BEN_19, [])
    write_index(index, tmp_path / "index.parquet")
    table = read_index(tmp_path / "index.parquet")
    assert list(table.columns) == INDEX_SCHEMA.names
    assert [list(labels) for labels in table["labels"]] == index["labels"].to_pylist()
    assert table["patch_id"].tolist() == index["patch_id"].to_pylist()
    write_index(index, tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "index.parquet").read_bytes()


LABELS = [["a"], ["a", "c"], ["c"], ["a", "c", "d"], []]
CLASSES = ["a", "b", "c", "d"]


def test_multi_hot_has_a_one_for_each_label() -> None:
    multi_hot = encode_multi_hot(LABELS, CLASSES)
    assert multi_hot.dtype == np.float32
    assert [[CLASSES[place] for place in np.flatnonzero(row)] for row in multi_hot] == LABELS
    assert set(np.unique(multi_hot)) == {0, 1}


def test_classes_are_counted_in_class_order() -> None:
    counts = count_classes(LABELS, CLASSES)
    assert list(counts.items()) == [("a", 3), ("b", 0), ("c", 3), ("d", 1)]
    assert list(counts.values()) == encode_multi_hot(LABELS, CLASSES).sum(axis=0).tolist()


def test_cooccurrence_is_a_share_of_the_rows_patches() -> None:
    shares = compute_cooccurrence(encode_multi_hot(LABELS, CLASSES))
    assert shares.min() >= 0
    assert shares.max() <= 1
    counts = np.array(list(count_classes(LABELS, CLASSES).values()))
    np.testing.assert_array_equal(np.diag(shares), counts > 0)
    np.testing.assert_allclose(shares * counts[:, None], (shares * counts[:, None]).T)  # patches with both
    assert shares[0, 2] == pytest.approx(2 / 3)
    assert shares[3, 0] == 1


def test_the_report_adds_up_and_is_the_same_twice(tmp_path: Path) -> None:
    listing = make_listing()
    listing.quirks.update({"stray-file": 2, "grey-image": 0})
    index, excluded = build_index(listing, BEN_19, [])
    labels = index["labels"].to_pylist()
    for folder in ("first", "second"):
        summary = write_discover_report(tmp_path / folder, labels, BEN_19.classes, listing, excluded)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == ["class_counts.csv", "class_counts.png", "cooccurrence.png", "left_out.csv", "summary.json"]
    for name in files:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert json.loads((tmp_path / "first" / "summary.json").read_text(encoding="utf-8")) == summary
    assert summary["num_patches"] == 2
    assert summary["labels_per_patch"] == 1.5
    assert summary["quirks"] == {"stray-file": 2}
    assert summary["excluded"] == {"no class of BEN-19": 2, "no Sentinel-1 twin": 1}
    assert summary["quarantined"] == {"<patch>.json is not JSON": 1}
    assert len(list(csv.reader((tmp_path / "first/left_out.csv").read_text(encoding="utf-8").splitlines()))) == 1 + 4
    counted = list(csv.reader((tmp_path / "first/class_counts.csv").read_text(encoding="utf-8").splitlines()))[1:]
    assert [name for name, _ in counted] == list(BEN_19.classes)
    assert sum(int(number) for _, number in counted) == 3
    assert len(summary["classes_without_patch"]) == 17  # type: ignore[arg-type]
