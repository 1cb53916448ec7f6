"""Laws of every strategy, and the random one, whose draws never change."""

from collections import Counter

import pytest

from landscribe.splits.assignment import Assignment
from landscribe.splits.config import SPLITS
from landscribe.splits.strategies import make_splits
from tests.support.indices import make_config, make_grid, make_index, shuffle

INDEX = make_grid(
    15,
    labels=[["forest", "lake"][: 1 + number % 2] for number in range(450)],
    official_split=[(*SPLITS, None)[number % 4] for number in range(450)],
)
STRATEGIES = ("random", "official", "stratified", "spatial")
GOLDEN_NAMES = [f"S2A_MSIL2A_20170613T101031_{number}_{number}" for number in range(12)]


def test_the_random_split_of_twelve_names_never_changes() -> None:
    # A patch that moved from test to train by an update would flatter every score after it, and nobody would notice.
    config = make_config("random", fractions={"val": 0.25, "test": 0.25})
    splits = make_splits(make_index(patch_id=GOLDEN_NAMES), config).splits
    assert [splits[name] for name in GOLDEN_NAMES] == [
        "train", "val", "train", "train", "val", "test", "test", "train", "train", "test", "train", "val",
    ]  # fmt: skip


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_patch_is_in_one_split_or_left_out_with_a_reason(strategy: str) -> None:
    assignment = make_splits(INDEX, make_config(strategy))
    assert list(assignment.splits) == sorted(assignment.splits)
    assert set(assignment.splits) <= set(INDEX["patch_id"])
    assert set(assignment.splits.values()) == set(SPLITS)
    assert len(assignment.splits) + sum(assignment.left_out.values()) == len(INDEX)
    assert all(number > 0 for number in assignment.left_out.values())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_splits_do_not_depend_on_the_order_of_rows(strategy: str) -> None:
    config = make_config(strategy)
    assert make_splits(shuffle(INDEX), config) == make_splits(INDEX, config)


@pytest.mark.parametrize("strategy", ["random", "stratified", "spatial"])
def test_another_seed_is_another_split(strategy: str) -> None:
    first, second = (make_splits(INDEX, make_config(strategy, seed=seed)).splits for seed in (1, 2))
    assert first != second


@pytest.mark.parametrize("strategy", ["random", "stratified"])
@pytest.mark.parametrize("fractions", [(0.1, 0.2), (0, 0), (0, 0.999), (0.5, 0.49), (0.0033, 0.0017), (1 / 3, 1 / 3)])
@pytest.mark.parametrize("number", [1, 2, 3, 7, 300])
def test_sizes_are_within_a_patch_of_the_fractions(strategy: str, fractions: tuple[float, float], number: int) -> None:
    val, test = fractions
    config = make_config(strategy, fractions={"val": val, "test": test})
    sizes = Counter(make_splits(INDEX[:number], config).splits.values())
    assert sum(sizes.values()) == number
    assert abs(sizes["val"] - number * val) <= 1
    assert abs(sizes["test"] - number * test) <= 1
    assert val or not sizes["val"]  # a split that nobody asked for stays empty


def test_a_random_split_mixes_the_neighbours() -> None:
    splits: Assignment = make_splits(INDEX, make_config("random"))
    tests = [name.startswith("S2A") for name, split in splits.splits.items() if split == "test"]
    assert min(Counter(tests).values()) > len(tests) / 4
