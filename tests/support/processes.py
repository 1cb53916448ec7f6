"""Watching processes that a test did not start itself."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil


def kill_first(words: list[str]) -> int:
    """Start a program, kill it once it has printed a process id, and return that id."""
    with subprocess.Popen(words, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        pid = int(program.stdout.readline())
        program.send_signal(signal.SIGKILL)
    return pid


def wait_until_ended(pid: int) -> None:
    """Fail unless the process ends soon."""
    deadline = time.monotonic() + 20
    while is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Return whether the process exists and is no zombie that nobody waits for."""
    try:
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (ProcessLookupError, FileNotFoundError):
        return False


def find_processes(folder: Path, name: str) -> list[psutil.Process]:
    """Return the processes that run a module or a program of this name in `folder`."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            named = name in words or any(Path(word).name == name for word in words[:2])
            if named and words[0] != "/bin/sh" and Path(process.cwd()) == folder:
                found.append(process)
    return found
