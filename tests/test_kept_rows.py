"""A table that takes long: a kill loses no finished row, and the row that it met is gone on with."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from benchmarks.kept_rows import Row, make_rows, read_rows
from tests.support.paths import ROOT
from tests.support.processes import is_running

KILLED = """
import os, signal, subprocess, sys
from pathlib import Path
from benchmarks.kept_rows import make_rows

def die(folder):
    (folder / "checkout").mkdir()
    (folder / "checkout/snapshot").touch()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    training = subprocess.Popen(["sleep", "60"], cwd=folder / "checkout", **quiet)
    Path(sys.argv[1]).with_name("pid").write_text(str(training.pid))
    os.kill(os.getpid(), signal.SIGKILL)

make_rows(Path(sys.argv[1]), {"first row": lambda folder: 0.5, "second": die}, "one")
"""


def refuse(folder: Path) -> float:
    """Fail, as a row that is done must not be made."""
    raise AssertionError(folder)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The table of a run that was killed in its second row."""
    path = tmp_path / "table.csv"
    words = [sys.executable, "-c", textwrap.dedent(KILLED), str(path)]
    assert subprocess.run(words, cwd=ROOT, check=False, capture_output=True).returncode == -9
    return path


def find_left(folder: Path) -> list[str]:
    """Return what a killed run has left to go on with."""
    return [path.name for path in folder.rglob("*") if path.name == "snapshot"]


def test_a_kill_loses_no_finished_row_and_the_next_run_goes_on_with_the_other(table: Path) -> None:
    (first,) = read_rows(table)
    left: list[str] = []

    def go_on(folder: Path) -> float:
        assert not is_running(int(table.with_name("pid").read_text()))  # it would write beside what goes on
        left.extend(find_left(folder))
        return 0.7

    rows = make_rows(table, {"first row": refuse, "second": go_on}, "one")
    assert left == ["snapshot"]
    assert rows == read_rows(table)
    assert rows[0] == first
    assert [(row.name, row.value, row.commit, row.starts) for row in rows] == [
        ("first row", 0.5, "one", 1),
        ("second", 0.7, "one", 2),
    ]
    assert not list(table.with_suffix("").iterdir())  # nothing is left once the rows are written


def test_another_commit_keeps_finished_rows_and_begins_the_other_again(table: Path) -> None:
    rows = make_rows(table, {"first row": refuse, "second": lambda folder: float(len(find_left(folder)))}, "two")
    assert [(row.commit, row.value, row.starts) for row in rows] == [("one", 0.5, 1), ("two", 0.0, 1)]


def test_a_row_that_is_deleted_is_made_again(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    make_rows(table, {"a": lambda folder: 0.1, "b": lambda folder: 0.2}, "one")
    table.write_text("".join(line for line in table.read_text().splitlines(True) if not line.startswith("a,")))
    rows: list[Row] = make_rows(table, {"a": lambda folder: 0.3, "b": refuse}, "two")
    assert [(row.value, row.commit) for row in rows] == [(0.3, "two"), (0.2, "one")]
