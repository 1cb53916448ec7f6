"""Stages that end with the `dvc` that started them.

DVC passes signals on; SIGKILL it cannot. A stage that went on alone would hold the lock of the next run, and write into
outputs that DVC deletes meanwhile.
"""

import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_WATCH_EVERY_S = 0.5
_INIT_PID = 1


def end_with_dvc() -> None:
    """End this process, and so its workers, when its `dvc` is killed; do nothing in one that is no stage.

    Raises:
        SystemExit: it was killed before this call, for instance while TensorFlow was imported.
    """
    if "DVC_STAGE" not in os.environ:  # DVC sets it for the command of a stage
        return
    processes = _list_own_line()
    for place, process in enumerate(processes):
        if _is_dvc(process):
            pids = [watched.pid for watched in processes[1 : place + 1]]
            threading.Thread(target=_end_with_ancestors, args=(pids,), daemon=True).start()
            return
    if _is_orphan(processes):
        sys.exit("error: the dvc that started this stage was ended; run the same command again")


def _list_own_line() -> list[Any]:
    """Return this process, its parent, the parent's parent and so on."""
    import psutil  # here: workers and commands start without it

    own = psutil.Process()
    return [own, *own.parents()]


def _read_command(process: Any) -> list[str]:
    import psutil

    try:
        return list(process.cmdline())
    except psutil.Error:  # of another user, or gone
        return []


def _is_dvc(process: Any) -> bool:
    return any(Path(word).name == "dvc" for word in _read_command(process)[:3])  # dvc, python dvc or python -m dvc


def _is_orphan(processes: Sequence[Any]) -> bool:
    """Return whether the stage, or the shell that DVC runs it in, was adopted after the death of its parent.

    Not whether no ancestor is called dvc: a program that calls DVC from Python is called anything.
    """
    ancestors = processes[1:]
    through_shell = bool(ancestors) and "-c" in _read_command(ancestors[0])
    links = list(zip(processes, ancestors, strict=False))[: 2 if through_shell else 1]
    return any(_is_adopted(child.pid, parent.pid) for child, parent in links)


def _is_adopted(pid: int, parent_pid: int) -> bool:
    """Return whether a process lives under another parent than its own: only a leader's parent has another session."""
    try:
        session, parents_session = os.getsid(pid), os.getsid(parent_pid)
    except ProcessLookupError:  # it ended just now
        return True
    return parent_pid == _INIT_PID or (session not in (pid, parents_session))


def _end_with_ancestors(pids: Sequence[int]) -> None:
    # Not whether they live: the children of a dead process change their parent at once, while it may stay a zombie.
    while [process.pid for process in _list_own_line()[1 : len(pids) + 1]] == pids:
        time.sleep(_WATCH_EVERY_S)
    os._exit(1)
