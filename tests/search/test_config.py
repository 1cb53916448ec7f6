"""Section `search`: every mistake is one sentence before any work."""

from typing import Any

import pytest
from pydantic import ValidationError

from landscribe.core.errors import ParamsError
from landscribe.core.params import parse_section
from landscribe.search.config import Hyperparameter, SearchConfig
from tests.support.searches import make_search

MISTAKES: dict[str, tuple[Any, str]] = {
    "neither": ({}, "expected either a list of choices, or both low and high"),
    "half a range": ({"low": 0.1}, "expected either a list of choices, or both low and high"),
    "both": ({"choices": [1], "low": 0, "high": 1}, "expected either a list of choices, or both low and high"),
    "no choice": ([], "expected one choice or more"),
    "a choice twice": ([1, 2, 1], "each once"),
    "a list as a choice": ([[1, 2]], "valid"),
    "a logarithm of choices": ({"choices": [1, 2], "log": True}, "belong to a range"),
    "upside down": ({"low": 2, "high": 1}, "expected low below high"),
    "nothing between": ({"low": 1.0, "high": 1.0}, "expected low below high"),
    "the logarithm of zero": ({"low": 0.0, "high": 1.0, "log": True}, "expected low above 0 and no step"),
    "steps of a logarithm": ({"low": 1, "high": 9, "log": True, "step": 2}, "expected low above 0 and no step"),
    "a step that misses high": ({"low": 0.0, "high": 1.0, "step": 0.3}, "in whole steps"),
    "a step beyond high": ({"low": 0, "high": 1, "step": 2}, "in whole steps"),
    "a step of zero": ({"low": 0, "high": 1, "step": 0}, "in whole steps"),
    "infinity": ({"low": 0.0, "high": float("inf")}, "finite"),
    "another backbone": ({"choices": [1, 2], "backbones": ["VGG16"]}, "out of search.backbones"),
    "no backbone": ({"choices": [1, 2], "backbones": []}, "at least 1 item"),
    "an unknown key": ({"lo": 1, "high": 2}, "unknown key"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_space_is_named(name: str) -> None:
    entry, words = MISTAKES[name]
    params = {"search": make_search().model_dump() | {"space": {"dropout": entry}}}
    with pytest.raises(ParamsError, match=words) as caught:
        parse_section(params, "search", SearchConfig)
    assert "space.dropout" in str(caught.value)


def test_a_bare_list_is_one_of_choices() -> None:
    assert make_search(space={"dropout": [0.0, 0.1]}).space == {"dropout": Hyperparameter(choices=[0.0, 0.1])}


def test_whole_numbers_stay_whole() -> None:
    entry = make_search(space={"batch_size_patches": {"low": 8, "high": 64, "step": 8}}).space["batch_size_patches"]
    assert [type(value) for value in (entry.low, entry.high, entry.step)] == [int, int, int]


@pytest.mark.parametrize("pruning", [{"startup_trials": 0, "warmup_epochs": 1}, {"startup_trials": 1}, "median", True])
def test_impossible_pruning_is_refused(pruning: Any) -> None:
    with pytest.raises(ValidationError):
        make_search(pruning=pruning)
