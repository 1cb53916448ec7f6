"""Every class of at least 20 patches is within 15 % of its share in each split, or 2 patches if that is more."""

import numpy as np
import pytest

from landscribe.splits.config import SPLITS
from landscribe.splits.strategies import make_splits
from tests.support.indices import make_config, make_index, shuffle

FRACTIONS = [(0.05, 0.05), (0.1, 0.2), (0.1, 0.1), (0.25, 0.25), (0.02, 0.3), (0.0, 0.2), (1 / 3, 1 / 3)]


def draw_scenes(rng: np.random.Generator, num_patches: int, num_classes: int) -> np.ndarray:
    """Return bool [patch, class]: some kinds of scenes, each with classes of its own; some classes imply others."""
    num_kinds = int(rng.integers(2, 12))
    chances = 10 ** rng.uniform(-3, -0.3, (num_kinds, num_classes)) * (rng.random((num_kinds, num_classes)) < 0.4)
    kinds = rng.choice(num_kinds, num_patches, p=rng.dirichlet(np.full(num_kinds, 0.5)))
    member: np.ndarray = rng.random((num_patches, num_classes)) < 2 * chances[kinds]
    for _ in range(num_classes // 4):
        implied, implying = rng.choice(num_classes, 2, replace=False)
        member[:, implied] |= member[:, implying]
    return member


def draw_tree(rng: np.random.Generator, num_patches: int, num_classes: int) -> np.ndarray:
    """Return bool [patch, class]: a rare class always comes with the broader ones above it."""
    above = np.eye(num_classes, dtype=np.bool_)
    for number in range(1, num_classes):
        above[number] |= above[rng.integers(number)]
    leaves = rng.choice(num_classes, num_patches, p=rng.dirichlet(np.full(num_classes, 0.3)))
    member: np.ndarray = above[leaves] | (rng.random((num_patches, num_classes)) < 0.02)
    return member


@pytest.mark.parametrize("seed", range(70))
def test_classes_keep_their_share_and_splits_their_size(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_patches, num_classes = int(rng.choice([60, 100, 300, 1000])), int(rng.choice([5, 17, 19, 43]))
    member = (draw_tree if seed % 2 else draw_scenes)(rng, num_patches, num_classes)
    val, test = FRACTIONS[seed % len(FRACTIONS)]
    labels = [[f"class {column}" for column in np.flatnonzero(row)] for row in member]
    index = make_index(patch_id=[f"p{number:05}" for number in range(num_patches)], labels=labels)
    assignment = make_splits(index, make_config("stratified", fractions={"val": val, "test": test}, seed=seed))
    assert assignment.warnings == []
    chosen = np.array(list(assignment.splits.values()))
    large = member.sum(axis=0) >= 20
    for split, share in zip(SPLITS, (1 - val - test, val, test), strict=True):
        wanted = share * member[:, large].sum(axis=0)
        counts = member[chosen == split][:, large].sum(axis=0)
        assert (np.abs(counts - wanted) <= np.maximum(0.15 * wanted, 2) + 1e-9).all()
        assert abs(np.count_nonzero(chosen == split) - share * num_patches) <= 1 + 1e-9


def test_the_stratified_split_of_twelve_patches_never_changes() -> None:
    names = [f"S2A_MSIL2A_20170613T101031_{number}_{number}" for number in range(12)]
    labels = [["forest"] * (number % 2) + ["lake"] * (number % 3 == 0) for number in range(12)]
    config = make_config("stratified", fractions={"val": 0.25, "test": 0.25})
    splits = make_splits(shuffle(make_index(patch_id=names, labels=labels)), config).splits
    assert [splits[name] for name in names] == [
        "val", "val", "test", "test", "train", "train", "train", "val", "train", "train", "test", "train",
    ]  # fmt: skip


def test_a_promise_that_cannot_be_kept_is_told() -> None:
    # Sixty classes, each on two patches of five, are too many ties for sixty patches.
    member = np.random.default_rng(0).random((60, 60)) < 0.4
    labels = [[f"class {column}" for column in np.flatnonzero(row)] for row in member]
    index = make_index(patch_id=[f"p{number}" for number in range(60)], labels=labels)
    warnings = make_splits(index, make_config("stratified", fractions={"val": 0.33, "test": 0.33})).warnings
    assert len(warnings) == 1
    assert warnings[0].startswith("some splits have over 15% more or less than their share of: class ")
