"""The history of a training: one row of numbers per epoch, as CSV."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from landscribe.core.files import replacing


def write_history(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write one row per epoch, atomically; the first row names the columns."""
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)


def read_history(path: Path) -> list[Mapping[str, float]]:
    """Return the rows of history.csv as numbers."""
    with path.open(newline="", encoding="utf-8") as stream:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]
