"""Tables for Markdown and for the terminal; text escaped for Markdown."""

import itertools
import re
import textwrap
from collections.abc import Iterable, Sequence

_GAP = "\u00a0" * 2  # MLflow's pages set the columns of a table against each other


def escape(text: str) -> str:
    """Return text escaped for Markdown and its tables, on one line: a class may be named `*` or `<b>`."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|~])", r"\\\1", plain)


def make_markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table; the cells are Markdown already."""
    first, *others = (f"| {f'{_GAP} | '.join(cells)} |" for cells in (header, *rows))
    return [first, f"|{' --- |' * len(header)}", *others]


_MAX_CELL = 44  # characters of a line of a cell
_NUMBER = re.compile(r"[-+]?[\d,]*\.?\d+( ?%)?")


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table; a column whose cells are numbers, or empty, is aligned on the right."""
    right = [all(not cell or _NUMBER.fullmatch(cell) for cell in column) for column in zip(*rows, strict=True)]
    wrapped = [[textwrap.wrap(cell, _MAX_CELL) or [""] for cell in row] for row in (header, *rows)]
    widths = [max(len(line) for cell in column for line in cell) for column in zip(*wrapped, strict=True)]
    lines = [
        "  ".join(
            part.rjust(width) if is_number else part.ljust(width)
            for part, width, is_number in zip(parts, widths, right, strict=True)
        ).rstrip()
        for row in wrapped
        for parts in itertools.zip_longest(*row, fillvalue="")
    ]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    height = max(map(len, wrapped[0]))
    return [rule, *lines[:height], rule, *lines[height:], rule]
