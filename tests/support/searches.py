"""What the tests of the search share: a database of its own, trials that take no time. PYTEST_DONT_REWRITE."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from landscribe.search.config import SearchConfig
from landscribe.search.space import Dimension, Space, Values
from landscribe.search.study import Study

BASELINES: tuple[Values, ...] = tuple(
    {"backbone": backbone, "learning_rate": 2e-3} for backbone in ("SmallResNet", "ResNet50")
)
SPACE = Space(
    (
        Dimension("backbone", choices=("SmallResNet", "ResNet50")),
        Dimension("learning_rate", low=1e-4, high=1e-2, log=True),
    ),
    BASELINES,
)
Objective = Callable[[Mapping[str, Any]], float]


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of an empty database of studies."""
    path = tmp_path / "studies.db"
    monkeypatch.setenv("OPTUNA_STORAGE", f"sqlite:///{path}")
    return path


def make_search(**changed: Any) -> SearchConfig:
    """Return a section `search` with some values changed."""
    values = {
        "trials": 4,
        "backbones": ["SmallResNet", "ResNet50"],
        "learning_rate": {"low": 1e-4, "high": 1e-2},
        "space": {},
        "epochs": 3,
        "pruning": None,
        "seed": 1,
    }
    return SearchConfig.model_validate(values | changed)


def open_study(name: str = "study", space: Space = SPACE, **changed: Any) -> Study:
    """Open a study as a new process would."""
    return Study(name, make_search(**changed), space)


def score(values: Mapping[str, Any]) -> float:
    """Return a result that is best at 1e-3 with ResNet50."""
    distance = abs(math.log10(values["learning_rate"]) + 3)
    return 0.9 - 0.1 * distance - (0.05 if values["backbone"] == "SmallResNet" else 0.0)


def answer(study: Study, num_trials: int | None = None, objective: Objective = score) -> list[Mapping[str, Any]]:
    """Do so many trials, or all that are missing, one after another; return their values."""
    asked: list[Mapping[str, Any]] = []
    while num_trials is None or len(asked) < num_trials:
        with study.claim("this one") as trial:
            if trial is None:
                break
            asked.append(trial.values)
            value = objective(trial.values)
            last = study.config.epochs
            pruned = any(trial.report(epoch, value * epoch / last) for epoch in range(1, last))
            if not pruned:
                trial.report(last, value)
            trial.tell("PRUNED" if pruned else "COMPLETE", None if pruned else value)
    return asked


def list_values(study: Study) -> list[tuple[Any, ...]]:
    """Return the values of the answered trials, sorted."""
    return sorted((t.params["learning_rate"], t.params["backbone"]) for t in study.list_answered())
