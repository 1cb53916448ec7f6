"""Progress of long work: a bar in a terminal, a plain line now and then in a log."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
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


def say_summary(stage: str, summary: Mapping[str, object]) -> None:
    """Write the facts of a report as one line each, empty ones left out."""
    logger = make_logger(stage)
    for name, value in summary.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{key}: {number}" for key, number in value.items())
        if isinstance(value, list):
            value = "; ".join(map(str, value))
        if value != "":
            logger.info("%s: %s %s", stage, name.replace("_", " "), value)


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
    if sys.stderr.isatty():
        with tqdm(total=total, desc=what, unit=f" {unit}", smoothing=0.1, leave=False) as bar:
            for item in items:
                yield item
                bar.update(count(item))
        return
    logger = make_logger("progress")
    began = last = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += count(item)
        now = time.monotonic()
        if now - last > _LINE_EVERY_S and done:
            last = now
            rate = done / (now - began)
            left = format_duration((total - done) / rate)
            logger.info("%s: %d of %d, %.0f %s/s, about %s left", what, done, total, rate, unit, left)


def format_duration(seconds: float) -> str:
    """Return a duration as people say it, in its two largest units: `20 s`, `3 min 20 s`, `2 h 5 min`."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest_s} s" if minutes else f"{rest_s} s"
