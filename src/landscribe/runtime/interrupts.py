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

    if threading.current_thread() is not threading.main_thread():  # Ctrl-C is the main thread's alone
        yield interrupts
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)
