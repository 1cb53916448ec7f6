"""Pieces of Markdown, without HTML: text that no character of formats, and tables."""

import re
from collections.abc import Iterable, Sequence

_GAP = "\u00a0" * 2  # MLflow's pages set the columns of a table against each other


def escape(text: str) -> str:
    """Return text as Markdown shows it, in a table too, on one line: a class may be named `*` or `<b>`."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|~])", r"\\\1", plain)


def make_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table; the cells are Markdown already."""
    first, *others = (f"| {f'{_GAP} | '.join(cells)} |" for cells in (header, *rows))
    return [first, f"|{' --- |' * len(header)}", *others]
