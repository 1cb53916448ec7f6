"""What trials may vary: keys and values of the section `train`, checked one by one and in pairs."""

from typing import Any

import pytest

from landscribe.core.errors import ParamsError
from landscribe.runtime.progress import make_logger
from landscribe.search.space import Dimension
from landscribe.search.variation import make_space, warn_of_baseline
from tests.support.model_fixtures import make_train_config
from tests.support.searches import make_search

TRAIN = make_train_config(learning_rate=2e-3, dropout=0.1, weight_decay=0.0, batch_size_patches=16)

REFUSED: dict[str, tuple[str, Any, str]] = {
    "mistyped": ("drop_out", [0.1], "Did you mean 'dropout'"),
    "a group": ("loss", ["bce"], "Name one of its values: loss.name"),
    "a key of its own": ("learning_rate", [0.1], "its range is search.learning_rate"),
    "chance": ("seed", [1, 2], "a lucky one makes no better model"),
    "the machine": ("deterministic", [True], "how to compute"),
    "random features": ("freeze_epochs", [0, 1], "set train.weights"),
    "a head on random features": ("probe_penalty", [0.0, 0.5], "name train.weights"),
    "a value": ("dropout", [0.1, 1.5], "dropout: 1.5: expected less than 1"),
    "an end": ("dropout", {"low": -0.1, "high": 0.5}, "dropout: -0.1"),
    "a word for a number": ("dropout", ["much"], "valid number"),
    "a fraction for a whole number": ("batch_size_patches", {"low": 8.5, "high": 16.5}, "valid integer"),
    "a step between whole numbers": ("batch_size_patches", {"low": 8, "high": 9, "step": 0.5}, "so is its step"),
    "an unknown word": ("loss.name", ["bce", "hinge"], "'bce', 'weighted_bce', 'focal' or 'asymmetric'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_trials_cannot_vary_is_refused_with_its_name(name: str) -> None:
    key, entry, words = REFUSED[name]
    with pytest.raises(ParamsError, match=words) as caught:
        make_space(make_search(space={key: entry}), TRAIN)
    assert f"search.space.{key}" in str(caught.value)


def test_values_that_do_not_go_together_are_refused() -> None:
    space = {"optimizer": ["AdamW", "SGD"], "weight_decay": {"low": 0.0, "high": 0.1}}
    for key, entry in space.items():  # each alone is possible
        make_space(make_search(space={key: entry}), TRAIN)
    with pytest.raises(ParamsError, match=r"optimizer: SGD, weight_decay: 0\.1"):
        make_space(make_search(space=space), TRAIN)


def test_numbers_take_the_type_of_the_section() -> None:
    space = {"weight_decay": {"low": 0, "high": 1}, "clip_norm": [0, 1], "batch_size_patches": {"low": 8, "high": 32}}
    found = {dimension.key: dimension for dimension in make_space(make_search(space=space), TRAIN).dimensions}
    assert [type(found["weight_decay"].low), type(found["weight_decay"].high)] == [float, float]
    assert [type(choice) for choice in found["clip_norm"].choices] == [float, float]
    assert type(found["batch_size_patches"].low) is int


def test_baselines_are_the_section_train_with_each_backbone_its_own_first() -> None:
    space = {"dropout": [0.1, 0.3], "loss.name": {"choices": ["bce", "focal"], "backbones": ["ResNet50"]}}
    train = TRAIN.vary({"backbone": "ResNet50"})
    first, second = make_space(make_search(space=space), train).baselines
    assert first == {"backbone": "ResNet50", "learning_rate": 2e-3, "dropout": 0.1, "loss.name": "bce"}
    assert second == {"backbone": "SmallResNet", "learning_rate": 2e-3, "dropout": 0.1}


@pytest.mark.parametrize(
    ("changed", "num_baselines", "said"),
    [
        ({}, 2, ""),
        ({"learning_rate": {"low": 1e-5, "high": 1e-3}}, 0, "learning_rate: 0.002"),
        ({"backbones": ["ResNet50"]}, 1, "backbone: SmallResNet"),
        ({"space": {"dropout": [0.2]}}, 0, "dropout: 0.1"),
        ({"space": {"dropout": {"choices": [0.2], "backbones": ["SmallResNet"]}}}, 1, "dropout: 0.1"),
        ({"space": {"dropout": {"choices": [0.2], "backbones": ["ResNet50"]}}}, 1, ""),
    ],
)
def test_a_baseline_outside_is_no_trial_and_this_is_said(
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, Any],
    num_baselines: int,
    said: str,
) -> None:
    monkeypatch.setattr(make_logger("search"), "propagate", True)
    space = make_space(make_search(**changed), TRAIN)
    assert len(space.baselines) == num_baselines
    warn_of_baseline(space, TRAIN)
    assert said in caplog.text
    assert bool(said) == bool(caplog.messages)
    assert bool(said) == (space.baselines[:1] != [read_baseline(space.dimensions)])


def read_baseline(dimensions: Any) -> dict[str, Any]:
    """Return the values of TRAIN under the keys that its backbone varies."""
    known = {"backbone": "SmallResNet", "learning_rate": 2e-3, "dropout": 0.1}
    varied: list[Dimension] = [dimension for dimension in dimensions if dimension.is_for("SmallResNet")]
    return {dimension.key: known[dimension.key] for dimension in varied}
