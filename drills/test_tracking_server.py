"""The tracking server is killed in the middle of a training and comes back, or does not: the run ends complete."""

import itertools
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from landscribe.tracking import runs
from landscribe.tracking.history import read_history
from tests.support.checkout import Checkout
from tests.support.mlflow_server import MlflowServer

pytest_plugins = ["tests.support.model_fixtures"]

OUTAGE_S = 60
LOCKED_S = 25  # MLflow waits 20 s for a locked SQLite file before it gives up
SMALL = "demo.num_patches=120 demo.num_tiles=2 search.trials=0 train.batch_size_patches=8"
TRAIN = ("dvc", "repro", "--single-item", "train")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server that runs."""
    made = MlflowServer(tmp_path_factory.mktemp("server"))
    try:
        made.start()
        yield made
    finally:
        made.kill()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, server: MlflowServer) -> Checkout:
    """A checkout that logs to the server, ready to train."""
    made = Checkout(tmp_path_factory.mktemp("tracking").resolve())
    made.env["MLFLOW_TRACKING_URI"] = server.uri
    made.repro(SMALL, "--stage", "search")
    return made


def train_with_outage(checkout: Checkout, server: MlflowServer, epochs: int, outage_s: float | None) -> str:
    """Train, kill the server after the second epoch, perhaps start it again; return what the stage said."""
    checkout.repro(f"train.epochs={epochs}", "--stage", "search")
    before = {run.info.run_id for run in list_runs(server)}
    log = checkout.folder / "train.log"
    with (
        log.open("wb") as stream,
        subprocess.Popen(TRAIN, cwd=checkout.folder, env=checkout.env, stdout=stream, stderr=stream) as dvc,
    ):
        while dvc.poll() is None and not any(run.data.metrics for run in list_runs(server, before)):
            time.sleep(0.2)
        assert dvc.poll() is None
        server.kill()
        if outage_s is not None:
            time.sleep(outage_s)
            server.start()
        assert dvc.wait() == 0, log.read_text(encoding="utf-8")
    return log.read_text(encoding="utf-8")


def list_runs(server: MlflowServer, without: frozenset[str] | set[str] = frozenset()) -> list[Run]:
    """Return the runs at the server."""
    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name("landscribe")
    found = client.search_runs([experiment.experiment_id]) if experiment else []
    return [run for run in found if run.info.run_id not in without]


def check_complete(server: MlflowServer, checkout: Checkout) -> Run:
    """Check that the newest run is finished and has every metric of every epoch exactly once; return it."""
    client, run = MlflowClient(server.uri), list_runs(server)[0]
    history = read_history(checkout.folder / "reports/train/history.csv")
    assert run.info.status == "FINISHED"
    for name in history[0]:
        if name != "epoch":
            points = client.get_metric_history(run.info.run_id, name)
            expected = [(row["epoch"], row[name]) for row in history]
            assert [(point.step, point.value) for point in points][: len(history)] == expected
    steps = [point.step for point in client.get_metric_history(run.info.run_id, "seconds")]
    assert steps == list(range(1, len(history) + 1))
    assert {item.path for item in client.list_artifacts(run.info.run_id)} >= {"train"}
    assert {item.dataset.name for item in run.inputs.dataset_inputs} >= {"demo-train", "demo-val"}
    return run


def test_a_server_that_is_gone_for_a_minute_misses_nothing(server: MlflowServer, checkout: Checkout) -> None:
    said = train_with_outage(checkout, server, 40, OUTAGE_S)
    run = check_complete(server, checkout)
    points = MlflowClient(server.uri).get_metric_history(run.info.run_id, "system/cpu_utilization_percentage")
    times_s = [point.timestamp / 1000 for point in points]
    assert max(later - sooner for sooner, later in itertools.pairwise(times_s)) < OUTAGE_S / 2
    assert said.count("does not answer (") == 1
    assert "[Errno 111] Connection refused" in said
    assert "answers again, after" in said
    assert "Traceback" not in said
    assert not list((checkout.folder / ".landscribe/outbox").glob("*/*.jsonl"))


def test_a_server_that_stays_away_gets_the_run_from_the_stages_after(server: MlflowServer, checkout: Checkout) -> None:
    said = train_with_outage(checkout, server, 4, None)
    assert "register adds what the run lacks" in said
    assert "is not complete" in said
    assert "Traceback" not in said
    server.start()
    checkout.repro()
    run = check_complete(server, checkout)
    assert run.data.metrics["test_macro_ap"] == checkout.read("metrics/test.json")["test_macro_ap"]
    assert run.data.metrics["val_macro_ap"] == checkout.read("metrics/val.json")["val_macro_ap"]
    assert {item.dataset.name for item in run.inputs.dataset_inputs} == {"demo-train", "demo-val", "demo-test"}
    assert len(run.data.metrics) <= 60


def test_a_file_that_is_locked_for_long_holds_nothing_up(store: Path) -> None:
    with runs.start_run("train", {}, {}) as run_id:
        other = sqlite3.connect(store / "mlflow.db", check_same_thread=False)
        other.execute("BEGIN EXCLUSIVE")
        threading.Timer(LOCKED_S, other.rollback).start()
        began = time.monotonic()
        runs.log_metrics({"loss": 0.5}, 1)
        assert time.monotonic() - began < LOCKED_S / 5
    points = MlflowClient().get_metric_history(run_id, "loss")
    assert [(point.step, point.value) for point in points] == [(1, 0.5)]
    assert mlflow.get_run(run_id).info.status == "FINISHED"
    other.close()
