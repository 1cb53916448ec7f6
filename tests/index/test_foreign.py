"""Foreign labels and scores enter by name, in whatever form, or not at all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from landscribe.archive.label_table import read_label_table
from landscribe.archive.protocol import Listing, make_patches
from landscribe.core.errors import ForeignError, LandscribeError, NomenclatureError
from landscribe.core.multi_hot import decode_multi_hot
from landscribe.core.nomenclature import CLASS_ORDERS, NOMENCLATURES, make_nomenclature, order_classes
from landscribe.core.scores import Scores, read_scores, write_scores
from landscribe.index.foreign import Foreign, make_scores, read_foreign, write_labels
from landscribe.index.labels import build_index, write_index

BEN_19 = NOMENCLATURES["BEN-19"]()
NAMES = tuple(f"{number:04d}" for number in range(30))  # names that a careless reader takes for numbers
DRAW = np.random.default_rng(4)
SCORES = DRAW.random((30, 19)).astype(np.float32)
TRUTH = np.concatenate([np.eye(19, dtype=bool), DRAW.random((11, 19)) < 0.3])  # every class occurs


def reorder(matrix: np.ndarray, order: str) -> np.ndarray:
    """Return a matrix in BEN-19's order with its columns in another order."""
    return matrix[:, [BEN_19.classes.index(name) for name in order_classes(BEN_19, order)]]


def write_lists(path: Path, classes: Any = None, **matrices: Any) -> Path:
    """Write parquet with patch_id and list columns, the classes in the metadata."""
    columns = {name: pa.array(list(values)) for name, values in matrices.items()}
    table = pa.table({"patch_id": pa.array(NAMES), **columns})
    pq.write_table(table.replace_schema_metadata(None if classes is None else {"classes": json.dumps(classes)}), path)
    return path


def write_wide(path: Path, matrix: np.ndarray, names: Any, **columns: Any) -> Path:
    """Write a CSV or parquet with a column per class."""
    table = pd.DataFrame(matrix, columns=list(names))
    table.insert(0, "patch_id", NAMES)
    table = table.assign(**columns)
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path, index=False)
    return path


def write_archive(path: Path, **arrays: Any) -> Path:
    """Write an .npz."""
    np.savez(path, **arrays)
    return path


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file."""
    path.write_bytes(content)
    return path


def read(path: Path, order: str | None = None, class_columns: Any = "score") -> Foreign:
    """Read a file of BEN-19."""
    return read_foreign(path, BEN_19, order, class_columns)


FORMS: dict[str, Callable[[Path, np.ndarray, list[str]], Path]] = {
    "lists": lambda folder, scores, names: write_lists(folder / "a.parquet", names, score=scores),
    "lists of one size": lambda folder, scores, names: write_lists(
        folder / "a.parquet", names, score=pa.FixedSizeListArray.from_arrays(scores.ravel(), 19)
    ),
    "columns of a CSV": lambda folder, scores, names: write_wide(folder / "a.csv", scores, names),
    "columns of a parquet": lambda folder, scores, names: write_wide(folder / "a.parquet", scores, names, split="test"),
    "arrays": lambda folder, scores, names: write_archive(
        folder / "a.npz", patch_id=np.array(NAMES), score=scores, classes=np.array(names)
    ),
}


@pytest.mark.parametrize("order", CLASS_ORDERS)
@pytest.mark.parametrize("form", FORMS)
def test_named_scores_do_not_depend_on_form_or_order(tmp_path: Path, form: str, order: str) -> None:
    path = FORMS[form](tmp_path, reorder(SCORES, order), list(order_classes(BEN_19, order)))
    for foreign in (read(path), read(path, order)):
        assert (foreign.patch_ids, foreign.classes) == (NAMES, BEN_19.classes)
        assert foreign.truth is None
        np.testing.assert_array_equal(foreign.scores, SCORES)


@pytest.mark.parametrize("order", CLASS_ORDERS)
@pytest.mark.parametrize("form", FORMS)
def test_an_order_that_the_names_deny_is_refused_with_both_lists(tmp_path: Path, form: str, order: str) -> None:
    path = FORMS[form](tmp_path, reorder(SCORES, order), list(order_classes(BEN_19, order)))
    (other,) = set(CLASS_ORDERS) - {order}
    with pytest.raises(NomenclatureError, match="the classes differ") as caught:
        read(path, other)
    for classes in map(list, (order_classes(BEN_19, order), order_classes(BEN_19, other))):
        assert str(classes) in str(caught.value)


NAMELESS: dict[str, Callable[[Path, np.ndarray], Path]] = {
    "lists": lambda folder, scores: write_lists(folder / "a.parquet", score=scores),
    "columns called 0, 1, 2": lambda folder, scores: write_wide(folder / "a.csv", scores, range(19)),
    "arrays": lambda folder, scores: write_archive(folder / "a.npz", patch_id=np.array(NAMES), score=scores),
}


@pytest.mark.parametrize("form", NAMELESS)
def test_nameless_scores_under_the_order_they_follow_equal_the_named(tmp_path: Path, form: str) -> None:
    for order in CLASS_ORDERS:
        path = NAMELESS[form](tmp_path, reorder(SCORES, order))
        np.testing.assert_array_equal(read(path, order).scores, SCORES)
        (other,) = set(CLASS_ORDERS) - {order}
        assert (
            np.asarray(read(path, other).scores) != SCORES
        ).any()  # plausible and wrong: why the order must be named
        with pytest.raises(ForeignError, match=r"no class names.*--order clc .*--order alphabetical "):
            read(path)


def test_own_scores_come_back_the_same(tmp_path: Path) -> None:
    own = Scores(NAMES, TRUTH.astype(np.float32), SCORES, BEN_19.classes)
    write_scores(own, tmp_path / "test.parquet")
    again = make_scores(read(tmp_path / "test.parquet"), BEN_19, None)
    write_scores(again, tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "test.parquet").read_bytes()


@pytest.fixture
def index_path(tmp_path: Path) -> Path:
    """An index with the truth of every patch, as source labels and in another order of patches."""
    names, labels = NAMES[::-1], decode_multi_hot(TRUTH[::-1], BEN_19.classes)
    listing = Listing(make_patches({"patch_id": ["x", *names], "labels": [["Pastures"], *labels.to_pylist()]}))
    write_index(build_index(listing, BEN_19).table, tmp_path / "index.parquet")
    return tmp_path / "index.parquet"


def test_truth_comes_from_the_index_by_name(tmp_path: Path, index_path: Path) -> None:
    foreign = read(write_wide(tmp_path / "a.csv", SCORES, BEN_19.classes, labels="Pastures"))
    scores = make_scores(foreign, BEN_19, index_path)
    np.testing.assert_array_equal(scores.truth, TRUTH)
    write_scores(scores, tmp_path / "scores.parquet")
    assert read_scores(tmp_path / "scores.parquet").patch_ids == NAMES


def test_a_wrong_order_shows_when_the_file_has_truth_too(tmp_path: Path, index_path: Path) -> None:
    path = write_lists(
        tmp_path / "a.parquet", score=reorder(SCORES, "alphabetical"), multi_hot=reorder(TRUTH, "alphabetical")
    )
    scores = make_scores(read(path, "alphabetical"), BEN_19, index_path)
    np.testing.assert_array_equal(scores.truth, TRUTH)
    with pytest.raises(ForeignError, match=r"patches differ from .*index\.parquet.*class order"):
        make_scores(read(path, "clc"), BEN_19, index_path)


def test_scores_need_a_truth_that_knows_every_patch(tmp_path: Path, index_path: Path) -> None:
    foreign = read(write_wide(tmp_path / "a.csv", SCORES, BEN_19.classes))
    with pytest.raises(ForeignError, match="cannot be evaluated"):
        make_scores(foreign, BEN_19, None)
    stranger = Foreign(("stranger", *NAMES[1:]), foreign.classes, None, foreign.scores)
    with pytest.raises(ForeignError, match=r"no truth for 1 of the 30 patches, e\.g\. stranger"):
        make_scores(stranger, BEN_19, index_path)
    with pytest.raises(ForeignError, match="expected an index"):
        make_scores(foreign, BEN_19, tmp_path / "absent.parquet")
    labels = read(write_wide(tmp_path / "b.csv", TRUTH.astype(int), BEN_19.classes), class_columns="truth")
    with pytest.raises(ForeignError, match="only labels"):
        make_scores(labels, BEN_19, index_path)


# What an archive may have written for the same truth.
SOURCE_LABELS = [
    [{"Urban fabric": "111"}.get(name, name) for name in row]
    for row in decode_multi_hot(TRUTH, BEN_19.classes).to_pylist()
]

LABELS: dict[str, Callable[[Path], Foreign]] = {
    "zeros and ones under class names": lambda folder: read(
        write_wide(folder / "a.csv", TRUTH.astype(int), BEN_19.classes), None, "truth"
    ),
    "booleans under class names": lambda folder: read(
        write_wide(folder / "a.parquet", TRUTH, BEN_19.classes), None, "truth"
    ),
    "zeros and ones in an order": lambda folder: read(
        write_lists(folder / "a.parquet", multi_hot=reorder(TRUTH, "alphabetical")), "alphabetical"
    ),
    "zeros and ones in an order, with names": lambda folder: read(
        write_lists(folder / "a.parquet", truth=reorder(TRUTH, "alphabetical"), labels=SOURCE_LABELS), "alphabetical"
    ),
    "names in lists, other columns beside": lambda folder: read(
        write_lists(folder / "a.parquet", labels=SOURCE_LABELS, country=["Serbia"] * 30), class_columns="truth"
    ),
    "names in a CSV": lambda folder: read(
        write_wide(folder / "a.csv", np.empty((30, 0)), [], labels=[";".join(row) for row in SOURCE_LABELS])
    ),
}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("form", LABELS)
def test_labels_in_any_form_become_the_table_that_the_reader_of_archives_reads(
    tmp_path: Path, form: str, suffix: str
) -> None:
    foreign = LABELS[form](tmp_path)
    assert foreign.scores is None
    np.testing.assert_array_equal(foreign.truth, TRUTH)
    out = tmp_path / "made" / f"labels.{suffix}"
    write_labels(foreign, out)
    written = read_label_table(out)
    assert list(written) == list(NAMES)
    assert [list(row) for row in written.values()] == decode_multi_hot(TRUTH, BEN_19.classes).to_pylist()
    np.testing.assert_array_equal(read(out).truth, TRUTH)  # an imported table can be imported


def test_a_patch_without_a_class_stays_a_row(tmp_path: Path) -> None:
    labels = [["Airports"], *SOURCE_LABELS[1:]]
    write_labels(read(write_lists(tmp_path / "a.parquet", labels=labels)), tmp_path / "labels.csv")
    assert read_label_table(tmp_path / "labels.csv")[NAMES[0]] == ()


def test_labels_are_written_as_labels_alone(tmp_path: Path) -> None:
    with pytest.raises(ForeignError, match="the file contains scores"):
        write_labels(read(write_wide(tmp_path / "a.csv", SCORES, BEN_19.classes)), tmp_path / "b.csv")
    with pytest.raises(ForeignError, match=r"ends in \.csv or \.parquet"):
        write_labels(read(write_lists(tmp_path / "a.parquet", labels=SOURCE_LABELS)), tmp_path / "b.json")


def spoil(matrix: np.ndarray, value: float) -> np.ndarray:
    """Return a copy with one number changed."""
    copy = matrix.astype(np.float32)
    copy[3, 4] = value
    return copy


C = list(BEN_19.classes)
REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "another suffix": (lambda folder: folder / "a.txt", r"ends in \.parquet, \.csv, \.npz"),
    "absent": (lambda folder: folder / "a.csv", r"a\.csv: there is no such file"),
    "no parquet": (lambda folder: write_bytes(folder / "a.parquet", b"a,b\n"), "expected a readable"),
    "no text": (lambda folder: write_bytes(folder / "a.csv", b"patch_id\n\xff\xff\n"), "readable|patch_id"),
    "empty": (lambda folder: write_bytes(folder / "a.csv", b""), "expected a readable"),
    "rows of two lengths": (lambda folder: write_bytes(folder / "a.csv", b"patch_id,a\nx\n"), "expected a readable"),
    "no archive of arrays": (lambda folder: write_bytes(folder / "a.npz", b"\x93NUMPY"), "numpy.savez did not write"),
    "pickled objects": (
        lambda folder: write_archive(folder / "a.npz", patch_id=np.array([*NAMES], object), score=SCORES),
        "expected a readable",
    ),
    "arrays of two lengths": (
        lambda folder: write_archive(folder / "a.npz", patch_id=np.array(NAMES), score=SCORES[1:]),
        "expected a readable",
    ),
    "a number for an array": (lambda folder: write_archive(folder / "a.npz", patch_id=3), "expected a readable"),
    "no patch_id": (lambda folder: write_bytes(folder / "a.csv", b"name,Pastures\nx,1\n"), "a column patch_id"),
    "no row": (lambda folder: write_bytes(folder / "a.csv", b"patch_id,labels\n"), "expected one row per patch"),
    "a patch without a name": (lambda folder: write_bytes(folder / "a.csv", b"patch_id,labels\n,Pastures\n"), "empty"),
    "a patch twice": (
        lambda folder: write_bytes(folder / "a.csv", b"patch_id,labels\nx,Pastures\nx,Pastures\n"),
        "patch x is on 2 rows",
    ),
    "a column twice": (
        lambda folder: write_bytes(folder / "a.csv", b"patch_id,a,a\nx,1,1\n"),
        "'a' is there twice",
    ),
    "truth twice": (
        lambda folder: write_lists(folder / "a.parquet", C, truth=TRUTH, multi_hot=TRUTH),
        "truth and multi_hot mean the same",
    ),
    "too few names": (lambda folder: write_lists(folder / "a.parquet", C[1:], score=SCORES[:, 1:]), "classes differ"),
    "a name twice": (lambda folder: write_lists(folder / "a.parquet", [C[1], *C[1:]], score=SCORES), "classes differ"),
    "names that are no list": (lambda folder: write_lists(folder / "a.parquet", {"a": 1}, score=SCORES), "JSON list"),
    "a wrong number of columns": (
        lambda folder: write_lists(folder / "a.parquet", C, score=SCORES[:, 1:]),
        "each of the 19 classes; received 18",
    ),
    "lists of two lengths": (
        lambda folder: write_lists(folder / "a.parquet", C, score=[[0.5] * 19] * 29 + [[0.5]]),
        r"lists of one length; received lengths \['1', '19'\]",
    ),
    "a null for a list": (
        lambda folder: write_lists(folder / "a.parquet", C, score=[*[[0.5] * 19] * 29, None]),
        "lists of one length",
    ),
    "text for scores": (
        lambda folder: write_lists(folder / "a.parquet", C, score=["0.5"] * 30),
        "column score: expected",
    ),
    "a class is missing": (
        lambda folder: write_wide(folder / "a.csv", SCORES, [*C[:13], "Transitional woodland/shrub", *C[14:]]),
        "none for 'Transitional woodland, shrub'. Did you mean 'Transitional woodland/shrub'?",
    ),
    "classes of another nomenclature": (
        lambda folder: write_wide(folder / "a.csv", np.ones((30, 43)), NOMENCLATURES["CLC-43"]().classes),
        "there is none for 'Urban fabric'",
    ),
    "words in a column of a class": (
        lambda folder: write_wide(folder / "a.csv", SCORES, C, **{C[2]: "high"}),
        "column Arable land: expected float",
    ),
    "nothing but names": (lambda folder: write_bytes(folder / "a.csv", b"patch_id\nx\n"), "expected a column for each"),
    "logits": (
        lambda folder: write_lists(folder / "a.parquet", C, score=spoil(SCORES, 1.5)),
        "patch 0003, 'Pastures': expected a score in .0, 1.; received 1.5. Turn logits into scores",
    ),
    "a negative score": (lambda folder: write_wide(folder / "a.csv", spoil(SCORES, -0.1), C), r"received -0\.1"),
    "not a number": (lambda folder: write_wide(folder / "a.csv", spoil(SCORES, np.nan), C), "received nan"),
    "truth between 0 and 1": (
        lambda folder: write_lists(folder / "a.parquet", C, truth=spoil(TRUTH, 0.5)),
        r"expected 0 or 1; received 0\.5",
    ),
    "an unknown label": (
        lambda folder: write_bytes(folder / "a.csv", b"patch_id,labels\nx,Pastures;Pasture\n"),
        "patch x: label 'Pasture' is unknown to BEN-19. Did you mean 'Pastures'?",
    ),
    "a null for labels": (
        lambda folder: write_lists(folder / "a.parquet", labels=[*SOURCE_LABELS[:29], None]),
        "patch 0029: expected a list",
    ),
    "numbers for labels": (
        lambda folder: write_lists(folder / "a.parquet", labels=range(30)),
        "column labels: expected",
    ),
    "labels that the zeros and ones deny": (
        lambda folder: write_lists(folder / "a.parquet", C, truth=spoil(TRUTH, 1), labels=SOURCE_LABELS),
        r"1 of 30 patches differ from the column labels, e\.g\. 0003.*Check the class order",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_does_not_fit_is_refused_in_words(tmp_path: Path, kind: str) -> None:
    write, words = REFUSED[kind]
    with pytest.raises(LandscribeError, match=words) as caught:
        read(write(tmp_path))
    assert str(caught.value).startswith(str(tmp_path / "a."))


def test_scores_in_columns_are_no_labels(tmp_path: Path) -> None:
    path = write_wide(tmp_path / "a.csv", SCORES, BEN_19.classes)
    with pytest.raises(ForeignError, match=r"expected 0 or 1; .*--truth data/index\.parquet"):
        read(path, class_columns="truth")


def test_a_nomenclature_without_classes_takes_nothing_in(tmp_path: Path) -> None:
    path = write_lists(tmp_path / "a.parquet", labels=SOURCE_LABELS)
    with pytest.raises(NomenclatureError, match="discovered has no classes of its own"):
        read_foreign(path, make_nomenclature("discovered", [], tmp_path), None, "truth")
