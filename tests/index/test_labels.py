"""The index: one row per patch, nothing lost, classes by name."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from landscribe.archive.protocol import PATCH_SCHEMA, Listing, make_patches
from landscribe.core.errors import ArchiveError, NomenclatureError
from landscribe.core.multi_hot import decode_multi_hot, encode_multi_hot, map_labels
from landscribe.core.nomenclature import NOMENCLATURES, Nomenclature, make_nomenclature
from landscribe.core.quarantine import LeftOut, check_bad_fraction
from landscribe.index.labels import (
    INDEX_SCHEMA,
    Exclusions,
    build_index,
    compute_cooccurrence,
    find_labels,
    read_index,
    write_index,
)

BEN_19 = NOMENCLATURES["BEN-19"]()
LABELS: dict[str, list[str | None] | None] = {
    "patch_a": ["Airports"],
    "patch_b": ["Vineyards"],
    "patch_c": ["Sea and ocean", "Vineyards", "Olive groves"],
    "patch_d": [],
    "patch_g": ["Vineyards", "Pasture"],
    "patch_h": ["Vineyards", ""],
    "patch_i": ["Vineyards", None],
    "patch_j": None,
    "patch_k": ["312", "111"],
}


def make_listing(**columns: Any) -> Listing:
    """Return a listing of sound and of odd patches, one that a reader excluded and a bad one."""
    patches = make_patches({"patch_id": list(LABELS), "labels": list(LABELS.values()), **columns})
    quarantined = [LeftOut("patch_e", "patch_e.json is not JSON")]
    return Listing(patches, quarantined, [LeftOut("patch_f", "no Sentinel-1 twin")], Counter({"stray-file": 2}))


def write_list(path: Path, *names: str) -> Path:
    """Write a list of patch names."""
    path.write_text("\n".join(names), encoding="utf-8")
    return path


def to_classes(nomenclature: Nomenclature, labels: list[str]) -> list[str]:
    """Return the classes of one patch, in class order: what `map_labels` must say, one patch at a time."""
    found = {nomenclature.to_class(label) for label in labels}
    return [name for name in nomenclature.classes if name in found]


def draw_patches(num_patches: int, seed: int) -> list[list[str]]:
    """Return random labels of the 43 classes and their codes, up to four per patch, repeated ones too."""
    draw = random.Random(seed)
    known = [label for label in BEN_19.source if label not in BEN_19.classes]
    return [draw.choices(known, k=draw.randint(0, 4)) for _ in range(num_patches)]


def test_every_patch_is_a_row_or_left_out_with_a_reason(tmp_path: Path) -> None:
    lists = [write_list(tmp_path / "mine.csv", "patch_c", "patch_j", "never heard of", "patch_e")]
    index = build_index(make_listing(), BEN_19, Exclusions(lists))
    assert index.table["patch_id"].to_pylist() == ["patch_b", "patch_k"]
    assert {patch.patch_id: patch.reason for patch in index.excluded} == {
        "patch_f": "no Sentinel-1 twin",
        "patch_a": "no class of BEN-19",
        "patch_c": "named in mine.csv (archive.exclude)",
        "patch_d": "the archive gives no label",
        "patch_e": "named in mine.csv (archive.exclude)",  # nor is what cannot be read
        "patch_j": "named in mine.csv (archive.exclude)",  # left out on purpose: its labels are not checked
    }
    assert {patch.patch_id: patch.reason for patch in index.quarantined} == {
        "patch_g": "label 'Pasture' is unknown to BEN-19. Did you mean 'Pastures'? Set archive.nomenclature (or"
        " --nomenclature) to one that has it",
        "patch_h": "a label is an empty string",
        "patch_i": "a label is null",
    }
    assert index.num_checked == 2 + 3
    assert index.absent_names == {"mine.csv": 1}
    assert index.quirks == {"stray-file": 2}


def test_a_row_says_what_its_patch_says() -> None:
    labels = draw_patches(300, seed=1)
    names = [f"patch_{number:03d}" for number in range(300)]
    listing = Listing(make_patches({"patch_id": names, "labels": labels, "row": list(range(300))}))
    index = build_index(listing, BEN_19)
    left_out = {patch.patch_id for patch in index.excluded}
    patches = [row for row in listing.patches.to_pylist() if row["patch_id"] not in left_out]
    for row in patches:
        row |= {"source_labels": row["labels"], "labels": to_classes(BEN_19, row["labels"])}
    assert index.table.to_pylist() == [{name: row[name] for name in INDEX_SCHEMA.names} for row in patches]
    assert index.table.schema.equals(INDEX_SCHEMA)
    assert set(INDEX_SCHEMA.names) == {*PATCH_SCHEMA.names, "source_labels"}
    assert left_out == {name for name, row in zip(names, labels, strict=True) if not to_classes(BEN_19, row)}


def test_the_index_does_not_depend_on_the_order_of_the_patches() -> None:
    rows = list(LABELS.items())
    expected = build_index(make_listing(), BEN_19)
    random.Random(0).shuffle(rows)
    names, labels = zip(*rows, strict=True)
    shuffled = Listing(make_patches({"patch_id": names, "labels": labels}))
    index = build_index(shuffled, BEN_19)
    assert index.table.equals(expected.table)
    assert index.quarantined == expected.quarantined[1:]
    assert index.excluded == expected.excluded[1:]


def test_flags_leave_out_the_patches_that_carry_them(tmp_path: Path) -> None:
    snow = [name in ("patch_b", "patch_c") for name in LABELS]
    cloud = [True if name == "patch_k" else None for name in LABELS]
    listing = make_listing(snow=snow, cloud=cloud)
    listed = Exclusions([write_list(tmp_path / "mine.csv", "patch_c")], ["snow"])
    reasons = {patch.patch_id: patch.reason for patch in build_index(listing, BEN_19, listed).excluded}
    assert reasons["patch_b"] == "flagged as seasonal snow"
    assert reasons["patch_c"] == "named in mine.csv (archive.exclude)"  # the lists come first
    with pytest.raises(ArchiveError, match="no patch is left"):
        build_index(listing, BEN_19, Exclusions(flags=["cloud", "snow"]))


def test_a_flag_that_the_archive_lacks_is_refused() -> None:
    with pytest.raises(ArchiveError, match="'snow' needs an archive that flags its patches"):
        build_index(make_listing(), BEN_19, Exclusions(flags=["snow"]))


def test_a_list_may_name_a_patch_as_v1_did(tmp_path: Path) -> None:
    listing = make_listing(v1_patch_id=[f"v1_{name}" for name in LABELS])
    exclusions = Exclusions([write_list(tmp_path / "snow.csv", "v1_patch_b", "v1_patch_z")])
    index = build_index(listing, BEN_19, exclusions)
    assert index.table["patch_id"].to_pylist() == ["patch_c", "patch_k"]
    assert index.absent_names == {"snow.csv": 1}


def test_nothing_left_is_an_error_that_says_why(tmp_path: Path) -> None:
    everything = Exclusions([write_list(tmp_path / "all.csv", *LABELS)])
    with pytest.raises(ArchiveError, match=r"no patch is left.*all\.csv \(archive\.exclude\) \(9, e\.g\. patch_a\)"):
        build_index(make_listing(), BEN_19, everything)
    with pytest.raises(ArchiveError, match="The archive lists none"):
        build_index(Listing(make_patches({"patch_id": []})), BEN_19)


def test_a_wrong_nomenclature_ends_with_the_key_to_set() -> None:
    listing = Listing(make_patches({"patch_id": ["a", "b", "c"], "labels": [["water"], ["Pastures"], ["Vineyards"]]}))
    index = build_index(listing, NOMENCLATURES["Planet-17"]())
    with pytest.raises(ArchiveError, match=r"2 of 3 patches are bad.*Set archive\.nomenclature"):
        check_bad_fraction(index.quarantined, index.num_checked, 0.01, "discover")


def test_discovered_labels_make_an_index_of_every_patch_with_one(tmp_path: Path) -> None:
    patches = make_listing().patches
    found = find_labels(patches)
    assert found == {label for labels in LABELS.values() for label in labels or [] if label}
    index = build_index(Listing(patches), make_nomenclature("discovered", found, tmp_path))
    assert index.table.num_rows == len(LABELS) - 4  # no label, an empty one, two nulls
    assert find_labels(make_patches({"patch_id": []})) == set()


def test_reading_the_index_inverts_writing(tmp_path: Path) -> None:
    table = build_index(make_listing(), BEN_19).table
    write_index(table, tmp_path / "index.parquet")
    index = read_index(tmp_path / "index.parquet")
    assert list(index.columns) == INDEX_SCHEMA.names
    assert [list(labels) for labels in index["labels"]] == table["labels"].to_pylist()
    assert index["patch_id"].tolist() == table["patch_id"].to_pylist()
    write_index(table, tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "index.parquet").read_bytes()


@pytest.mark.parametrize("name", ["BEN-19", "CLC-43", "CLC-codes"])
def test_mapping_all_patches_is_mapping_each(name: str) -> None:
    nomenclature, labels = NOMENCLATURES[name](), draw_patches(500, seed=2)
    multi_hot, faults = map_labels(labels, nomenclature)
    assert not faults
    assert multi_hot.dtype == bool
    classes = decode_multi_hot(multi_hot, nomenclature.classes).to_pylist()
    assert classes == [to_classes(nomenclature, row) for row in labels]


FORMS = {
    "lists": lambda labels: labels,
    "tuples": lambda labels: [tuple(row) for row in labels],
    "an arrow array": lambda labels: pa.array(labels, pa.list_(pa.string())),
    "a slice of one": lambda labels: pa.array([["x"], *labels, ["y"]], pa.list_(pa.string()))[1:-1],
    "chunks": lambda labels: pa.chunked_array([labels[:7], labels[7:]], pa.list_(pa.string())),
    "large lists": lambda labels: pa.array(labels, pa.large_list(pa.large_string())),
    "a pandas column": lambda labels: pa.table({"x": pa.array(labels, pa.list_(pa.string()))}).to_pandas()["x"],
    "a filtered pandas column": lambda labels: pd.Series([*map(np.array, labels), ["x"]])[lambda rows: rows.index < 50],
}


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_a_column_does_not_matter(form: str) -> None:
    labels = draw_patches(50, seed=3)
    expected, _ = map_labels(labels, BEN_19)
    received, _ = map_labels(FORMS[form](labels), BEN_19)  # type: ignore[no-untyped-call]
    np.testing.assert_array_equal(received, expected)


ROWS = [["a"], ["a", "c"], ["c"], ["a", "c", "d"], []]
CLASSES = ["a", "b", "c", "d"]


def test_decoding_inverts_encoding() -> None:
    multi_hot = encode_multi_hot(ROWS, CLASSES)
    assert multi_hot.dtype == np.float32
    assert set(np.unique(multi_hot)) == {0, 1}
    assert decode_multi_hot(multi_hot, CLASSES).to_pylist() == ROWS


def test_a_label_that_is_no_class_cannot_be_encoded() -> None:
    with pytest.raises(NomenclatureError, match="'z' is unknown"):
        encode_multi_hot([["a"], ["z"]], CLASSES)


def test_cooccurrence_is_a_share_of_the_rows_patches() -> None:
    multi_hot = encode_multi_hot(ROWS, CLASSES)
    shares, counts = compute_cooccurrence(multi_hot), np.count_nonzero(multi_hot, axis=0)
    assert counts.tolist() == [3, 0, 3, 1]  # in class order, also of a class without a patch
    assert shares.min() >= 0
    assert shares.max() <= 1
    np.testing.assert_array_equal(np.diag(shares), counts > 0)
    np.testing.assert_allclose(shares * counts[:, None], (shares * counts[:, None]).T)  # patches with both
    assert shares[0, 2] == pytest.approx(2 / 3)
    assert shares[3, 0] == 1
