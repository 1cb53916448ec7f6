"""Memory of processes, as the kernel counts it."""

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

_LOOK_EVERY_S = 0.2


class Peak:
    """The largest memory of a process that was seen, MB."""

    mb = 0.0


@contextlib.contextmanager
def note_workers() -> Iterator[Peak]:
    """Yield the peak of the largest worker of this process while the block runs.

    Of its own program (VmHWM): `ru_maxrss` of a child also holds what its parent had when it was started.
    """
    peak, ended = Peak(), threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_EVERY_S):
            for pid in list_descendants(os.getpid())[1:]:
                peak.mb = max(peak.mb, _read_kb(pid, "status", "VmHWM") / 1e3)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def measure_memory_mb(pid: int) -> float:
    """Return the proportional set size of a process and its descendants, MB."""
    return sum(_read_kb(one, "smaps_rollup", "Pss") for one in list_descendants(pid)) / 1e3


def list_descendants(pid: int) -> list[int]:
    """Return a process and all that it or they started."""
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        with contextlib.suppress(OSError):  # it has just ended
            for task in Path(f"/proc/{found[-1]}/task").iterdir():
                todo += map(int, (task / "children").read_text().split())
    return found


def _read_kb(pid: int, name: str, key: str) -> int:
    try:
        line = re.search(rf"^{key}:\s+(\d+) kB", Path(f"/proc/{pid}/{name}").read_text(), re.MULTILINE)
    except OSError:  # it has just ended
        return 0
    return int(line[1]) if line else 0
