"""The one lock of this project: on a file, for the processes of one host, released however its process ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from landscribe.core.errors import LockHeldError
from landscribe.runtime.progress import make_logger


@contextlib.contextmanager
def hold_lock(path: Path, who: str, *, wait: bool) -> Iterator[None]:
    """Hold the lock of a file for the duration of the block; the file holds the id of the process.

    The holder may remove the file: a process that opened it before then opens the new one.

    Args:
        path: of the lock file; it and its folder are made when they are absent.
        who: what the holder does, in words that follow "process 123 ", for whoever finds the lock held; "" with `wait`:
            nothing is said.
        wait: for a lock that is held; else that is an error.

    Raises:
        LockHeldError: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _open_locked(path, who, wait) as stream:
        os.ftruncate(stream.fileno(), 0)
        os.write(stream.fileno(), f"{os.getpid()}\n".encode())
        yield


def is_locked(path: Path) -> bool:
    """Return whether any process holds the lock of a file."""
    try:
        with hold_lock(path, "", wait=False):
            return False
    except LockHeldError:
        return True


def _open_locked(path: Path, who: str, wait: bool) -> BinaryIO:
    """Return the open file, its lock taken."""
    while True:
        with contextlib.ExitStack() as until_taken:
            stream = until_taken.enter_context(path.open("a+b", buffering=0))
            _take(stream, path, who, wait)
            # Removed by its holder since it was opened: another process may hold a new file of this name.
            if path.exists() and os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                until_taken.pop_all()
                return stream


def _take(stream: BinaryIO, path: Path, who: str, wait: bool) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = path.read_text(encoding="utf-8").strip() if path.exists() else ""
        holder = f"process {pid}" if pid else "another process"
        if not wait:
            raise LockHeldError(
                f"{holder} {who or 'holds ' + str(path)}; wait until it is done, or end it, and run the same command"
                " again."
            ) from None
        if who:
            make_logger("lock").info("%s %s; waiting for it", holder, who)
        fcntl.flock(stream, fcntl.LOCK_EX)
