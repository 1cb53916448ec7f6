"""Tables for the terminal: the columns as wide as their words, long cells on several lines."""

import itertools
import textwrap
from collections.abc import Sequence

from landscribe.tracking.champions import Entry, find_champion

_MAX_CELL = 44  # characters of a line of a cell


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table."""
    wrapped = [[textwrap.wrap(cell, _MAX_CELL) or [""] for cell in row] for row in (header, *rows)]
    widths = [max(len(line) for cell in column for line in cell) for column in zip(*wrapped, strict=True)]
    lines = [
        "  ".join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()
        for row in wrapped
        for parts in itertools.zip_longest(*row, fillvalue="")
    ]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    height = max(map(len, wrapped[0]))
    return [rule, *lines[:height], rule, *lines[height:], rule]


def format_history(model_name: str, log: Sequence[Entry]) -> str:
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
