"""A store that came along with its checkout: every location follows, in one step."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from landscribe.tracking import relocation
from landscribe.tracking.relocation import BEFORE, copy_to_read, find_database, find_old_roots, make_mover, move_along

pytest_plugins = ["tests.support.words"]

# Old folders of the checkout, its folder now, a recorded text, the text after the move.
MOVES = [
    ("/old", "/new", "file:///old/mlartifacts/1/artifacts", "file:///new/mlartifacts/1/artifacts"),
    ("/old", "/new", "/old/mlruns/0", "/new/mlruns/0"),
    ("/old", "/new", "file:/old/mlartifacts", "file:/new/mlartifacts"),
    ("/a b/ü", "/n w", "file:///a%20b/%C3%BC/mlartifacts", "file:///n%20w/mlartifacts"),
    ("/a b", "/n w", "/a b/mlruns/0", "/n w/mlruns/0"),
    ("/a b", "/n w", "file:///a b/mlruns/0", "file:///n%20w/mlruns/0"),
    ("/old", "/old/copy", "file:///old/mlartifacts/1", "file:///old/copy/mlartifacts/1"),
    ("/old", "/old/copy", "file:///old/copy/mlartifacts/1", "file:///old/copy/mlartifacts/1"),
    ("/x/old", "/x", "/x/old/mlartifacts", "/x/mlartifacts"),
    ("/old", "/x/old", "file:///x/old/mlartifacts", "file:///x/old/mlartifacts"),
    ("/old", "/new", '[{"artifact_path": "/old/mlartifacts/1"}]', '[{"artifact_path": "/new/mlartifacts/1"}]'),
    ("/old", "/new", "file:///old2/mlartifacts", "file:///old2/mlartifacts"),
    ("/old", "/new", "/data/old/mlartifacts", "/data/old/mlartifacts"),
    ("/old", "/new", "https://host/old/mlartifacts", "https://host/old/mlartifacts"),
    ("/old", "/new", "s3://old/mlartifacts", "s3://old/mlartifacts"),
    ("/old", "/new", "models:/m-1234", "models:/m-1234"),
    ("/o.d", "/new", "/old/mlartifacts", "/old/mlartifacts"),
    ("/old", "/", "/old/mlartifacts", "/mlartifacts"),
]


@pytest.mark.parametrize(("old", "new", "text", "moved"), MOVES)
def test_what_lies_below_an_old_folder_moves_and_nothing_else(old: str, new: str, text: str, moved: str) -> None:
    mover = make_mover({Path(old)}, Path(new))
    assert mover(text) == moved
    assert mover(moved) == moved


class Store:
    """A database with a location in every column that may hold one."""

    def __init__(self, root: Path, recorded: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        (root / "dvc.yaml").touch()
        self.root, self.path = root, root / "mlflow.db"
        with closing(sqlite3.connect(self.path)) as connection, connection:
            tables = dict.fromkeys(table for table, _ in relocation._COLUMNS)
            for table in tables:
                columns = [column for name, column in relocation._COLUMNS if name == table]
                connection.execute(f"CREATE TABLE {table} (id INTEGER, {', '.join(columns)})")
                places = [(recorded / "mlartifacts").as_uri() for _ in columns]
                marks = ", ".join("?" * len(columns))
                connection.execute(f"INSERT INTO {table} VALUES (1, {marks})", places)  # noqa: S608
                connection.execute(f"INSERT INTO {table} VALUES (2, {marks})", [None] * len(columns))  # noqa: S608

    def read(self) -> set[str]:
        """Return every location."""
        return read_locations(self.path)


def read_locations(database: Path) -> set[str]:
    found = set()
    with closing(sqlite3.connect(database)) as connection:
        for table, column in relocation._COLUMNS:
            found |= {row[0] for row in connection.execute(f"SELECT {column} FROM {table}")}  # noqa: S608
    return {place for place in found if place}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """The store of a checkout that was renamed."""
    return Store(tmp_path / "new place", tmp_path / "old place")


def test_all_locations_move_in_one_transaction_and_a_copy_is_kept(
    store: Store, tmp_path: Path, said: list[str]
) -> None:
    before = store.read()
    move_along(store.path, store.root)
    assert store.read() == {(store.root / "mlartifacts").as_uri()}
    assert len(said) == 1
    assert f"lay in {tmp_path / 'old place'} before and is in {store.root} now; 11 locations" in said[-1]
    kept = store.path.with_name(store.path.name + BEFORE)
    assert read_locations(kept) == before
    content = store.path.read_bytes()
    move_along(store.path, store.root)
    assert (store.path.read_bytes(), len(said)) == (content, 1)


def test_a_move_that_fails_half_way_moves_nothing(store: Store) -> None:
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("CREATE TRIGGER stop BEFORE UPDATE ON trace_tags BEGIN SELECT RAISE(ABORT, 'full'); END")
    before = store.read()
    with pytest.raises(sqlite3.Error, match="full"):
        move_along(store.path, store.root)
    assert store.read() == before


def test_only_a_store_in_the_checkout_whose_artifacts_it_has_left_behind_is_moved(store: Store, tmp_path: Path) -> None:
    old = tmp_path / "old place"
    assert find_old_roots(store.path, store.root) == {old}
    assert find_old_roots(store.path, tmp_path / "another checkout") == set()
    assert find_old_roots(store.root / "absent.db", store.root) == set()
    # A disk that somebody chose: no checkout is around it, and there is no folder here.
    (old / "mlartifacts").mkdir(parents=True)
    assert find_old_roots(store.path, store.root) == set()
    # The original of a copy that came without its artifacts.
    (old / "dvc.yaml").touch()
    assert find_old_roots(store.path, store.root) == {old}
    # The same folder under another name, as a mount gives it.
    (store.root / "mlartifacts").symlink_to(old / "mlartifacts")
    assert find_old_roots(store.path, store.root) == set()
    (store.root / "mlartifacts").unlink()
    (store.root / "mlartifacts").mkdir()
    assert find_old_roots(store.path, store.root) == {old}


@pytest.mark.parametrize(
    "location", [None, "mlflow-artifacts:/1", "s3://bucket/mlartifacts", "/elsewhere/artifacts", "mlartifacts"]
)
def test_artifacts_that_no_checkout_holds_stay(store: Store, location: str | None) -> None:
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE experiments SET artifact_location = ?", (location,))
    assert find_old_roots(store.path, store.root) == set()


def test_a_store_that_cannot_be_written_to_is_read_from_a_copy(store: Store) -> None:
    before = store.path.read_bytes()
    copied = copy_to_read(store.path, store.root)
    assert read_locations(copied) == {(store.root / "mlartifacts").as_uri()}
    assert store.path.read_bytes() == before
    assert copy_to_read(store.path, store.root) == copied
    assert {path.name for path in store.root.iterdir()} == {"dvc.yaml", "mlflow.db"}


def test_the_database_of_a_uri() -> None:
    assert find_database("sqlite:////srv/mlflow.db") == Path("/srv/mlflow.db")
    assert find_database("sqlite:////srv/mlflow.db?timeout=5") == Path("/srv/mlflow.db")
    assert find_database("postgresql://host/mlflow") is None
    assert find_database("http://127.0.0.1:5000") is None


def test_make_moves_the_store_along_and_a_broken_database_stops_nobody(
    store: Store, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(store.root))
    relocation.main()
    assert store.read() == {(store.root / "mlartifacts").as_uri()}
    store.path.write_bytes(b"no database at all, but long enough to be looked at" * 20)
    relocation.main()
    assert "mlflow.db cannot be used: file is not a database" in said[-1]
