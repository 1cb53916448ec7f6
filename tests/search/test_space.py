"""Dimensions: drawn inside, of the right type; what they contain is what they draw."""

import optuna
import pytest

from landscribe.search.config import Scalar
from landscribe.search.space import Dimension

DIMENSIONS = {
    "choices": Dimension("a", choices=("x", 1, None, True, 0.5)),
    "whole numbers": Dimension("a", low=1, high=9),
    "whole numbers by step": Dimension("a", low=8, high=64, step=8),
    "whole numbers on a logarithmic scale": Dimension("a", low=1, high=1000, log=True),
    "numbers": Dimension("a", low=-1.0, high=2.0),
    "numbers by step": Dimension("a", low=0.0, high=0.5, step=0.1),
    "numbers on a logarithmic scale": Dimension("a", low=1e-6, high=1.0, log=True),
}


def draw(dimension: Dimension, seed: int) -> Scalar:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
    return dimension.suggest(study.ask())


@pytest.mark.parametrize("name", DIMENSIONS)
def test_what_is_drawn_is_contained_and_of_the_type_of_the_ends(name: str) -> None:
    dimension = DIMENSIONS[name]
    drawn = [draw(dimension, seed) for seed in range(40)]
    assert all(dimension.contains(value) for value in drawn)
    assert len(set(drawn)) > 3
    if not dimension.choices:
        assert {type(value) for value in drawn} == {type(dimension.low)}


@pytest.mark.parametrize("name", [name for name in DIMENSIONS if name != "choices"])
def test_ends_are_contained_and_what_lies_beyond_is_not(name: str) -> None:
    dimension = DIMENSIONS[name]
    assert dimension.contains(dimension.low)
    assert dimension.contains(dimension.high)
    for value in (dimension.low - 1, dimension.high + 1, "x", None, True):
        assert not dimension.contains(value)


def test_what_lies_between_steps_is_not_contained() -> None:
    assert not DIMENSIONS["numbers by step"].contains(0.25)
    assert not DIMENSIONS["whole numbers by step"].contains(12)
    assert DIMENSIONS["numbers by step"].contains(0.30000000000000004)
