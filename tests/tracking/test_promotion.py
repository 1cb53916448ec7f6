"""Promotion: a gate on the test score, an alias that moves, a log that is honest, a way back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from landscribe.errors import RegistryError
from landscribe.tracking.promotion import promote, read_log, rollback
from landscribe.tracking.registry import CHAMPION, read_alias, register
from landscribe.tracking.store import open_store
from tests.model_fixtures import make_candidate

pytest_plugins = ["tests.model_fixtures"]

Register = Callable[..., int]


@pytest.fixture
def name(request: pytest.FixtureRequest, store: Path) -> str:
    """A registered model of the test's own."""
    return str(request.node.name)


@pytest.fixture
def challenge(name: str, tmp_path: Path) -> Register:
    """Registers a challenger with this score and returns its version."""
    path = tmp_path / "model.keras"
    path.write_bytes(b"weights")
    experiment = open_store()
    run_id = MlflowClient().create_run(experiment).info.run_id

    def make(test_macro_ap: float, **changed: Any) -> int:
        return int(register(make_candidate(path, test_macro_ap, **changed), name, run_id)["version"])

    return make


def read_champion(name: str) -> int | None:
    """Return the champion's version."""
    version = read_alias(name, CHAMPION)
    return int(version.version) if version else None


def test_the_first_challenger_passes(name: str, challenge: Register) -> None:
    challenge(0.01)
    said = promote(name, None)
    assert read_champion(name) == 1
    assert said == f"version 1 of {name} is champion (first champion); test_macro_ap 0.0100"


def test_a_better_challenger_passes(name: str, challenge: Register) -> None:
    for score in (0.5, 0.5001):
        challenge(score)
        promote(name, None)
    assert read_champion(name) == 2
    assert [(entry["version"], entry["test_macro_ap"]) for entry in read_log(name)] == [("1", 0.5), ("2", 0.5001)]


@pytest.mark.parametrize("score", [0.5, 0.25])
def test_a_challenger_that_is_not_better_is_refused_with_both_numbers(
    name: str, challenge: Register, score: float
) -> None:
    challenge(0.5)
    promote(name, None)
    challenge(score, threshold=0.123)
    with pytest.raises(
        RegistryError, match=rf"version 2 is not better.*above 0\.5000.*version 1.*received {score:.4f}"
    ):
        promote(name, None)
    assert read_champion(name) == 1
    assert len(read_log(name)) == 1


def test_a_score_that_is_no_number_never_passes(name: str, challenge: Register) -> None:
    challenge(0.5)
    promote(name, None)
    challenge(float("nan"), threshold=0.1)
    with pytest.raises(RegistryError, match="not better"):
        promote(name, None)


def test_a_forced_challenger_passes_and_the_reason_is_kept(name: str, challenge: Register) -> None:
    challenge(0.5)
    promote(name, None)
    challenge(0.4)
    promote(name, "the old one is biased; see minutes")
    assert read_champion(name) == 2
    assert read_log(name)[-1]["why"] == "forced: the old one is biased; see minutes"


def test_force_leaves_no_trace_where_it_was_not_needed(name: str, challenge: Register) -> None:
    for score in (0.5, 0.6):
        challenge(score)
        promote(name, "just to be sure")
    assert [entry["why"] for entry in read_log(name)] == ["first champion", "test_macro_ap above version 1"]


@pytest.mark.parametrize("force", [None, "I want it"])
def test_other_classes_are_always_refused_with_the_key_that_helps(
    name: str, challenge: Register, force: str | None
) -> None:
    challenge(0.5)
    promote(name, None)
    challenge(0.9, classes=("water", "forest"))  # the order counts
    with pytest.raises(RegistryError, match=r"expected forest; water\..*has water; forest\..*register\.model_name"):
        promote(name, force)
    assert read_champion(name) == 1


def test_scores_on_other_test_records_are_not_compared(name: str, challenge: Register) -> None:
    challenge(0.5)
    promote(name, None)
    challenge(0.9, test_digest="other records")
    with pytest.raises(RegistryError, match="different test patches"):
        promote(name, None)
    promote(name, "the archive has grown")
    assert read_champion(name) == 2


def test_there_must_be_a_challenger(name: str) -> None:
    with pytest.raises(RegistryError, match="no challenger"):
        promote(name, None)
    with pytest.raises(RegistryError, match="no previous champion"):
        rollback(name)


def test_the_champion_is_not_promoted_over_itself(name: str, challenge: Register) -> None:
    challenge(0.5)
    promote(name, None)
    with pytest.raises(RegistryError, match="champion already"):
        promote(name, None)
    assert len(read_log(name)) == 1


def test_rollback_undoes_promotions_one_by_one(name: str, challenge: Register) -> None:
    for score in (0.5, 0.6, 0.7):
        challenge(score)
        promote(name, None)
    assert rollback(name) == f"version 2 of {name} is champion again; version 3 was rolled back"
    assert read_champion(name) == 2
    rollback(name)
    assert read_champion(name) == 1
    with pytest.raises(RegistryError, match="no previous champion"):
        rollback(name)
    assert promote(name, None).startswith("version 3")  # still the challenger, and better than version 1
    assert [entry["version"] for entry in read_log(name)] == ["1", "3"]


def test_an_alias_moved_by_hand_is_honoured(name: str, challenge: Register) -> None:
    for score in (0.5, 0.6):
        challenge(score)
        promote(name, None)
    MlflowClient().set_registered_model_alias(name, CHAMPION, "1")
    challenge(0.55)  # better than version 1, not than version 2
    promote(name, None)
    log = read_log(name)
    assert [entry["version"] for entry in log] == ["1", "2", "1", "3"]
    assert log[2]["why"] == "alias moved by hand"
    rollback(name)
    assert read_champion(name) == 1


def test_a_previous_champion_that_was_deleted_is_said(name: str, challenge: Register) -> None:
    for score in (0.5, 0.6):
        challenge(score)
        promote(name, None)
    MlflowClient().delete_model_version(name, "1")
    with pytest.raises(RegistryError, match=r"version 1 .* was deleted"):
        rollback(name)
    assert read_champion(name) == 2
