"""The worker pool: processes that start fast and end with their parent.

Spawned, not forked: a fork copies the locks of the parent's threads (pyarrow, GDAL) in whatever state they are.
"""

import contextlib
import functools
import multiprocessing
import os
import signal
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from landscribe.core.errors import WorkerError
from landscribe.runtime.interrupts import note_interrupts
from landscribe.runtime.look_ahead import map_in_order
from landscribe.runtime.parent import end_with_parents

T = TypeVar("T")
R = TypeVar("R")


def map_in_workers(
    function: Callable[[T], R], tasks: Sequence[T], num_workers: int | None = None, *, ahead: int | None = None
) -> Iterator[R]:
    """Yield `function(task)` of each task, in order; a single task is worked on in this process.

    Worker processes start when this is called, not when the first result is asked for.

    Args:
        function: of a module that a worker can import; the less that module imports, the sooner workers start.
        tasks: what can be pickled.
        num_workers: processes; None: the cluster whose Dask scheduler DASK_SCHEDULER_ADDRESS names, else the cores of
            this machine. The results do not depend on it.
        ahead: at most as many tasks are begun beyond the result that is asked for, so that results do not fill the
            memory while their consumer is slower than the workers; None: all.

    Raises:
        WorkerError: a worker was killed, or the cluster cannot be used.
    """
    address = os.environ.get("DASK_SCHEDULER_ADDRESS")
    if address and num_workers is None and len(tasks) > 1:
        from landscribe.runtime.cluster import map_on_cluster  # here: Dask takes half a second to import

        return map_on_cluster(address, function, tasks, ahead)
    num_workers = min(num_workers or os.cpu_count() or 1, len(tasks))
    if num_workers <= 1:
        return map(function, tasks)
    results = _work(function, tasks, num_workers, len(tasks) if ahead is None else ahead + 1)
    next(results)
    return results


def _work(function: Callable[[T], R], tasks: Sequence[T], num_workers: int, num_submitted: int) -> Iterator[Any]:
    """Yield once when the first tasks are submitted, then the results."""
    with start_workers(num_workers) as executor:
        results = map_in_order(lambda task: executor.submit(function, task), tasks, num_submitted, Future.result)
        yield
        yield from results


@contextlib.contextmanager
def start_workers(num_workers: int) -> Iterator[Executor]:
    """Yield an executor of this number of processes, for tasks that are not all known at the beginning.

    Ctrl-C kills the workers; the executor's next answer is then a KeyboardInterrupt.

    Raises:
        WorkerError: a worker was killed.
    """
    with _hold_back_interrupts() as let_through:
        others = set(multiprocessing.active_children())
        executor = ProcessPoolExecutor(num_workers, multiprocessing.get_context("spawn"), _begin)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # the resource tracker, starting, let them through
        with _empty_main():
            for _ in range(num_workers):
                executor.submit(os.getpid)  # a process starts with the task that finds no other idle
        workers = set(multiprocessing.active_children()) - others
        with note_interrupts(functools.partial(_kill, workers)) as interrupts:
            let_through()
            try:
                with executor:
                    yield executor
            except BrokenProcessPool as error:
                if not interrupts:
                    raise WorkerError(
                        "a worker process was ended from outside, most often for want of memory; free some, and run"
                        " the same command again."
                    ) from error
    if interrupts:
        raise KeyboardInterrupt


@contextlib.contextmanager
def _hold_back_interrupts() -> Iterator[Callable[[], object]]:
    """Let Ctrl-C wait until the workers ignore it; yield what lets it through before the block ends."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield functools.partial(signal.pthread_sigmask, signal.SIG_SETMASK, before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _kill(workers: Iterable[BaseProcess]) -> None:
    for worker in workers:
        worker.kill()


@contextlib.contextmanager
def _empty_main() -> Iterator[None]:
    """Show workers that start meanwhile an empty main module: else each of them imports the whole stage first.

    https://docs.python.org/3/library/multiprocessing.html#the-spawn-and-forkserver-start-methods
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _begin() -> None:
    """Prepare a worker: it ignores Ctrl-C, which its parent handles, and ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if parent := multiprocessing.parent_process():
        end_with_parents([int(parent.pid or 0)])
