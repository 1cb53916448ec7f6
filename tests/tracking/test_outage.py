"""A store that is down is distinguished from one that refuses, waited for as long as is said, and spoken of once."""

import http.server
import itertools
import threading
import time
from collections.abc import Iterator

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from landscribe.core.errors import RegistryError, StoreDownError
from landscribe.tracking import outage

pytest_plugins = ["tests.support.words"]
pytestmark = pytest.mark.slow(7)


class Server(http.server.ThreadingHTTPServer):
    """Answers every request with one status; the status 0 is a server that hangs."""

    status = 200


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        if not self.server.status:
            time.sleep(3)
            return
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on loopback that stands where MLflow's should."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    before = mlflow.get_tracking_uri()
    with Server(("127.0.0.1", 0), Answer) as made:
        mlflow.set_tracking_uri(f"http://127.0.0.1:{made.server_port}")
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()
    mlflow.set_tracking_uri(before)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> list[str]:
    """What the log says, of an outage that has not begun."""
    monkeypatch.setattr(outage, "_outage", outage._Outage())
    return said


@pytest.mark.parametrize("status", [0, 408, 429, 500, 502, 503, 504])
def test_no_answer_in_time_and_busy_servers_may_answer_later(server: Server, said: list[str], status: int) -> None:
    server.status = status
    with pytest.raises(StoreDownError, match=f"MLflow at http://127.0.0.1:{server.server_port} does not answer"):
        outage.attempt(MlflowClient().get_run, "0" * 32)


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (400, MlflowException, "400"),
        (401, RegistryError, "does not let this user in: .* Set MLFLOW_TRACKING_USERNAME and"),
        (403, RegistryError, "does not let this user in: .* or ask its administrator"),
        (404, MlflowException, "404"),
        (409, MlflowException, "409"),
    ],
)
def test_a_refusal_is_not_tried_again(
    server: Server, said: list[str], status: int, error: type[Exception], words: str
) -> None:
    server.status = status
    with pytest.raises(error, match=words):
        outage.patiently(MlflowClient().get_run, "0" * 32)
    assert said == []


def test_a_server_that_is_gone_is_named_with_the_reason(server: Server, said: list[str]) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(StoreDownError, match=r"\(\[Errno 111\] Connection refused\)"):
        outage.attempt(MlflowClient().get_run, "0" * 32)


def test_a_locked_file_may_be_free_later_and_a_broken_one_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: "sqlite:///mlflow.db")
    assert outage.is_outage(MlflowException("(sqlite3.OperationalError) database is locked", TEMPORARILY_UNAVAILABLE))
    assert not outage.is_outage(MlflowException("(sqlite3.OperationalError) no such table", TEMPORARILY_UNAVAILABLE))
    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: "postgresql://127.0.0.1/mlflow")
    assert outage.is_outage(MlflowException("the database system is starting up", TEMPORARILY_UNAVAILABLE))


class Call:
    """A call of the store that fails so many times."""

    def __init__(self, failures: float) -> None:
        self.failures, self.calls = failures, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise ConnectionError from TimeoutError("no answer")
        return "done"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between tries; every failure of the system's is an outage."""
    monkeypatch.setattr(outage, "make_pauses", lambda: itertools.repeat(0.01))
    monkeypatch.setattr(outage, "is_outage", lambda error: isinstance(error, ConnectionError))


def test_an_outage_is_told_once_and_its_end_once(quick: None, said: list[str]) -> None:
    assert outage.patiently(call := Call(3)) == "done"
    assert call.calls == 4
    assert [line.split(" ")[2:5] for line in said] == [["does", "not", "answer"], ["answers", "again,", "after"]]
    assert "(no answer)" in said[0]


def test_patience_ends_and_then_nothing_is_waited_for_until_it_answers(
    quick: None, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "PATIENCE_S", 0.05)
    for least, most in ((2, 6), (1, 1)):
        with pytest.raises(StoreDownError):
            outage.patiently(call := Call(float("inf")))
        assert least <= call.calls <= most
    assert outage.is_given_up()
    assert outage.attempt(Call(0)) == "done"
    assert not outage.is_given_up()
    assert outage.patiently(Call(2)) == "done"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://me:secret@host:5000/mlflow", "http://host:5000/mlflow"),
        ("postgresql://me:se@cret@host/mlflow", "postgresql://host/mlflow"),
        ("sqlite:////a/mlflow.db", "sqlite:////a/mlflow.db"),
    ],
)
def test_a_log_shows_no_password(monkeypatch: pytest.MonkeyPatch, uri: str, shown: str) -> None:
    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: uri)
    assert outage.find_address() == shown
