"""Progress of long work: a bar in a terminal, a plain line now and then in a log."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
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


def track(items: Iterable[T], *, total: int, what: str, unit: str = "patch") -> Iterator[T]:
    """Yield `items` and show how far they are.

    Args:
        items: what is worked on.
        total: how many there are.
        what: the verb shown, e.g. "converting".
        unit: the noun shown after the rate.
    """
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=what, unit=f" {unit}", smoothing=0.1, leave=False)
        return
    logger = make_logger("progress")
    began = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last > _LINE_EVERY_S:
            last = now
            logger.info("%s: %d of %d, %.0f %s/s", what, done, total, done / (now - began), unit)
