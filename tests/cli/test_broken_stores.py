"""A store that is absent, empty, broken or locked is one sentence of every command that reads it."""

import contextlib
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from landscribe.cli import command, repro
from landscribe.core.files import write_json
from landscribe.core.params import PARAMS_FILE
from landscribe.runtime.entry import run_or_exit
from tests.support.challengers import Challenge
from tests.support.paths import ROOT

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(8)

PREDICT = ("predict", ".", "--model", "models:/landscribe@champion", "--out", "labels.csv")
COMMANDS = (("history",), PREDICT, ("promote",), ("rollback",), ())  # (): what `make repro` asks when DVC is done


@pytest.fixture(scope="module")
def database(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a champion."""
    challenge = Challenge("landscribe", tmp_path_factory.mktemp("challenge"))
    challenge.register(0.5)
    challenge.promote()
    return store / "mlflow.db"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose pipeline has run, with an image to label and without a store."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / PARAMS_FILE, tmp_path)
    (tmp_path / "image.png").touch()
    write_json(tmp_path / repro.REGISTRATION, {"model_name": "landscribe", "version": 1, "digest": "d"})
    write_json(tmp_path / repro.RUN, {"run_id": "1"})
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> object:
    """Return the exit status of a command."""
    monkeypatch.setattr(sys, "argv", ["landscribe", *words])
    with pytest.raises(SystemExit) as left:
        command.main() if words else run_or_exit(repro._ensure_registered)
    return left.value.code


def truncate(share: float) -> Callable[[Path], None]:
    """Return what cuts a file off behind a share of its bytes."""

    def cut(path: Path) -> None:
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    return cut


def turn_into_folder(path: Path) -> None:
    """Put a folder in the place of a file."""
    path.unlink()
    path.mkdir()


BREAKS: dict[str, Callable[[Path], object]] = {
    **{f"{share:.0%}": truncate(share) for share in (0.02, 0.5, 0.97)},
    "other content": lambda path: path.write_text("no database\n" * 100),
    "folder": turn_into_folder,
}


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_database_is_one_sentence(
    database: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    how: str,
) -> None:
    shutil.copy(database, folder)
    BREAKS[how](folder / database.name)
    assert run(monkeypatch, words) == 2
    said = capfd.readouterr().err
    assert said.startswith("error: "), said
    assert said.count("\n") == 1, said


@pytest.mark.parametrize("words", COMMANDS[:2])
@pytest.mark.parametrize("is_empty", [False, True])
def test_a_reader_makes_no_database(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    is_empty: bool,
) -> None:
    if is_empty:
        (folder / "mlflow.db").touch()
    before = {path: path.stat().st_size for path in folder.rglob("*")}
    assert run(monkeypatch, words) == 2
    assert "nothing is registered here yet. Run make repro first" in capfd.readouterr().err
    assert {path: path.stat().st_size for path in folder.rglob("*")} == before


@contextlib.contextmanager
def locking(path: Path) -> Iterator[None]:
    """Lock a database against readers, too."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def test_a_locked_database_is_one_sentence(
    database: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(database, folder)
    with locking(folder / database.name):
        assert run(monkeypatch, ("history",)) == 2
    said = capfd.readouterr().err
    assert "database is locked" in said
    assert said.count("\n") == 1, said
