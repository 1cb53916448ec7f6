"""The way back: one change further with each rollback, over versions that are gone, never to what was undone."""

import pytest
from mlflow import MlflowClient

from landscribe.core.errors import PromotionError
from landscribe.registry.champions import Kind, LogEntry, read_log
from landscribe.registry.rollback import format_rollback, list_earlier, rollback
from landscribe.tracking.registered import CHAMPION
from tests.support.challengers import Challenge

pytest_plugins = ["tests.support.model_fixtures", "tests.support.challengers"]
pytestmark = pytest.mark.slow(10)


def make_log(*changes: tuple[Kind, str | None]) -> list[LogEntry]:
    """Return a log of these changes."""
    return [
        LogEntry(version=version, kind=kind, why="", number=number)
        for number, (kind, version) in enumerate(changes, start=1)
    ]


def promote_all(challenge: Challenge, *qualities: float) -> None:
    """Promote challengers of these qualities one after another."""
    for quality in qualities:
        challenge.register(quality)
        challenge.promote("order of the test")


@pytest.mark.parametrize(
    ("changes", "earlier"),
    [
        ([], []),
        ([("promoted", "1")], []),
        ([("promoted", "1"), ("forced", "2"), ("promoted", "3")], ["2", "1"]),
        ([("promoted", "1"), ("promoted", "2"), ("promoted", "3"), ("rolled back", "2")], ["1"]),
        ([("promoted", "1"), ("promoted", "2"), ("rolled back", "1")], []),
        ([("promoted", "1"), ("promoted", "2"), ("rolled back", "1"), ("promoted", "3")], ["1"]),
        ([("promoted", "1"), ("promoted", "2"), ("promoted", "3"), ("rolled back", "1")], []),  # 2 was skipped
        ([("promoted", "1"), ("promoted", "2"), ("by hand", "1")], ["2"]),
        ([("promoted", "1"), ("promoted", "2"), ("by hand", None)], ["2", "1"]),
        ([("promoted", "1"), ("by hand", None), ("by hand", "1")], []),
        ([("rolled back", "1"), ("promoted", "2")], []),  # a log whose beginning was deleted
    ],
)
def test_what_was_rolled_back_is_never_gone_back_to(changes: list[tuple[Kind, str | None]], earlier: list[str]) -> None:
    assert list_earlier(make_log(*changes)) == earlier


def test_rollback_undoes_one_change_after_another_and_erases_nothing(challenge: Challenge) -> None:
    promote_all(challenge, 0.3, 0.6, 0.9)
    said = format_rollback(challenge.name, rollback(challenge.name))
    assert said == f"version 2 of {challenge.name} is champion again; version 3 was rolled back"
    assert challenge.read_champion() == "2"
    rollback(challenge.name)
    assert challenge.read_champion() == "1"
    with pytest.raises(PromotionError, match="no previous champion to go back to"):
        rollback(challenge.name)
    assert challenge.promote().challenger == "3"  # still the challenger, and better than version 1
    log = read_log(challenge.name)
    assert [(entry.number, entry.previous, entry.version) for entry in log] == [
        (1, None, "1"), (2, "1", "2"), (3, "2", "3"), (4, "3", "2"), (5, "2", "1"), (6, "1", "3"),
    ]  # fmt: skip
    assert challenge.read_tags("3")["rolled_back.to"] == "version 2"


def test_a_version_that_is_gone_is_passed_over_and_said(challenge: Challenge) -> None:
    promote_all(challenge, 0.3, 0.6, 0.9)
    MlflowClient().delete_model_version(challenge.name, "2")
    said = format_rollback(challenge.name, rollback(challenge.name))
    assert said.startswith(f"version 1 of {challenge.name} is champion again; version 3 was rolled back;")
    assert said.endswith("skipped, as deleted or without files: version 2")
    assert challenge.read_champion() == "1"


def test_where_every_earlier_one_is_gone_the_champion_stays(challenge: Challenge) -> None:
    promote_all(challenge, 0.3, 0.6)
    MlflowClient().delete_model_version(challenge.name, "1")
    with pytest.raises(PromotionError, match=r"no previous champion to go back to \(.*without files: version 1\)"):
        rollback(challenge.name)
    assert challenge.read_champion() == "2"


def test_an_alias_that_was_taken_away_comes_back(challenge: Challenge) -> None:
    promote_all(challenge, 0.3, 0.6)
    MlflowClient().delete_registered_model_alias(challenge.name, CHAMPION)
    said = format_rollback(challenge.name, rollback(challenge.name))
    assert said == f"version 2 of {challenge.name} is champion again; nobody was champion"
    assert [entry.kind for entry in read_log(challenge.name)[2:]] == ["by hand", "rolled back"]


def test_there_must_be_a_previous_champion(challenge: Challenge) -> None:
    for _ in range(2):
        with pytest.raises(PromotionError, match="no previous champion"):
            rollback(challenge.name)
        challenge.register(0.5)
        challenge.promote()
