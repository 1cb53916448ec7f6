"""Results in the order of their tasks, while a bounded number of tasks is with an executor, or with threads."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_in_order(
    submit: Callable[[T], Future[R]], tasks: Iterable[T], num_submitted: int, wait: Callable[[Future[R]], R]
) -> Iterator[R]:
    """Submit the first tasks, and return an iterator of the result of each task, in order.

    What ends the iterator early cancels the tasks that have not begun.

    Args:
        submit: hands a task to an executor.
        tasks: each is submitted only when it is among the next `num_submitted`, counted from the result that is
            waited for.
        num_submitted: 1 or more; bounds the results that lie in memory while the consumer is slower.
        wait: returns the result of a future.
    """
    futures = map(submit, tasks)
    return _iter_results(futures, deque(itertools.islice(futures, num_submitted)), wait)


def _iter_results(
    futures: Iterator[Future[R]], submitted: deque[Future[R]], wait: Callable[[Future[R]], R]
) -> Iterator[R]:
    try:
        while submitted:
            yield wait(submitted.popleft())
            submitted.extend(itertools.islice(futures, 1))
    finally:
        for future in submitted:
            future.cancel()


def map_in_threads(function: Callable[[T], R], items: Iterable[T], num_threads: int = 3) -> Iterator[R]:
    """Yield `function(item)` of each item, in order: some are prepared, each by one core, while all work on another.

    Args:
        function: safe to call from several threads.
        items: taken one after the other, in this thread.
        num_threads: items at a time.
    """
    with ThreadPoolExecutor(num_threads) as threads:
        yield from map_in_order(lambda item: threads.submit(function, item), items, num_threads, Future.result)
