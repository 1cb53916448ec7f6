"""Progress of long work: a bar in a terminal, plain lines in a log."""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
BAR_ROW_VARIABLE = "LANDSCRIBE_BAR_ROW"  # line of the terminal for the bars of one of several processes, from 0
_LINE_EVERY_S = 15.0


def make_logger(name: str) -> logging.Logger:
    """Return a logger that writes plain lines to stderr, for a stage's own words."""
    logger = logging.getLogger(f"landscribe.{name}")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
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
            self._bar = tqdm(total=total, desc=what, unit=f" {unit}", smoothing=0.1, leave=False, position=row)
        self._done = 0
        self._began = self._logged = time.monotonic()

    def advance(self, count: int = 1) -> None:
        """Count more units as done."""
        self._done += count
        if self._bar is not None:
            self._bar.update(count)
            return
        now = time.monotonic()
        if now - self._logged > _LINE_EVERY_S and self._done:
            self._logged = now
            rate = self._done / (now - self._began)
            left = format_duration((self._total - self._done) / rate)
            speed = f"{rate:.3g}" if rate < 10 else f"{rate:.0f}"
            words = (self._what, self._done, self._total, speed, self._unit, left)
            make_logger("progress").info("%s: %d of %d, %s %s/s, about %s left", *words)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()


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
