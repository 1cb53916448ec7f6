"""Splits are a function of names, params and seed; and the report of `split`."""

import csv
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from landscribe.errors import ArchiveError
from landscribe.splits import SPLITS, SplitConfig, make_splits, rank_by_digest, read_splits, write_splits
from landscribe.splits_report import write_split_report

NAMES = [f"S2A_MSIL2A_20170613T101031_{column}_{row}" for column in range(20) for row in range(15)]
GOLDEN_NAMES = [f"S2A_MSIL2A_20170613T101031_{number}_{number}" for number in range(12)]


def make_config(**values: Any) -> SplitConfig:
    """Return a section `split` with some values."""
    base: dict[str, Any] = {"strategy": "random", "fractions": {"val": 0.1, "test": 0.2}, "files": [], "seed": 20170613}
    return SplitConfig.model_validate(base | values)


def write_lists(folder: Path, *lists: list[str]) -> SplitConfig:
    """Write train, val and test lists; return the section that names them."""
    paths = []
    for split, names in zip(SPLITS, lists, strict=True):
        path = folder / f"{split}.csv"
        path.write_text("\n".join(names) + "\n", encoding="utf-8")
        paths.append(str(path))
    return make_config(strategy="official", files=paths)


def test_the_split_of_twelve_names_never_changes() -> None:
    # A patch that moved from test to train by an update would flatter every score after it, and nobody would notice.
    splits = make_splits(GOLDEN_NAMES, make_config(fractions={"val": 0.25, "test": 0.25}))
    assert [splits[name] for name in GOLDEN_NAMES] == [
        "train", "train", "train", "test", "train", "test", "val", "val", "train", "train", "val", "test",
    ]  # fmt: skip


def test_the_order_within_shards_never_changes() -> None:
    # The order of the records decides the batches of every training: another one is another model.
    ranked = rank_by_digest(GOLDEN_NAMES, 20170613, "shard")
    assert [GOLDEN_NAMES.index(name) for name in ranked] == [11, 4, 6, 8, 0, 7, 10, 9, 3, 1, 2, 5]


@pytest.mark.parametrize("fractions", [(0.1, 0.2), (0, 0), (0, 0.999), (0.5, 0.49), (0.0033, 0.0017), (1 / 3, 1 / 3)])
@pytest.mark.parametrize("number", [1, 2, 3, 7, 300])
def test_splits_partition_the_index(fractions: tuple[float, float], number: int) -> None:
    val, test = fractions
    splits = make_splits(NAMES[:number], make_config(fractions={"val": val, "test": test}))
    assert sorted(splits) == list(splits) == sorted(NAMES[:number])
    sizes = Counter(splits.values())
    assert set(sizes) <= set(SPLITS)
    assert abs(sizes["val"] - number * val) <= 0.5
    assert abs(sizes["test"] - number * test) <= 0.5


def test_splits_depend_on_names_not_on_their_order() -> None:
    shuffled = random.Random(0).sample(NAMES, len(NAMES))
    assert make_splits(shuffled, make_config()) == make_splits(NAMES, make_config())


def test_another_seed_is_another_split() -> None:
    first, second = make_splits(NAMES, make_config()), make_splits(NAMES, make_config(seed=1))
    assert first != second
    assert Counter(first.values()) == Counter(second.values())


def test_splits_mix_the_neighbours() -> None:
    tests = [NAMES.index(name) for name, split in make_splits(NAMES, make_config()).items() if split == "test"]
    halves = Counter(place < len(NAMES) // 2 for place in tests)
    assert min(halves.values()) > len(tests) / 4


def test_the_rank_of_two_names_depends_on_them_alone() -> None:
    ranked = rank_by_digest(NAMES, 1, "split")
    assert sorted(ranked) == sorted(NAMES)
    some = set(NAMES[::3])
    assert rank_by_digest(some, 1, "split") == [name for name in ranked if name in some]
    assert rank_by_digest(NAMES, 1, "shard") != ranked


def test_official_lists_decide(tmp_path: Path) -> None:
    config = write_lists(tmp_path, NAMES[:5], NAMES[5:7], [*NAMES[7:9], "not in the archive"])
    splits = make_splits(NAMES[:12], config)
    assert splits == dict(sorted(zip(NAMES[:9], ["train"] * 5 + ["val"] * 2 + ["test"] * 2, strict=True)))


@pytest.mark.parametrize("other", [0, 1, 2])
def test_a_patch_has_one_split(tmp_path: Path, other: int) -> None:
    lists = [NAMES[:5], NAMES[5:7], NAMES[7:9]]
    lists[other] = [*lists[other], NAMES[0]]
    with pytest.raises(ArchiveError, match=f"patch '{NAMES[0]}' is already in train"):
        make_splits(NAMES, write_lists(tmp_path, *lists))


def test_lists_of_another_archive_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="none of the names"):
        make_splits(["beach01"], write_lists(tmp_path, NAMES[:5], NAMES[5:7], NAMES[7:9]))


def test_lists_start_from_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    config = make_config(strategy="official", files=["a.csv", "b.csv", "c.csv"])
    assert config.file_paths == [tmp_path / name for name in ("a.csv", "b.csv", "c.csv")]
    assert make_config(files=["a.csv"]).file_paths == []  # random reads none


@pytest.mark.parametrize(
    "values",
    [
        {"strategy": "official", "files": ["a", "b"]},
        {"strategy": "spatial"},
        {"fractions": {"val": 0.6, "test": 0.4}},
        {"fractions": {"val": -0.1, "test": 0.4}},
        {"fractions": {"val": 0.1}},
        {"seed": None},
    ],
)
def test_impossible_values_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_config(**values)


def test_reading_splits_inverts_writing(tmp_path: Path) -> None:
    splits = make_splits(NAMES, make_config())
    write_splits(splits, tmp_path / "splits.parquet")
    table = read_splits(tmp_path / "splits.parquet")
    assert dict(zip(table["patch_id"], table["split"], strict=True)) == splits


CLASSES = ["a", "b", "c"]
LABELS = {"p": ["a"], "q": ["a", "b"], "r": ["b"], "s": ["a"], "t": ["c"]}


def test_the_report_adds_up_and_warns(tmp_path: Path) -> None:
    splits = {"p": "train", "q": "train", "r": "test", "s": "train"}
    warnings = write_split_report(tmp_path, splits, LABELS, CLASSES)
    assert warnings == [
        "the split val is empty",
        "train holds no patch of: c",
        "test holds no patch of: a; c",
    ]
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary == {
        "num_patches": {"train": 3, "val": 0, "test": 1},
        "not_in_a_split": 1,
        "warnings": warnings,
    }
    rows = list(csv.reader((tmp_path / "class_balance.csv").read_text(encoding="utf-8").splitlines()))
    assert rows == [["class", "train", "val", "test"], ["a", "3", "0", "0"], ["b", "1", "0", "1"], ["c", "0", "0", "0"]]
    assert (tmp_path / "class_balance.png").read_bytes().startswith(b"\x89PNG")


def test_a_balanced_split_gives_no_warning(tmp_path: Path) -> None:
    names = {f"{letter}{number}": [letter] for letter in CLASSES for number in range(3)}
    splits = {name: SPLITS[int(name[1])] for name in names}
    assert write_split_report(tmp_path, splits, names, CLASSES) == []
