"""Results in the order of their tasks, while a bounded number of tasks is with an executor."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_in_order(
    submit: Callable[[T], Future[R]], tasks: Iterable[T], num_submitted: int, wait: Callable[[Future[R]], R]
) -> Iterator[R]:
    """Yield the result of each task, in order. What ends this iterator early cancels the tasks that have not begun.

    Args:
        submit: hands a task to an executor.
        tasks: each is submitted only when it is among the next `num_submitted`, counted from the result that is
            waited for.
        num_submitted: 1 or more; bounds the results that lie in memory while the consumer is slower.
        wait: returns the result of a future.
    """
    submitted: deque[Future[R]] = deque()
    try:
        for task in tasks:
            submitted.append(submit(task))
            if len(submitted) == num_submitted:
                yield wait(submitted.popleft())
        while submitted:
            yield wait(submitted.popleft())
    finally:
        for future in submitted:
            future.cancel()
