"""What the project says while it works. PYTEST_DONT_REWRITE."""

import logging
from collections.abc import Iterator

import pytest

from landscribe.runtime.progress import make_logger


@pytest.fixture
def said() -> Iterator[list[str]]:
    """The lines of the logger `mlflow`, as they come."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    make_logger("mlflow").addHandler(handler)
    yield lines
    make_logger("mlflow").removeHandler(handler)
