"""Worker processes on one host: each trial in a separate process, so that its memory is returned to the system.

The processes end with this one, however it ends.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from landscribe.core.errors import SearchError
from landscribe.runtime.entry import FAILED
from landscribe.runtime.interrupts import handle_signal, note_interrupts
from landscribe.runtime.parent import end_with_parents
from landscribe.runtime.progress import make_logger
from landscribe.search.study import Study, read_values

NO_TRIAL = 3
"""Exit status of a worker that found no trial to do."""

_WITH_ERROR = (1, FAILED)  # 1: of Python itself, where an import fails
_PARENT = "parent_pid"  # of the task, as a worker process reads it
_MAX_LOSSES = 3  # of one trial, before it is given up
_LOOK_EVERY_S, _ASK_EVERY_S = 0.1, 1.0  # at the own processes; at the study, which others change too
_RELEASE_S = 10  # at most, until a database has noticed that a process is no more
_SAID_AFTER = 10  # readings of a study whose last trials are elsewhere


def read_num_workers() -> int:
    """Return `LANDSCRIBE_WORKERS`, 1 where it is not set.

    Raises:
        SearchError: it is not an integer from 1.
    """
    text = os.environ.get("LANDSCRIBE_WORKERS") or "1"
    if not text.isdecimal() or int(text) < 1:
        raise SearchError(f"LANDSCRIBE_WORKERS: expected a whole number from 1; received '{text}'.")
    return int(text)


def run_workers(
    study: Study, command: Sequence[str], task: Mapping[str, Any], num_workers: int, settle: Callable[[], object]
) -> None:
    """Run trials until `search.trials` of the study are answered, here or on other hosts.

    Args:
        study: where trials come from.
        command: program that claims one trial, or exits with `NO_TRIAL`; `read_task` gives it the task.
        task: its inputs, as values for JSON.
        num_workers: processes at a time.
        settle: called after trials were lost and at the end.

    Raises:
        SearchError: a trial failed, or was lost with its process `_MAX_LOSSES` times.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the trials under way are queued again.
    """
    workers = _WorkerProcesses(study, command, task, num_workers)
    with _note_signals() as interrupts:
        try:
            study.fail_lost()
            settle()
            while not interrupts and (workers.processes or not study.is_complete()):
                workers.collect()
                if workers.is_due() and study.fail_lost():  # of other hosts as well
                    settle()
                workers.begin()
                time.sleep(_LOOK_EVERY_S)
        finally:
            workers.end()
            settle()
    if interrupts:
        raise KeyboardInterrupt


class _WorkerProcesses:
    """The worker processes, by place: the same place has the same share of this machine."""

    def __init__(self, study: Study, command: Sequence[str], task: Mapping[str, Any], num_workers: int) -> None:
        self.processes: dict[int, subprocess.Popen[str]] = {}
        self._study, self._command, self._task = study, command, json.dumps({**task, _PARENT: os.getpid()})
        self._shares = share_machine(num_workers, os.environ)
        self._losses: Counter[str] = Counter()
        self._asked_s = 0.0
        self._num_waits = 0

    def collect(self) -> None:
        """Remove the processes that have ended.

        Raises:
            SearchError: as `run_workers` says.
        """
        for place, process in list(self.processes.items()):
            if process.poll() is None:
                continue
            del self.processes[place]
            _close(process)
            if process.returncode in _WITH_ERROR:
                raise SearchError("a trial ended with the error above; fix it and run the same command again.")
            if process.returncode == NO_TRIAL:
                continue
            self._asked_s = 0.0
            if process.returncode:
                self._count_loss(process)

    def is_due(self) -> bool:
        """Return whether a place is free, and it is time to read the study."""
        return len(self.processes) < len(self._shares) and time.monotonic() >= self._asked_s + _ASK_EVERY_S

    def _count_loss(self, process: "subprocess.Popen[str]") -> None:
        """Count the trial whose process was killed from outside."""
        trial = self._study.find_trial(name_worker(process.pid))
        words = f"trial {trial.number}" if trial else "a worker without a trial"
        values = json.dumps(read_values(trial)) if trial else ""
        self._losses[values] += 1
        if self._losses[values] == _MAX_LOSSES:
            raise SearchError(
                f"{words} ({values}) was ended from outside {_MAX_LOSSES} times, the last time with status"
                f" {process.returncode}: most often for want of memory. Free some, take fewer workers or narrow the"
                " section search; then run the same command again."
            )
        make_logger("search").warning("search: %s was ended from outside; its values are tried again", words)

    def begin(self) -> None:
        """Start as many processes as trials are missing and places are free, where it is due."""
        if not self.is_due():
            return
        self._asked_s = time.monotonic()
        claimed = [self._study.find_trial(name_worker(process.pid)) for process in self.processes.values()]
        num_missing = self._study.count_missing() - claimed.count(None)
        free = [place for place in range(len(self._shares)) if place not in self.processes]
        for place in free[: max(0, num_missing)]:
            self.processes[place] = self._start(self._shares[place])
        self._num_waits = 0 if self.processes else self._num_waits + 1
        if self._num_waits == _SAID_AFTER:
            make_logger("search").info("search: the last trials are under way elsewhere; waiting for them")

    def _start(self, share: Mapping[str, str]) -> "subprocess.Popen[str]":
        environment = {**os.environ, **share}
        # A process group of its own: Ctrl-C in a terminal is this process's alone.
        process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, env=environment, text=True, encoding="utf-8", process_group=0
        )
        if process.stdin:
            with contextlib.suppress(BrokenPipeError):  # it has ended already
                process.stdin.write(f"{self._task}\n")
                process.stdin.flush()
        return process

    def end(self) -> None:
        """Kill what is left, and queue its trials again."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
            _close(process)
        trials = [self._study.find_trial(name_worker(process.pid)) for process in self.processes.values()]
        numbers = {trial.number for trial in trials if trial}
        deadline_s = time.monotonic() + _RELEASE_S
        self._study.fail_lost()
        while self._study.list_running() & numbers and time.monotonic() < deadline_s:
            time.sleep(_LOOK_EVERY_S)
            self._study.fail_lost()


def _close(process: "subprocess.Popen[str]") -> None:
    if process.stdin:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()


def read_task() -> dict[str, Any]:
    """Return the task that `run_workers` gave to this process, which from now on ends with the one that started it."""
    task: dict[str, Any] = json.loads(sys.stdin.readline())
    end_with_parents([task.pop(_PARENT)])
    return task


def name_worker(pid: int) -> str:
    """Return the name of a process, for the study."""
    return f"{socket.gethostname()} {pid}"


def share_machine(num_workers: int, environment: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the environment of each of so many workers: its share of the processors and of the GPUs.

    One worker alone is left as it is. With fewer GPUs than workers, several share one.
    """
    if num_workers == 1:
        return [{}]
    threads = str(max(1, (os.cpu_count() or 1) // num_workers))
    named = environment.get("CUDA_VISIBLE_DEVICES")
    devices = Path("/dev").glob("nvidia[0-9]*")
    gpus = named.split(",") if named is not None else sorted(path.name.removeprefix("nvidia") for path in devices)
    shares = []
    for place in range(num_workers):
        share = gpus[place::num_workers] or gpus[place % len(gpus) :][:1] if gpus else []
        shares.append({"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads})
        shares[-1] |= {"CUDA_VISIBLE_DEVICES": ",".join(share)} if share else {}
    return shares


@contextlib.contextmanager
def _note_signals() -> Iterator[list[int]]:
    """Record Ctrl-C and SIGTERM in the list that is yielded, for the code in the block to check."""
    with (
        note_interrupts(lambda: None) as interrupts,
        # Only noted, however often it comes: timeout(1) sends it twice.
        handle_signal(signal.SIGTERM, lambda number, frame: interrupts.append(number)),
    ):
        yield interrupts
