"""The audit counts what brute force counts, and reproduces the known truth about the official lists."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from landscribe.core.name_lists import read_names
from landscribe.splits.config import SPLITS, SplitConfig
from landscribe.splits.leakage import CONTACTS, DATES, MIN_SCORED_PATCHES, SPLIT_PAIRS, Leakage, audit
from landscribe.splits.strategies import make_splits

CELL_M = 1_200


def make_index(rng: np.random.Generator, num_patches: int = 150) -> tuple[pd.DataFrame, dict[str, str]]:
    """Draw patches on a grid of 14 x 14 cells at two dates, some cells twice, and a split of them."""
    column, row = rng.integers(0, 14, (2, num_patches))
    names = [f"patch-{number:03}" for number in range(num_patches)]
    index = pd.DataFrame(
        {
            "patch_id": names,
            "labels": [["forest"]] * num_patches,
            "epsg": 32633,
            "ulx_m": 300_000.0 + CELL_M * column,
            "uly_m": 5_400_000.0 - CELL_M * row,
            "size_m": float(CELL_M),
            "acquired_at": rng.choice(["2017-06-13T10:10:31", "2018-02-04T09:41:56"], num_patches),
        }
    )
    return index, dict(zip(names, rng.choice(SPLITS, num_patches, p=[0.6, 0.2, 0.2]).tolist(), strict=True))


def count_by_brute_force(index: pd.DataFrame, splits: dict[str, str], split: str, against: str) -> dict[str, int]:
    """Compare every patch of `split` with every patch of `against`, in whole cells."""
    counts = dict.fromkeys((f"{contact}_{day}" for contact in CONTACTS for day in DATES), 0)
    rows = [(row, splits[row.patch_id]) for row in index.itertuples() if row.patch_id in splits]
    for one, _ in (pair for pair in rows if pair[1] == split):
        kinds = set()
        for other, _ in (pair for pair in rows if pair[1] == against):
            cells = [round(abs(getattr(one, axis) - getattr(other, axis)) / CELL_M) for axis in ("ulx_m", "uly_m")]
            if max(cells) <= 1:
                day = "same_date" if one.acquired_at[:10] == other.acquired_at[:10] else "other_date"
                holds = dict(zip(CONTACTS, (min(cells) == 0, True, max(cells) == 0), strict=True))
                kinds |= {f"{contact}_{when}" for contact in CONTACTS if holds[contact] for when in (day, "any_date")}
        for kind in kinds:
            counts[kind] += 1
    return counts


@pytest.mark.parametrize("seed", range(4))
def test_counts_and_shares_equal_brute_force(seed: int) -> None:
    index, splits = make_index(np.random.default_rng(seed))
    del splits["patch-007"]  # left out by a buffer, say
    leakage = audit(index, splits)
    touched = 0
    for (split, against), (_, row) in zip(SPLIT_PAIRS, leakage.table.iterrows(), strict=True):
        expected = count_by_brute_force(index, splits, split, against)
        num_patches = list(splits.values()).count(split)
        assert (row["split"], row["against"], row["num_patches"]) == (split, against, num_patches)
        assert {kind: row[f"num_{kind}"] for kind in expected} == expected
        assert {kind: row[f"share_{kind}"] for kind in expected} == pytest.approx(
            {kind: count / num_patches for kind, count in expected.items()}
        )
        touched += expected["8_neighbours_any_date"] if against == "train" else 0
    assert leakage.leak == pytest.approx(touched / sum(split != "train" for split in splits.values()))


def summarise(leakage: Leakage) -> str:
    """Return everything an audit says, as text."""
    return json.dumps([leakage.to_summary(), leakage.warnings, leakage.table.to_csv()], allow_nan=False)


def test_neither_the_order_of_rows_nor_the_names_of_patches_matter() -> None:
    index, splits = make_index(np.random.default_rng(5))
    shuffled = index.sample(frac=1, random_state=6)
    renamed = {name: f"other-{number}" for number, name in enumerate(shuffled["patch_id"])}
    relabelled = shuffled.assign(patch_id=shuffled["patch_id"].map(renamed))
    expected = summarise(audit(index, splits))
    assert summarise(audit(shuffled, splits)) == expected
    assert summarise(audit(relabelled, {renamed[name]: split for name, split in splits.items()})) == expected
    assert summarise(audit(index, pd.Series(splits))) == expected


def test_val_and_test_may_change_places() -> None:
    index, splits = make_index(np.random.default_rng(7))
    swapped = {name: {"val": "test", "test": "val"}.get(split, split) for name, split in splits.items()}
    one, other = audit(index, splits), audit(index, swapped)
    assert one.leak == other.leak
    for kind in ("4_neighbours_any_date", "8_neighbours_same_date", "same_place_other_date"):
        assert one.to_summary()[f"test_{kind}"] == other.to_summary()[f"val_{kind}"]


def test_a_split_by_distant_tiles_has_no_leak_and_no_warning() -> None:
    index, _ = make_index(np.random.default_rng(8), 300)
    tile = np.arange(300) % 3
    index["ulx_m"] += 109_200.0 * tile
    leakage = audit(index, dict(zip(index["patch_id"], np.array(SPLITS)[tile], strict=True)))
    assert leakage.leak == 0
    assert not leakage.warnings
    assert (leakage.table.filter(like="num_8").to_numpy() == 0).all()


@pytest.mark.parametrize("buffer_cells", [1, 2])
def test_a_spatial_split_has_a_leak_of_exactly_0(buffer_cells: int) -> None:
    index, _ = make_index(np.random.default_rng(13), 400)
    index["ulx_m"] += 4_680.0 * (np.arange(400) % 2)  # a second tile, off the grid of the first
    spatial = {"unit": "block", "block_cells": 4, "buffer_cells": buffer_cells, "val": [], "test": []}
    fractions = {"val": 0.1, "test": 0.2}
    section = {"strategy": "spatial", "fractions": fractions, "spatial": spatial, "files": [], "seed": 1}
    config = SplitConfig.model_validate(section | {"seen_lists": []})
    leakage = audit(index, make_splits(index, config).splits)
    assert leakage.leak == 0
    assert (leakage.table["num_8_neighbours_any_date"] == 0).all()


def read_official(samples: Path) -> dict[str, str]:
    """Return patch_id -> split of the published lists."""
    folder = samples / "bigearthnet-v1/lists"
    names = {split: read_names(folder / f"{split}.csv.bz2") for split in SPLITS}
    splits = {name: split for split in SPLITS for name in names[split]}
    assert len(splits) == sum(map(len, names.values()))
    return splits


@pytest.mark.drill
def test_the_published_lists_reconcile_and_leak_as_is_known(samples: Path) -> None:
    splits = read_official(samples)
    lists = samples / "bigearthnet-v1/lists"
    snow, cloud = (
        set(read_names(lists / f"patches_with_{name}.csv.bz2")) for name in ("seasonal_snow", "cloud_and_shadow")
    )
    assert (len(splits), len(snow), len(cloud)) == (519_284, 61_707, 9_280)
    assert not snow & cloud
    assert not (snow | cloud) & splits.keys()
    granule, column, row = zip(*(name.rsplit("_", 2) for name in splits), strict=True)
    cells = {"granule": granule, "column": np.array(column, np.int32), "row": np.array(row, np.int32)}
    leakage = audit(pd.DataFrame({"patch_id": list(splits), "labels": [["forest"]] * len(splits), **cells}), splits)
    assert leakage.num_patches == {"train": 269_695, "val": 123_723, "test": 125_866}
    test = leakage.table.set_index(["split", "against"]).loc["test", "train"]
    assert test["num_4_neighbours_same_date"] == test["num_4_neighbours_any_date"] == 124_509
    assert test["num_8_neighbours_same_date"] == 125_358
    assert [round(test[f"share_{number}_neighbours_any_date"], 3) for number in (4, 8)] == [0.989, 0.996]
    assert leakage.warnings[0].startswith("98.9% of the test patches (124,509 of 125,866) share an edge with a train")


def test_a_seen_patch_counts_by_either_name() -> None:
    index, splits = make_index(np.random.default_rng(9), 40)
    index["v1_patch_id"] = [None if number % 4 == 0 else f"v1-{number:03}" for number in range(40)]
    splits = {name: "train" if number < 20 else "test" for number, name in enumerate(splits)}
    assert audit(index, splits).num_seen is None
    leakage = audit(index, splits, seen=["v1-003", "v1-021", "patch-021", "patch-024", "v1-025", "of another archive"])
    assert leakage.num_seen == {"val": 0, "test": 3}
    assert any(text.startswith("15.0% of the test patches (3 of 20) are named in") for text in leakage.warnings)


def test_each_class_that_a_split_cannot_score_is_named() -> None:
    counts = {"rice": (1, 0, MIN_SCORED_PATCHES), "sea": (0, MIN_SCORED_PATCHES - 1, MIN_SCORED_PATCHES)}
    rows = [
        (f"{name}-{split}-{number}", [name], split)
        for name, numbers in counts.items()
        for split, total in zip(SPLITS, numbers, strict=True)
        for number in range(total)
    ]
    index = pd.DataFrame(rows, columns=["patch_id", "labels", "split"])
    leakage = audit(index, index.set_index("patch_id")["split"])
    assert leakage.rare_classes == {"train": {"sea": 0}, "val": {"rice": 0, "sea": MIN_SCORED_PATCHES - 1}, "test": {}}
    assert "train has no patch of: sea" in leakage.warnings
    assert "val has no patch of: rice" in leakage.warnings
    assert any("val has fewer than 10 patches of: sea (9)" in text for text in leakage.warnings)


def test_without_places_the_audit_says_that_it_does_not_know() -> None:
    index, splits = make_index(np.random.default_rng(10))
    leakage = audit(index[["patch_id", "labels"]], splits)
    assert leakage.leak is None
    assert leakage.table.filter(like="_neighbours_").isna().all(axis=None)
    assert leakage.to_summary()["test_8_neighbours_any_date"] is None
    assert any(text.startswith("no places are known") for text in leakage.warnings)
    summarise(leakage)


def test_cells_of_a_granule_tell_nothing_of_other_dates() -> None:
    index, splits = make_index(np.random.default_rng(7))
    cells = {"column": index["ulx_m"] // CELL_M, "row": -index["uly_m"] // CELL_M, "granule": "S2A_MSIL2A_20170613T1"}
    leakage = audit(index.drop(columns=["epsg", "ulx_m", "uly_m", "size_m"]).assign(**cells), splits)
    unknown = {kind for kind, share in leakage.to_summary().items() if share is None} - {"num_seen"}
    assert unknown == {kind for kind in leakage.to_summary() if "other_date" in kind or "same_place" in kind}
    assert "places are known only within granules: neighbours in other granules are not counted" in leakage.warnings


def test_shares_are_those_of_the_patches_whose_place_is_known() -> None:
    index, splits = make_index(np.random.default_rng(11))
    lost = index["patch_id"].map(splits).eq("test").to_numpy().nonzero()[0][::2]
    index.loc[lost, "ulx_m"] = np.nan
    leakage = audit(index, splits)
    located = [name for name in splits if name not in set(index["patch_id"][lost])]
    same = audit(index.drop(index=lost), {name: splits[name] for name in located})
    assert leakage.leak == same.leak
    assert leakage.num_located == same.num_patches
    assert any(text.startswith(f"{len(lost)} patches have no known place") for text in leakage.warnings)


def test_empty_splits_are_named_and_stop_nothing() -> None:
    index, splits = make_index(np.random.default_rng(12))
    leakage = audit(index, dict.fromkeys(splits, "train"))
    assert leakage.warnings == ["the split val is empty", "the split test is empty"]
    assert leakage.leak is None
    assert len(audit(index, {}).warnings) == 4
