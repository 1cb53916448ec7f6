"""The lock: one holder at a time, named to whoever finds it held, free again however the holder ends."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from landscribe.core.errors import LockHeldError
from landscribe.runtime.lock import hold_lock, is_locked

HOLDER = """
import sys, time
from pathlib import Path
from landscribe.runtime.lock import hold_lock
with hold_lock(Path(sys.argv[1]), "trains here", wait=False):
    print("held", flush=True)
    time.sleep(60)
"""


def hold_briefly(path: Path) -> bool:
    """Wait for the lock; return whether the file was there while it was held."""
    with hold_lock(path, "trains here", wait=True):
        return path.exists()


def test_a_held_lock_names_its_holder_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "made" / "lock"
    with hold_lock(path, "trains here", wait=False):
        assert is_locked(path)
        with (
            pytest.raises(LockHeldError, match=f"process {os.getpid()} trains here; wait until it is done, or end it"),
            hold_lock(path, "trains here", wait=False),
        ):
            pass
    assert not is_locked(path)


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert is_locked(path)
        holder.send_signal(signal.SIGKILL)
    assert not is_locked(path)


def test_who_waits_for_a_file_that_its_holder_removes_holds_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with ThreadPoolExecutor(1) as second:
        with hold_lock(path, "trains here", wait=True):
            waiting = second.submit(hold_briefly, path)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
            path.unlink()
        assert waiting.result(timeout=20)
