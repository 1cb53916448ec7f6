"""The log of champions: one tag of the registered model per entry, numbered, never changed; and the alias that moves.

The log is stored in the registry, so that every host sees the same one. The alias decides: if it was moved by hand in
the MLflow UI, the move becomes an entry as soon as it is noticed.
"""

import datetime
import getpass
import json
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from landscribe.core.errors import PromotionError, RegistryError
from landscribe.tracking.answering import expect_answer
from landscribe.tracking.registered import CHAMPION, read_alias

ENTRY_TAG = "landscribe.champion."  # followed by the number, six digits
_ALIAS_TRIES = 3
_UNKNOWN = "unknown"  # author of a move by hand: MLflow keeps no name, and who notices it did not make it

Kind = Literal["promoted", "forced", "rolled back", "by hand"]


@dataclass(frozen=True, kw_only=True)
class LogEntry:
    """A change of the champion.

    Attributes:
        version: the new champion; None: there is none.
        kind: of the change.
        why: the reason, as text.
        metric: that the gate decided by, e.g. "test_macro_ap"; "" if nothing was measured.
        score: of the version, in this metric; None: unknown.
        gain: over the champion before, `low` and `high` the ends of its paired interval; None: not compared.
        number: from 1, without a gap; set by `append_entry`, as are `previous`, the champion before, and `when`, an
            ISO 8601 time in UTC, and `by`, user@host; of a move by hand the time at which it was noticed, and
            "unknown".
    """

    version: str | None
    kind: Kind
    why: str
    metric: str = ""
    score: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    number: int = 0
    previous: str | None = None
    when: str = ""
    by: str = ""


def read_log(model_name: str) -> list[LogEntry]:
    """Return the log, oldest entry first; a champion that is not in it, because it was moved by hand, comes last.

    Raises:
        RegistryError: the registry does not answer, or a tag of the log was edited.
    """
    log = _read_stored(model_name)
    champion = read_alias(model_name, CHAMPION)
    version = None if champion is None else str(champion.version)
    if version == find_champion(log):
        return log
    moved = LogEntry(version=version, kind="by hand", why=f"noticed: {_explain_move(log, version)}", by=_UNKNOWN)
    return [*log, _sign(moved, log)]


def note_moves_by_hand(model_name: str) -> list[LogEntry]:
    """Return the log as `read_log` does, and store the entry of a move by hand."""
    log = read_log(model_name)
    _store(model_name, log[len(_read_stored(model_name)) :])
    return log


def append_entry(model_name: str, log: Sequence[LogEntry], entry: LogEntry) -> LogEntry:
    """Store an entry, then move the alias to its version.

    Args:
        model_name: the registered model.
        log: as `note_moves_by_hand` returned it before the decision was made.
        entry: what was decided.

    Raises:
        PromotionError: log or alias have changed since, by another host.
        RegistryError: the registry does not answer.
    """
    check_unchanged(model_name, log)
    signed = _sign(entry, log)
    _store(model_name, [signed])
    with expect_answer("the alias of the champion cannot be moved"):
        _set_alias(model_name, str(entry.version))
    return signed


def check_unchanged(model_name: str, log: Sequence[LogEntry]) -> None:
    """Raise `PromotionError` unless log and alias are still as `note_moves_by_hand` returned them."""
    now = read_log(model_name)
    if now != list(log):
        raise PromotionError(
            f"another host was faster: version {find_champion(now)} of {model_name} is champion since this decision"
            f" began (before: version {find_champion(log)}). Nothing was changed; run the same command again."
        )


def find_champion(log: Sequence[LogEntry]) -> str | None:
    """Return the version that is champion by the log, or None."""
    return log[-1].version if log else None


def read_user() -> str:
    """Return user@host, as far as they are known."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without an entry in passwd
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def read_time() -> str:
    """Return the time in UTC, to the second, ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _explain_move(log: Sequence[LogEntry], version: str | None) -> str:
    if version is None:
        return "the alias was removed, or its version deleted"
    if not log:
        return "the alias was set by hand"
    if version == log[-1].previous:
        return f"the alias is back at version {version}: moved by hand, or a promotion ended before it moved"
    return "the alias was moved by hand"


def _sign(entry: LogEntry, log: Sequence[LogEntry]) -> LogEntry:
    number = log[-1].number + 1 if log else 1
    return replace(entry, number=number, previous=find_champion(log), when=read_time(), by=entry.by or read_user())


def _read_stored(model_name: str) -> list[LogEntry]:
    client = MlflowClient()
    with expect_answer("the log of champions cannot be read"):
        found = client.search_registered_models(f"name = '{model_name}'")
        tags = client.get_registered_model(model_name).tags if found else {}
    log = []
    for key in sorted(key for key in tags if key.startswith(ENTRY_TAG)):
        try:
            log.append(LogEntry(**json.loads(tags[key])))
        except (TypeError, ValueError) as error:
            raise RegistryError(
                f"tag {key} of registered model '{model_name}': expected an entry of the log as JSON; received"
                f" {tags[key]!r}. Fix or delete the tag in the MLflow UI."
            ) from error
    return log


def _store(model_name: str, entries: Sequence[LogEntry]) -> None:
    with expect_answer("the log of champions cannot be written"):
        for entry in entries:
            value = json.dumps(asdict(entry), ensure_ascii=False)
            MlflowClient().set_registered_model_tag(model_name, f"{ENTRY_TAG}{entry.number:06d}", value)


def _set_alias(model_name: str, version: str) -> None:
    """Move the alias; if several processes create aliases at once, the first makes the others fail once."""
    for left in reversed(range(_ALIAS_TRIES)):
        try:
            MlflowClient().set_registered_model_alias(model_name, CHAMPION, version)
            return
        except MlflowException as error:
            if not left or "unique constraint" not in str(error).lower():  # as SQLite and PostgreSQL say it
                raise
