"""A store that does not answer: which errors mean that, how long to wait, which lines to log."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

import mlflow
import requests
from mlflow.exceptions import MlflowException

from landscribe.core.errors import RegistryError, StoreDownError
from landscribe.runtime.progress import make_logger

T = TypeVar("T")
PATIENCE_S = 120.0  # a server that is restarted, or a database that fails over, is back within two minutes
_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0)
_PASSING = {"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}
_NOT_LET_IN = {"PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"}  # 403 and 401
_TOO_MANY, _REQUEST_TIMEOUT, _SERVER_ERROR = 429, 408, 500  # of HTTP
_MAX_REASON = 120  # characters of an error in a sentence


class _Outage:
    """State of the store, shared by the threads: since when it has not answered, and whether it was given up."""

    def __init__(self) -> None:
        self.since: float | None = None
        self.given_up = False
        self._lock = threading.Lock()

    def begin(self, error: BaseException) -> None:
        with self._lock:
            if self.since is None:
                self.since = time.monotonic()
                words = "mlflow: %s does not answer (%s); it is asked again, and what is to be logged is kept"
                make_logger("mlflow").warning(words, find_address(), _find_reason(error))

    def end(self) -> None:
        with self._lock:
            if self.since is not None:
                lasted_s = time.monotonic() - self.since
                make_logger("mlflow").warning("mlflow: %s answers again, after %.0f s", find_address(), lasted_s)
            self.since, self.given_up = None, False


_outage = _Outage()


def attempt(call: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Return what a call of the store gives.

    Raises:
        StoreDownError: the store does not answer.
        RegistryError: it refuses this user; other errors of the call are raised unchanged.
    """
    try:
        result = call(*arguments, **named)
    except (MlflowException, OSError) as error:
        if getattr(error, "error_code", "") in _NOT_LET_IN:
            raise RegistryError(
                f"MLflow at {find_address()} does not let this user in: {str(error).splitlines()[0]} Set"
                " MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or ask its administrator for the permission."
            ) from error
        if not is_outage(error):
            raise
        _outage.begin(error)
        raise StoreDownError(
            f"MLflow at {find_address()} does not answer ({_find_reason(error)}). Start it, or check"
            " MLFLOW_TRACKING_URI, and run the same command again; what is done is not done twice."
        ) from error
    _outage.end()
    return result


def patiently(call: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Return what a call of the store gives, after as many tries as fit into `PATIENCE_S`.

    Raises:
        StoreDownError: the store did not answer in that time, or did not before and does not now.
    """
    deadline = time.monotonic() + PATIENCE_S
    for pause_s in make_pauses():
        try:
            return attempt(call, *arguments, **named)
        except StoreDownError:
            if _outage.given_up or time.monotonic() + pause_s > deadline:
                _outage.given_up = True
                raise
        time.sleep(pause_s)
    raise AssertionError("the pauses have no end")


def make_pauses() -> Iterator[float]:
    """Yield the seconds to wait between tries: they grow, and do not end."""
    yield from itertools.chain(_PAUSES_S, itertools.repeat(_PAUSES_S[-1]))


def is_given_up() -> bool:
    """Return whether the store has been waited for in vain and has not answered since."""
    return _outage.given_up


def is_outage(error: BaseException) -> bool:
    """Return whether the same call may succeed later: no connection, no answer in time, 408, 429, 5xx, a locked file.

    MLflow's error for a failed request names the cause only as its context.
    """
    for cause in (error, error.__cause__, error.__context__):
        if isinstance(cause, requests.RequestException):
            return not isinstance(cause, ValueError) and _is_passing(cause.response)  # ValueError: no such URL
    if not isinstance(error, MlflowException) or error.error_code not in _PASSING:
        return False
    return "locked" in str(error) if mlflow.get_tracking_uri().startswith("sqlite:") else True


def find_address() -> str:
    """Return the address of the store as a log may show it: without user and password."""
    uri = mlflow.get_tracking_uri()
    parts = urlsplit(uri)
    return str(uri.replace(f"{parts.netloc.rpartition('@')[0]}@", "", 1) if "@" in parts.netloc else uri)


def _is_passing(response: requests.Response | None) -> bool:
    status = response.status_code if response is not None else _SERVER_ERROR
    return status >= _SERVER_ERROR or status in (_TOO_MANY, _REQUEST_TIMEOUT)


def _find_reason(error: BaseException) -> str:
    """Return the first cause that has words, e.g. "[Errno 111] Connection refused", "database is locked"."""
    reason = type(error).__name__
    cause: BaseException | None = error
    while cause:
        first_line = (str(cause).splitlines() or [""])[0]
        reason = first_line if any(character.isalpha() for character in first_line) else reason
        cause = cause.__cause__ or cause.__context__
    return reason[:_MAX_REASON]
