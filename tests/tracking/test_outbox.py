"""What is logged arrives once, in order, whatever the store does meanwhile and however the process ends."""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
import requests
from mlflow import MlflowClient

from landscribe.core.errors import LockHeldError, RegistryError
from landscribe.tracking import outage, outbox, runs
from landscribe.tracking.outbox import Outbox, deliver
from landscribe.tracking.store import open_store

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(5)


class FlakyStore:
    """Between MLflow's client and the store: refuses the connection, or takes a call and loses the answer."""

    def __init__(self) -> None:
        self.down = self.loses_answers = False
        self.log_batch = MlflowClient.log_batch

    def __call__(self, *arguments: Any, **named: Any) -> None:
        if not self.down:
            self.log_batch(*arguments, **named)
        if self.down or self.loses_answers:
            self.loses_answers = False
            raise requests.ConnectionError("the store is down")


@pytest.fixture
def flaky(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlakyStore]:
    """The store, with failures to order and no long waits."""
    open_store()
    made = FlakyStore()
    monkeypatch.setattr(MlflowClient, "log_batch", lambda *arguments, **named: made(*arguments, **named))
    monkeypatch.setattr(outage, "make_pauses", lambda: itertools.repeat(0.02))
    monkeypatch.setattr(outage, "_outage", outage._Outage())
    yield made
    made.down = False
    deliver()


def read_points(run_id: str, metric: str = "loss") -> list[tuple[int, float]]:
    """Return (step, value) of every point in the order of their times."""
    points = MlflowClient().get_metric_history(run_id, metric)
    return [(point.step, point.value) for point in sorted(points, key=lambda point: (point.timestamp, point.step))]


def list_waiting(store: Path) -> list[Path]:
    return list((store / ".landscribe/outbox").glob("*/*.jsonl"))


def test_an_outage_in_a_run_loses_nothing_and_holds_nothing_up(flaky: FlakyStore, store: Path) -> None:
    with runs.start_run("train", {}, {}) as run_id:
        runs.log_metrics({"loss": 0.5, "val_loss": 0.6}, 1)
        flaky.down = True
        for epoch in range(2, 6):
            runs.log_metrics({"loss": 1 / epoch}, epoch)
        assert len(list_waiting(store)) == 1
        flaky.down = False
    assert read_points(run_id) == [(1, 0.5), (2, 1 / 2), (3, 1 / 3), (4, 1 / 4), (5, 1 / 5)]
    assert mlflow.get_run(run_id).info.status == "FINISHED"
    assert not list_waiting(store)


def test_an_answer_that_is_lost_doubles_nothing(flaky: FlakyStore) -> None:
    with runs.start_run("train", {}, {}) as run_id:
        flaky.loses_answers = True
        runs.log_metrics({"loss": 0.5}, 1)
    assert not flaky.loses_answers
    assert read_points(run_id) == [(1, 0.5)]


def test_what_a_store_that_stays_away_lacks_is_sent_by_the_next_run(
    flaky: FlakyStore, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "PATIENCE_S", 0.1)
    with runs.start_run("train", {}, {}) as run_id:
        flaky.down = True
        runs.log_metrics({"loss": 0.5}, 1)
    assert mlflow.get_run(run_id).info.status == "RUNNING"
    assert [path.stem for path in list_waiting(store)] == [run_id]
    flaky.down = False
    with runs.start_run("next", {}, {}):
        pass
    run = mlflow.get_run(run_id)
    assert (run.info.status, read_points(run_id)) == ("FINISHED", [(1, 0.5)])
    assert not list_waiting(store)


KILLED = """
import os, signal, sys
from mlflow import MlflowClient
from landscribe.tracking import runs
with runs.start_run("train", {}, {}) as run_id:
    runs.log_metrics({"loss": 0.5}, 1)
    runs._open[-1].flush()
    MlflowClient.log_batch = lambda *arguments, **named: signal.pause()  # a server that hangs
    runs.log_metrics({"loss": 0.25}, 2)
    print(run_id, flush=True)
    with runs._open[-1]._path.open("a") as stream:
        stream.write('{"metrics": {"lo')
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_had_not_sent_is_sent_by_the_next(flaky: FlakyStore, store: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
    run_id = killed.stdout.strip()
    assert killed.returncode == -9, killed.stderr
    assert read_points(run_id) == [(1, 0.5)]
    deliver()
    assert read_points(run_id) == [(1, 0.5), (2, 0.25)]
    assert mlflow.get_run(run_id).info.status == "RUNNING"  # for the same training to go on with
    assert not list_waiting(store)


def test_what_a_living_process_has_not_sent_is_left_to_it(flaky: FlakyStore, store: Path) -> None:
    experiment = open_store()  # a client made before it belongs to the store before
    run_id = MlflowClient().create_run(experiment).info.run_id
    living = Outbox(run_id)
    flaky.down = True
    living.put_metrics({"loss": 0.5}, 1)
    deliver()
    assert len(list_waiting(store)) == 1
    with pytest.raises(LockHeldError, match="logs to run"):
        Outbox(run_id)
    flaky.down = False
    living.close("FINISHED", is_failed=False)
    assert read_points(run_id) == [(1, 0.5)]


def log_to_a_deleted_run() -> None:
    with runs.start_run("train", {}, {}) as run_id:
        mlflow.delete_run(run_id)
        runs.log_metrics({"loss": 0.5}, 1)


def test_a_store_that_refuses_is_an_error_at_the_end_of_the_run(flaky: FlakyStore, store: Path) -> None:
    with pytest.raises(RegistryError, match="refused what run"):
        log_to_a_deleted_run()
    deliver()  # there is no place for it any more: said, and forgotten
    assert not list_waiting(store)


def fail_in_an_outage(flaky: FlakyStore) -> None:
    with runs.start_run("train", {}, {}):
        flaky.down = True
        runs.log_metrics({"loss": 0.5}, 1)
        outage._outage.given_up = True
        raise ZeroDivisionError


def test_an_error_in_the_run_is_not_hidden_by_an_outage(
    flaky: FlakyStore, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_HURRIED_S", 0.1)
    with pytest.raises(ZeroDivisionError):
        fail_in_an_outage(flaky)
    assert len(list_waiting(store)) == 1
