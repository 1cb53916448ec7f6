"""A table whose rows take long: each is written when it is done, and a later run makes only those that are missing.

A row is made in a folder of its own, which stays until the row is written. After a kill the next run of the same commit
goes on in that folder; of another commit it starts the row again.
"""

import csv
import dataclasses
import re
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import psutil

from landscribe.core.files import read_json, replacing, write_json

MakeRow = Callable[[Path], float]
"""Folder of the row, new or left by a run that was killed -> the value."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One row.

    Attributes:
        name: of the row.
        value: what was measured.
        commit: at which the row was begun.
        starts: 1, and one more for each time that a killed run was gone on with.
        wall_minutes: of the last start.
        processor_minutes: of the last start: of all processes that it waited for, on all cores together.
    """

    name: str
    value: float
    commit: str
    starts: int
    wall_minutes: float
    processor_minutes: float


def make_rows(table: Path, makers: Mapping[str, MakeRow], commit: str) -> list[Row]:
    """Return a row for each maker: that of the table if it has one, of whatever commit, else a new one.

    Args:
        table: CSV file of the finished rows; delete a row to have it made again. Folders lie beside it.
        makers: by the name of the row.
        commit: that is written into new rows.
    """
    for name, make in makers.items():
        folder = table.with_suffix("") / re.sub(r"\W+", "-", name)
        if name not in {row.name for row in read_rows(table)}:
            row = _make_row(name, make, folder, commit)
            _write_rows(table, [*read_rows(table), row])
            sys.stdout.write(f"{name}: {row.value:.4f} after {row.wall_minutes:.1f} min\n")
            sys.stdout.flush()
        shutil.rmtree(folder, ignore_errors=True)
    rows = {row.name: row for row in read_rows(table)}
    return [rows[name] for name in makers]


def read_rows(table: Path) -> list[Row]:
    """Return the rows of the file, in the order in which they were made."""
    if not table.is_file():
        return []
    with table.open(encoding="utf-8", newline="") as stream:
        return [_parse(line) for line in csv.DictReader(stream)]


def _parse(line: Mapping[str, str]) -> Row:
    return Row(
        name=line["name"],
        value=float(line["value"]),
        commit=line["commit"],
        starts=int(line["starts"]),
        wall_minutes=float(line["wall_minutes"]),
        processor_minutes=float(line["processor_minutes"]),
    )


def _write_rows(table: Path, rows: Iterable[Row]) -> None:
    with replacing(table) as beside, beside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [field.name for field in dataclasses.fields(Row)])
        writer.writeheader()
        writer.writerows(dataclasses.asdict(row) for row in rows)


def _make_row(name: str, make: MakeRow, folder: Path, commit: str) -> Row:
    _end_processes(folder)
    note = folder / "begun.json"
    begun = read_json(note) if note.is_file() else {}
    if begun.get("commit") != commit:
        shutil.rmtree(folder, ignore_errors=True)
        begun = {}
    folder.mkdir(parents=True, exist_ok=True)
    starts = int(begun.get("starts", 0)) + 1
    write_json(note, {"commit": commit, "starts": starts})
    began, worked = time.monotonic(), _sum_processor_s()
    value = make(folder)
    return Row(
        name=name,
        value=value,
        commit=commit,
        starts=starts,
        wall_minutes=(time.monotonic() - began) / 60,
        processor_minutes=(_sum_processor_s() - worked) / 60,
    )


def _sum_processor_s() -> float:
    """Return the processor time of this process and of all children that have ended; other work does not count."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _end_processes(folder: Path) -> None:
    """End what a killed run has left at work in the folder: SIGKILL does not reach the processes that it started."""
    left = []
    for process in psutil.process_iter(["cwd"]):
        cwd = process.info["cwd"]
        if cwd and folder.resolve() in Path(cwd).parents:
            left.append(process)
            process.kill()
    psutil.wait_procs(left, timeout=60)
