"""Progress of long work: a bar in a terminal, plain lines in a log."""

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TextIO, TypeVar

from tqdm import tqdm

T = TypeVar("T")
BAR_ROW_VARIABLE = "LANDSCRIBE_BAR_ROW"  # line of the terminal for the bars of one of several processes, from 0
_LINE_EVERY_S, _LOOK_EVERY_S = 10.0, 1.0


class _Heard:
    """When this process last said something, on the monotonic clock; it starts with the process, nearly."""

    at_s = time.monotonic()


_heard = _Heard()


class _Handler(logging.StreamHandler[TextIO]):
    def emit(self, record: logging.LogRecord) -> None:
        _heard.at_s = time.monotonic()
        super().emit(record)


def make_logger(name: str) -> logging.Logger:
    """Return a logger that writes plain lines to stderr, for a stage's own words."""
    logger = logging.getLogger(f"landscribe.{name}")
    if not logger.handlers:
        handler = _Handler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    return logger


def log_summary(stage: str, summary: Mapping[str, object]) -> None:
    """Write the facts of a report as one line each, empty ones left out."""
    logger = make_logger(stage)
    for name, value in summary.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{key}: {number}" for key, number in value.items())
        if isinstance(value, list):
            value = "; ".join(map(str, value))
        if value != "":
            logger.info("%s: %s %s", stage, name.replace("_", " "), value)


class Meter:
    """How far one piece of work is.

    Something is shown at least every ten seconds from the start of the process on, also while a first step takes long,
    such as the tracing of a network: a thread looks after that.

    Args:
        total: how many units there are.
        what: the verb shown, e.g. "converting".
        unit: the noun of the rate, in the plural.
    """

    def __init__(self, total: int, what: str, unit: str = "patches") -> None:
        self._total, self._what, self._unit = total, what, unit
        self._bar = None
        if sys.stderr.isatty():
            row = int(os.environ.get(BAR_ROW_VARIABLE, "0"))
            # A pseudo-terminal may have no size; tqdm would show nothing there.
            size = {} if os.get_terminal_size(sys.stderr.fileno()).columns else {"ncols": 80, "nrows": 24}
            self._bar = tqdm(total=total, desc=what, unit=f" {unit}", smoothing=0.1, leave=False, position=row, **size)
        self._done, self._began = 0, time.monotonic()
        self._first: tuple[int, float] | None = None  # after which the rate is that of the work, without its start
        self._closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def advance(self, count: int = 1) -> None:
        """Count more units as done."""
        self._done += count
        if self._bar is not None:
            self._bar.update(count)
            return
        self._speak_if_silent()
        if self._first is None:
            self._first = self._done, time.monotonic()

    def close(self) -> None:
        """Remove the bar."""
        self._closed.set()
        if self._bar is not None:
            self._bar.close()

    def _watch(self) -> None:
        while not self._closed.wait(_LOOK_EVERY_S):
            if self._bar is not None:
                self._bar.refresh()
                _heard.at_s = time.monotonic()
            else:
                self._speak_if_silent()

    def _speak_if_silent(self) -> None:
        now = time.monotonic()
        if now - _heard.at_s <= _LINE_EVERY_S or self._done >= self._total:
            return
        _heard.at_s = now
        first, began = self._first or (0, self._began)
        if self._done <= first or now <= began:
            make_logger("progress").info("%s: %d of %d %s", self._what, self._done, self._total, self._unit)
            return
        rate = (self._done - first) / (now - began)
        left = format_duration((self._total - self._done) / rate)
        speed = f"{rate:.3g}" if rate < 10 else f"{rate:.0f}"
        words = (self._what, self._done, self._total, speed, self._unit, left)
        make_logger("progress").info("%s: %d of %d, %s %s/s, about %s left", *words)


@contextlib.contextmanager
def never_silent(what: str) -> Iterator[None]:
    """Say every ten seconds that the block is at work while nothing else is said: it may wait for a disk or a store.

    Args:
        what: the subject of the sentence, e.g. "trial 3".
    """
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_EVERY_S):
            if time.monotonic() - _heard.at_s > _LINE_EVERY_S:
                make_logger("progress").info("%s: still at work", what)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def track(
    items: Iterable[T], *, total: int, what: str, unit: str = "patches", count: Callable[[T], int] = lambda item: 1
) -> Iterator[T]:
    """Yield `items` and show how far they are.

    Args:
        items: what is worked on.
        total: how many units there are.
        what: the verb shown, e.g. "converting".
        unit: the noun of the rate, in the plural.
        count: how many units an item is, for items that are chunks.
    """
    meter = Meter(total, what, unit)
    try:
        for item in items:
            yield item
            meter.advance(count(item))
    finally:
        meter.close()


def format_duration(seconds: float) -> str:
    """Return a duration in its two largest units: `20 s`, `3 min 20 s`, `2 h 5 min`."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest_s} s" if minutes else f"{rest_s} s"
