"""Rollback: each one undoes one more change of the champion."""

from collections.abc import Sequence

from landscribe.core.errors import PromotionError
from landscribe.registry.champions import LogEntry, append_entry, find_champion, note_moves_by_hand
from landscribe.registry.decision_lock import hold_store
from landscribe.registry.registration import is_loadable
from landscribe.registry.versions import write_tags


def rollback(model_name: str) -> LogEntry:
    """Make the previous champion the champion again and return the entry of the log.

    Nothing is erased from the log. A further rollback goes back one more; a version that was deleted, or whose files
    are missing, is skipped.

    Raises:
        PromotionError: there is no previous champion that could be loaded.
        RegistryError: the registry does not answer.
    """
    with hold_store():
        log = note_moves_by_hand(model_name)
        gone: list[str] = []
        for version in list_earlier(log):
            if is_loadable(model_name, version):
                break
            gone.append(version)
        else:
            lost = f" ({_format_missing(gone)})" if gone else ""
            raise PromotionError(f"registered model '{model_name}' has no previous champion to go back to{lost}.")
        before = find_champion(log)
        why = "nobody was champion" if before is None else f"version {before} was rolled back"
        why += f"; {_format_missing(gone)}" if gone else ""
        entry = append_entry(model_name, log, LogEntry(version=version, kind="rolled back", why=why))
        if before is not None:
            tags = {"to": f"version {version}", "when": entry.when, "by": entry.by}
            write_tags(model_name, before, {f"rolled_back.{key}": value for key, value in tags.items()})
    return entry


def format_rollback(model_name: str, entry: LogEntry) -> str:
    """Return the final sentence: which version is champion again, and why."""
    return f"version {entry.version} of {model_name} is champion again; {entry.why}"


def list_earlier(log: Sequence[LogEntry]) -> list[str]:
    """Return the champions that a rollback can go back to, the most recent first, without those rolled back.

    Args:
        log: oldest entry first.
    """
    line: list[str | None] = []
    for entry in log:
        if entry.kind == "rolled back":
            line = line[:-1]
            while line and line[-1] != entry.version:
                line.pop()
        else:
            line.append(entry.version)
    return [version for version in reversed(line[:-1]) if version not in (None, find_champion(log))]


def _format_missing(versions: Sequence[str]) -> str:
    return f"skipped, as deleted or without files: version {', '.join(versions)}"
