"""A store that was copied, renamed or mounted with its checkout: the locations of its artifacts are moved along.

MLflow records where artifacts lie as absolute paths. In a copy of a checkout they name the original, and whatever is
logged, or deleted by `mlflow gc`, is logged and deleted there.
"""

import atexit
import functools
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote

from landscribe.core.files import can_write, replacing
from landscribe.core.params import find_repository, find_scratch
from landscribe.runtime.entry import run_or_exit
from landscribe.runtime.lock import hold_lock
from landscribe.runtime.progress import make_logger

DATABASE = "mlflow.db"  # at the root of the repository
ARTIFACTS = "mlartifacts"  # folder at the root of the repository
BEFORE = ".before-move"  # added to the name of the database: its copy from before the move
SQLITE = "sqlite:///"  # begins the address of a store in a file
_WAIT_S = 120.0  # for a database that another process writes to, as `outage.PATIENCE_S`
# Columns of MLflow's tables that hold the location of an artifact, or text in which one stands.
_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
    ("experiment_tags", "value"),
    ("tags", "value"),
    ("logged_model_tags", "tag_value"),
    ("model_version_tags", "value"),
    ("trace_tags", "value"),
    ("datasets", "dataset_source"),
)


def main() -> None:
    """Move the store at the root of this checkout along, as `make` does when it makes the environment.

    After that MLflow's own commands are safe as well. A database that cannot be used stops nobody here: whoever opens
    the store says so.
    """
    root = find_repository().resolve()
    database = root / DATABASE
    try:
        if database.is_file():
            prepare_to_read(database, root)
    except sqlite3.Error as error:
        make_logger("mlflow").warning("mlflow: %s cannot be used: %s", database, error)


def find_lock() -> Path:
    """Return the lock of whoever makes the store of this checkout, or moves it along."""
    return find_scratch() / "locks" / "mlflow.lock"


def find_database(uri: str) -> Path | None:
    """Return the file of an SQLite store, or None for another store."""
    if not uri.startswith(SQLITE):
        return None
    return Path(uri.removeprefix(SQLITE).partition("?")[0]).resolve()


def find_old_roots(database: Path, root: Path) -> set[Path]:
    """Return the folders in which the checkout lay when the artifacts of its store were logged; empty: here.

    Args:
        database: of the store; one that lies elsewhere than in the checkout has no such folders.
        root: of the checkout, resolved.

    Raises:
        sqlite3.Error: the file is no database, or cannot be read.
    """
    if not database.is_file() or not database.is_relative_to(root):
        return set()
    with closing(connect(database, _WAIT_S)) as connection:
        if not _has_column(connection, "experiments", "artifact_location"):
            return set()
        locations = [row[0] for row in connection.execute("SELECT artifact_location FROM experiments")]
    return {folder.parent for folder in map(_find_artifacts, locations) if folder and _is_left(folder, root)}


def move_along(database: Path, root: Path) -> None:
    """Let the locations of a store name the folder in which the checkout lies now; say so, and keep a copy of before.

    All of them change in one transaction, or none does. A store that lies elsewhere, or has not moved, is left alone.

    Args:
        database: of the store.
        root: of the checkout, resolved.

    Raises:
        sqlite3.Error: the file is no database, or cannot be written to.
    """
    old_roots = find_old_roots(database, root)
    if not old_roots:
        return
    before = database.with_name(database.name + BEFORE)
    with replacing(before) as beside:
        _copy(database, beside)
    count = _rewrite(database, old_roots, root)
    make_logger("mlflow").warning(
        "mlflow: this checkout lay in %s before and is in %s now; %d locations of artifacts were moved along (%s is the"
        " store as it was)",
        " and ".join(sorted(map(str, old_roots))), root, count, before.name,
    )  # fmt: skip


def prepare_to_read(database: Path, root: Path) -> Path:
    """Return the database to read a store from: moved along, or a copy of one that cannot be written to.

    Raises:
        sqlite3.Error: the file is no database, or cannot be read.
    """
    if not (is_writable(database) and can_write(find_lock())):
        return copy_to_read(database, root)
    if find_old_roots(database, root):
        with hold_lock(find_lock(), "", wait=True):
            move_along(database, root)
    return database


@functools.cache
def copy_to_read(database: Path, root: Path) -> Path:
    """Return a temporary copy of a store that cannot be written to, its locations moved along; made once per process.

    Args:
        database: of the store.
        root: of the checkout, resolved.

    Raises:
        sqlite3.Error: the file is no database, or cannot be read.
    """
    folder = Path(tempfile.mkdtemp(prefix="landscribe-store-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copied = folder / database.name
    _copy(database, copied)
    if old_roots := find_old_roots(database, root):
        _rewrite(copied, old_roots, root)
    return copied


def is_writable(database: Path) -> bool:
    """Return whether this process may write to the database, and beside it, as SQLite has to."""
    return can_write(database) and can_write(database.parent)


def connect(database: Path, timeout_s: float = 5.0) -> sqlite3.Connection:
    """Return a connection to a database that is there; it makes no file, and its user reads alone.

    Not `mode=ro`, with which SQLite cannot take back what a killed process has left half done.

    Args:
        database: the file.
        timeout_s: how long it is waited for another process that writes.
    """
    return sqlite3.connect(f"file:{quote(str(database))}?mode=rw", uri=True, timeout=timeout_s)


def make_mover(old_roots: Collection[Path], root: Path) -> Callable[[str], str]:
    """Return what replaces the old folders of a checkout in a location, or in a text in which locations stand.

    A location is a path or a `file://` URI, and only one below an old folder is replaced: of a checkout in `/srv`
    neither `/srv2/mlartifacts` nor `/data/srv/mlartifacts`.

    Args:
        old_roots: the folders in which the checkout lay.
        root: the one in which it lies.
    """
    # The new folder stands for itself: it may lie below an old one, and a location in it must stay as it is.
    plain = [str(folder).rstrip("/") for folder in (*old_roots, root)]
    new, quoted = plain[-1], [quote(folder) for folder in plain]
    scheme, edge = r"file:(?://(?:localhost)?)?", r"(?<![\w./%~-])"
    pattern = re.compile(rf"{edge}(?:({scheme})(?:{_any_of(plain + quoted)})|(?:{_any_of(plain)}))(?=/)")
    return lambda text: pattern.sub(lambda found: f"{found[1]}{quote(new)}" if found[1] else new, text)


def _find_artifacts(location: str | None) -> Path | None:
    """Return the local folder `mlartifacts` that is the location of an experiment, or None for any other location."""
    text = location or ""
    path = Path(unquote(re.sub("^file:(//(localhost)?)?", "", text)) if text.startswith("file:") else text)
    return path if path.is_absolute() and path.name == ARTIFACTS else None


def _is_left(artifacts: Path, root: Path) -> bool:
    """Return whether a recorded folder of artifacts is one that the checkout has left behind.

    The same folder under another name is not, nor one on another disk, without a checkout around it, that somebody
    chose in place of a folder here.
    """
    here = root / ARTIFACTS
    if artifacts == here:
        return False
    if not artifacts.exists():
        return True
    if here.exists():
        return not artifacts.samefile(here)
    return (artifacts.parent / "dvc.yaml").exists()


def _rewrite(database: Path, old_roots: Collection[Path], root: Path) -> int:
    """Move the locations in a database along, in one transaction; return how many."""
    mover = make_mover(old_roots, root)
    count = 0
    with closing(connect(database, _WAIT_S)) as connection, connection:
        connection.create_function("moved", 1, lambda value: mover(value) if isinstance(value, str) else value)
        connection.execute("BEGIN IMMEDIATE")
        for table, column in _COLUMNS:
            if _has_column(connection, table, column):
                words = f"UPDATE {table} SET {column} = moved({column}) WHERE moved({column}) <> {column}"  # noqa: S608
                count += connection.execute(words).rowcount
    return count


def _copy(database: Path, path: Path) -> None:
    with closing(connect(database, _WAIT_S)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)


def _has_column(connection: sqlite3.Connection, table: str, column: str) -> bool:
    return column in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _any_of(words: Iterable[str]) -> str:
    """Return a pattern of the words, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


if __name__ == "__main__":
    run_or_exit(main)
