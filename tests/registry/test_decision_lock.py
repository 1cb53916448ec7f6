"""The lock of a store: one process at a time, the same for every checkout of the host."""

import subprocess
import sys
from pathlib import Path

import pytest

from landscribe.registry.decision_lock import find_lock, hold_store

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(12)

# Adds a line while it holds the lock, and another before it gives it back.
HOLDER = """
import sys, time
from pathlib import Path
from landscribe.registry.decision_lock import hold_store
with hold_store():
    for _ in range(2):
        with Path(sys.argv[1]).open("a") as stream:
            stream.write(sys.argv[2] + "\\n")
        time.sleep(0.2)
"""


def test_holders_never_overlap(store: Path, tmp_path: Path) -> None:
    with hold_store():  # the database is made
        pass
    notes = tmp_path / "notes"
    started = [subprocess.Popen([sys.executable, "-c", HOLDER, str(notes), str(number)]) for number in range(2)]
    assert [process.wait() for process in started] == [0, 0]
    lines = notes.read_text().splitlines()
    assert lines[::2] == lines[1::2]
    assert sorted(lines[::2]) == ["0", "1"]


def test_who_waits_says_so(store: Path) -> None:
    code = "from landscribe.registry.decision_lock import hold_store\nwith hold_store(): pass"
    with hold_store():
        waiting = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        assert waiting.stderr is not None
        assert "waiting for it" in waiting.stderr.readline()
        assert waiting.poll() is None
    assert waiting.wait() == 0
    waiting.stderr.close()


def test_every_name_of_a_store_has_one_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    lock = tmp_path / "mlflow.db.promotion.lock"
    for uri in (f"sqlite:///{tmp_path}/mlflow.db", f"sqlite:///{tmp_path}/link/mlflow.db?timeout=9"):
        assert find_lock(uri) == lock
    servers = [find_lock(uri) for uri in ("http://127.0.0.1:5000", "http://127.0.0.1:5001")]
    assert servers[0] != servers[1]
    monkeypatch.chdir(tmp_path)
    assert find_lock("http://127.0.0.1:5000") == servers[0]
