"""The log of champions: numbered entries in the registry, in order, honest about the alias."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from landscribe.core.errors import PromotionError, RegistryError
from landscribe.core.files import compute_digest
from landscribe.registry import champions
from landscribe.registry.champions import ENTRY_TAG, LogEntry, append_entry, find_champion, note_moves_by_hand, read_log
from landscribe.tracking.registered import CHAMPION
from landscribe.tracking.store import open_store

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(7)

NUM_VERSIONS = 3


@pytest.fixture
def name(request: pytest.FixtureRequest, store: Path) -> str:
    """A registered model of the test's own, with versions 1 to 3."""
    open_store()
    name = compute_digest(request.node.name)
    client = MlflowClient()
    client.create_registered_model(name)
    for _ in range(NUM_VERSIONS):
        client.create_model_version(name, "runs:/0/model")
    return name


def append(name: str, version: str, **values: object) -> LogEntry:
    """Promote a version."""
    entry = LogEntry(version=version, kind="promoted", why="better", **values)  # type: ignore[arg-type]
    return append_entry(name, note_moves_by_hand(name), entry)


def read_alias(name: str) -> str:
    """Return the version under the alias."""
    return str(MlflowClient().get_model_version_by_alias(name, CHAMPION).version)


def test_entries_are_read_back_in_order_with_who_and_when(name: str) -> None:
    written = [append(name, version, score=0.5, gain=0.1) for version in ("1", "3", "2")]
    assert read_log(name) == written
    assert [entry.number for entry in written] == [1, 2, 3]
    assert [entry.previous for entry in written] == [None, "1", "3"]
    assert all("@" in entry.by and entry.when.endswith("+00:00") for entry in written)
    assert read_alias(name) == find_champion(written) == "2"


def test_an_unknown_model_has_an_empty_log(store: Path) -> None:
    assert read_log("never registered") == []
    assert find_champion([]) is None


def test_more_entries_than_a_tag_has_room_for_are_kept(name: str) -> None:
    client = MlflowClient()
    for number in range(1, 121):
        entry = replace(LogEntry(version="1", kind="forced", why="x" * 1000), number=number)
        client.set_registered_model_tag(name, f"{ENTRY_TAG}{number:06d}", json.dumps(vars(entry)))
    client.set_registered_model_alias(name, CHAMPION, "1")
    assert append(name, "2").number == 121
    assert [entry.number for entry in read_log(name)] == list(range(1, 122))


@pytest.mark.parametrize(
    ("moved_to", "words"),
    [
        ("3", "the alias was moved by hand"),
        ("1", "the alias is back at version 1: moved by hand, or a promotion ended before it moved"),
        (None, "the alias was removed, or its version deleted"),
    ],
)
def test_an_alias_moved_by_hand_is_shown_at_once_and_stored_with_the_next_change(
    name: str, moved_to: str | None, words: str
) -> None:
    for version in ("1", "2"):
        append(name, version)
    client = MlflowClient()
    if moved_to is None:
        client.delete_registered_model_alias(name, CHAMPION)
    else:
        client.set_registered_model_alias(name, CHAMPION, moved_to)
    noticed = read_log(name)[-1]
    assert (noticed.number, noticed.kind, noticed.previous, noticed.version) == (3, "by hand", "2", moved_to)
    assert (noticed.why, noticed.by) == (f"noticed: {words}", "unknown")  # whoever reads did not move it
    assert len(champions._read_stored(name)) == 2
    append(name, "2")
    assert [entry.kind for entry in champions._read_stored(name)] == ["promoted", "promoted", "by hand", "promoted"]


def test_an_alias_that_was_there_before_the_log_is_its_first_entry(name: str) -> None:
    MlflowClient().set_registered_model_alias(name, CHAMPION, "2")
    assert [(entry.version, entry.why) for entry in note_moves_by_hand(name)] == [
        ("2", "noticed: the alias was set by hand")
    ]
    assert note_moves_by_hand(name) == champions._read_stored(name)


def test_who_decided_on_an_older_log_is_told_and_changes_nothing(name: str) -> None:
    append(name, "1")
    seen = note_moves_by_hand(name)
    append(name, "2")  # another host
    before = read_log(name)
    with pytest.raises(PromotionError, match=r"another host was faster: version 2 .* is champion .*before: version 1"):
        append_entry(name, seen, LogEntry(version="3", kind="promoted", why="better"))
    assert read_log(name) == before
    assert read_alias(name) == "2"


def test_the_first_of_several_aliases_at_once_is_tried_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = MlflowClient.set_registered_model_alias
    failures: list[tuple[str, ...]] = []

    def fail_once(client: MlflowClient, *words: str) -> None:
        if not failures:
            failures.append(words)
            raise MlflowException("(sqlite3.IntegrityError) UNIQUE constraint failed: registered_model_aliases.name")
        whole(client, *words)

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", fail_once)
    append(name, "1")
    assert failures
    assert read_alias(name) == "1"


def test_a_tag_that_was_edited_is_named(name: str) -> None:
    append(name, "1")
    MlflowClient().set_registered_model_tag(name, f"{ENTRY_TAG}000001", '{"version": "1"}')
    with pytest.raises(RegistryError, match=r"tag landscribe\.champion\.000001 .* Fix or delete"):
        read_log(name)
