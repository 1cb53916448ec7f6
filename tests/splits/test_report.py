"""The report of `split` adds up, passes every warning on, and says when no place is known."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from landscribe.archive.protocol import make_patches
from landscribe.splits.assignment import Assignment
from landscribe.splits.leakage import audit
from landscribe.splits.report import write_split_report

pytestmark = pytest.mark.slow(5)

CLASSES = ["forest", "$water$", "_none"]
FILES = [
    "class_balance.csv",
    "class_balance.png",
    "leakage.csv",
    "leakage.png",
    "map.png",
    "summary.json",
]


def make_index(*, located: bool = True) -> pd.DataFrame:
    """Return 8 x 8 patches of one granule in two classes by turns."""
    columns, rows = np.indices((8, 8)).reshape(2, -1)
    place = {"granule": ["S2A_MSIL2A_20170613T101031"] * 64, "column": columns, "row": rows} if located else {}
    names = [f"S2A_MSIL2A_20170613T101031_{column}_{row}" for column, row in zip(columns, rows, strict=True)]
    labels = [[name for number, name in enumerate(CLASSES[:2]) if (row + number) % 3] for row in rows]
    return make_patches({"patch_id": names, "path": names, "labels": labels, **place}).to_pandas()


def make_assignment(index: pd.DataFrame, *names: str) -> Assignment:
    """Return splits by turns; a row of "left out" is in none."""
    splits = dict(zip(index["patch_id"], np.resize(names, len(index)).tolist(), strict=True))
    chosen = {patch_id: split for patch_id, split in splits.items() if split != "left out"}
    return Assignment(chosen, {"buffer": len(splits) - len(chosen)}, ["a word of the strategy"])


@pytest.mark.parametrize("located", [True, False])
def test_the_report_adds_up_and_is_the_same_twice(located: bool, tmp_path: Path) -> None:
    index = make_index(located=located)
    assignment = make_assignment(index, "train", "val", "test", "left out")
    leakage = audit(index, assignment.splits)
    for folder in ("first", "second"):
        warnings = write_split_report(tmp_path / folder, index, assignment, leakage, CLASSES)
    assert warnings == [*assignment.warnings, *leakage.warnings]
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == FILES
    for name in FILES:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert json.loads((tmp_path / "first/summary.json").read_text(encoding="utf-8")) == {
        "num_patches": {"train": 16, "val": 16, "test": 16},
        "not_in_a_split": 16,
        "left_out": {"buffer": 16},
        "leakage": leakage.to_summary(),
        "warnings": warnings,
    }
    rows = list(csv.reader((tmp_path / "first/class_balance.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["class", "train", "val", "test"]
    assert [row[0] for row in rows[1:]] == CLASSES
    in_a_split = index[index["patch_id"].isin(list(assignment.splits))]
    for name, *counts in rows[1:]:
        assert sum(map(int, counts)) == sum(name in labels for labels in in_a_split["labels"])


def test_pictures_show_what_differs(tmp_path: Path) -> None:
    index = make_index()
    leaks = {}
    for names in (
        ["train", "val", "test"],
        ["train", "train", "train", "train", "left out", "left out", "test", "val"],
    ):
        assignment = make_assignment(index, *names)
        leakage = audit(index, assignment.splits)
        leaks[leakage.leak] = tmp_path / f"{len(names)}"
        write_split_report(leaks[leakage.leak], index, assignment, leakage, CLASSES)
    assert set(leaks) >= {0}
    for name in ("leakage.png", "map.png", "class_balance.png"):
        assert len({(folder / name).read_bytes() for folder in leaks.values()}) == 2


@pytest.mark.parametrize("names", [("train",), ("train", "test"), ("val",)])
def test_empty_splits_end_nothing(names: tuple[str, ...], tmp_path: Path) -> None:
    index = make_index()
    assignment = make_assignment(index, *names)
    warnings = write_split_report(tmp_path, index, assignment, audit(index, assignment.splits), CLASSES)
    assert any("empty" in warning for warning in warnings)
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES


def test_patches_that_a_backbone_has_seen_are_in_the_picture(tmp_path: Path) -> None:
    index = make_index()
    assignment = make_assignment(index, "train", "val", "test")
    for number, seen in enumerate(([], index["patch_id"].tolist())):
        leakage = audit(index, assignment.splits, seen=seen)
        write_split_report(tmp_path / str(number), index, assignment, leakage, CLASSES)
    assert (tmp_path / "0/leakage.png").read_bytes() != (tmp_path / "1/leakage.png").read_bytes()
