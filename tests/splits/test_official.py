"""The authors' split is taken as it is, and what does not fit is reported."""

import bz2
from pathlib import Path

import pytest

from landscribe.core.errors import ArchiveError
from landscribe.splits.config import SPLITS, SplitConfig
from landscribe.splits.strategies import make_splits
from tests.support.indices import make_config, make_index

NAMES = [f"S2A_MSIL2A_20170613T101031_{number}_{number}" for number in range(12)]
INDEX = make_index(patch_id=NAMES)
LISTS = [NAMES[:5], NAMES[5:7], NAMES[7:9]]
EXPECTED = dict(sorted(zip(NAMES[:9], ["train"] * 5 + ["val"] * 2 + ["test"] * 2, strict=True)))


def write_lists(folder: Path, *lists: list[str]) -> SplitConfig:
    """Write train, val and test lists; return the section that names them."""
    paths = [folder / f"{split}.csv" for split in SPLITS]
    for path, lines in zip(paths, lists, strict=True):
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return make_config("official", files=[str(path) for path in paths])


def test_lists_decide_and_what_they_do_not_name_is_left_out(tmp_path: Path) -> None:
    assignment = make_splits(INDEX, write_lists(tmp_path, *LISTS[:2], [*LISTS[2], "elsewhere"]))
    assert assignment.splits == EXPECTED
    assert assignment.left_out == {"in no official list": 3}
    assert assignment.warnings == ["test.csv: 1 of 3 names are not in the index"]


def test_the_archives_own_split_is_taken_without_lists() -> None:
    official = [EXPECTED.get(name) for name in NAMES]
    assignment = make_splits(make_index(patch_id=NAMES, official_split=official), make_config("official"))
    assert (assignment.splits, assignment.left_out) == (EXPECTED, {"no official split": 3})
    with pytest.raises(ArchiveError, match=r"this archive has none\. Name three lists"):
        make_splits(INDEX, make_config("official"))


def test_a_name_repeated_in_one_list_counts_once(tmp_path: Path) -> None:
    assignment = make_splits(INDEX, write_lists(tmp_path, LISTS[0] * 2, *LISTS[1:]))
    assert assignment.splits == EXPECTED
    assert assignment.warnings == ["train.csv: 5 names occur more than once; each counts once"]


@pytest.mark.parametrize("other", [1, 2])
def test_a_patch_has_one_split(tmp_path: Path, other: int) -> None:
    lists = [*LISTS]
    lists[other] = [*lists[other], NAMES[0], NAMES[1]]
    files = rf"{tmp_path}/train\.csv and {tmp_path}/{SPLITS[other]}\.csv"
    with pytest.raises(ArchiveError, match=rf"patch '{NAMES[0]}' \(and 1 more\) is in {files}; a patch has one split"):
        make_splits(INDEX, write_lists(tmp_path, *lists))


def test_lists_of_another_archive_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"none of the names in .* is in the archive"):
        make_splits(make_index(patch_id=["beach01"]), write_lists(tmp_path, *LISTS))


def test_the_lists_of_v1_split_v2_through_its_column(tmp_path: Path) -> None:
    names_v2 = [f"S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_{number:02}_{number:02}" for number in range(12)]
    twins = [f"S1A_{number}" for number in range(12)]
    index = make_index(patch_id=names_v2, v1_patch_id=NAMES, s1_patch_id=twins)
    assignment = make_splits(index, write_lists(tmp_path, *LISTS))
    assert assignment.splits == {names_v2[NAMES.index(name)]: split for name, split in EXPECTED.items()}
    assert len(assignment.warnings) == 1
    assert "found by their v1_patch_id" in assignment.warnings[0]


def test_other_twins_in_a_list_of_pairs_are_counted(tmp_path: Path) -> None:
    twins = [f"S1A_{number}" for number in range(12)]
    index = make_index(patch_id=NAMES, s1_patch_id=[*twins[:11], None])
    pairs = [f"{name},{twin}" for name, twin in zip(NAMES, twins, strict=True)]
    lists = [
        [*pairs[:4], f"{NAMES[4]},S1B_other"],
        pairs[5:7],
        [
            *pairs[7:],
        ],
    ]
    assignment = make_splits(index, write_lists(tmp_path, *lists))
    assert len(assignment.splits) == 12
    assert assignment.warnings == ["train.csv: 1 patches have another Sentinel-1 twin than in the index"]


@pytest.mark.drill
def test_the_published_lists_of_v1_are_a_partition(samples: Path) -> None:
    paths = [samples / "bigearthnet-v1" / "lists" / f"{split}.csv.bz2" for split in SPLITS]
    names = [name for path in paths for name in bz2.decompress(path.read_bytes()).decode().split()]
    config = make_config("official", files=[str(path) for path in paths])
    assignment = make_splits(make_index(patch_id=names), config)
    assert len(assignment.splits) == len(set(names)) == 519_284
    values = list(assignment.splits.values())
    assert [values.count(split) for split in SPLITS] == [269_695, 123_723, 125_866]
    assert (assignment.left_out, assignment.warnings) == ({}, [])
