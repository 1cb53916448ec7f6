"""The log of champions as a table for the terminal."""

from collections.abc import Sequence

from landscribe.figures.tables import format_table
from landscribe.registry.champions import LogEntry, find_champion


def format_history(model_name: str, log: Sequence[LogEntry]) -> str:
    """Return the champions, oldest first; the present one is marked with `*`."""
    if not log:
        return f"registered model '{model_name}' has had no champion yet; make one with landscribe promote."
    header = ("", "when", "version", "how", "why", "score", "gain", "by")
    rows = [
        (
            str(entry.number),
            entry.when.replace("T", " ").removesuffix("+00:00"),
            "nobody" if entry.version is None else entry.version + ("*" if entry is log[-1] else ""),
            entry.kind,
            entry.why,
            "" if entry.score is None else f"{entry.metric} {entry.score:.4f}",
            "" if entry.gain is None else f"{entry.gain:+.4f} [{entry.low:+.4f}, {entry.high:+.4f}]",
            entry.by,
        )
        for entry in log
    ]
    champion = find_champion(log)
    now = "nobody is champion" if champion is None else f"* version {champion} is champion"
    return "\n".join([f"Champions of {model_name}, times in UTC", *format_table(header, rows), now])
