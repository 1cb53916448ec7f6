"""Processes that end with their parent, however the parent ends.

SIGKILL passes no signal on. A stage that outlived its `dvc` would write into outputs that DVC deletes meanwhile, and so
would a worker that outlived its stage. The parent-death signal of Linux (prctl) is no substitute: it follows the
parent's thread, and a shell stands between `dvc` and a stage.
"""

import contextlib
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

_WATCH_EVERY_S = 0.5


def end_with_parents(pids: Sequence[int]) -> None:
    """End this process as soon as its ancestors, the nearest first, are others than these.

    Args:
        pids: the parent, its parent and so on, as far as they are watched.
    """
    threading.Thread(target=_watch, args=(list(pids),), name="watch on the parent", daemon=True).start()


def end_with_dvc() -> None:
    """End this process with the `dvc` that started it; do nothing in a process that is no stage."""
    if "DVC_STAGE" not in os.environ:  # DVC sets it for the command of a stage
        return
    import psutil  # here: workers and commands start without it

    pids = []
    for parent in psutil.Process().parents():
        pids.append(parent.pid)
        with contextlib.suppress(psutil.Error):  # of another user, or gone
            if any(Path(word).name == "dvc" for word in parent.cmdline()[:3]):  # dvc, python dvc or python -m dvc
                end_with_parents(pids)
                return


def _watch(pids: list[int]) -> None:
    # Not whether they live: the children of a dead process change their parent at once, while it may stay a zombie.
    while _list_parents(len(pids)) == pids:
        time.sleep(_WATCH_EVERY_S)
    os._exit(1)


def _list_parents(count: int) -> list[int]:
    """Return the nearest ancestors of this process; fewer where one of them has ended."""
    pids = [os.getppid()]
    if count > 1:
        import psutil

        with contextlib.suppress(psutil.Error):
            while len(pids) < count:
                pids.append(psutil.Process(pids[-1]).ppid())
    return pids
