"""Runs say what made them, know their parent, and can be restored from what is on disk."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from landscribe.core.errors import RegistryError, StoreDownError
from landscribe.core.files import compute_file_digest, write_json
from landscribe.core.params import flatten
from landscribe.tracking import runs
from landscribe.tracking.history import write_history
from landscribe.tracking.provenance import make_tags
from landscribe.tracking.store import EXPERIMENT, open_store
from tests.support.model_fixtures import TinyRecords

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(4)

PARAMS = {"train": {"learning_rate": 1e-5, "bands": ["B02"], "augmentation": {"dihedral": True}}}
HISTORY = [{"epoch": 1, "loss": 0.5, "val_loss": 0.6}, {"epoch": 2, "loss": 0.25, "val_loss": 0.4}]

LOGGED = ("train", "discover", "split", "convert", "score", "evaluate")


def start_and_end(name: str = "train", **words: Any) -> Any:
    """Open and close a run; return what the store says of it."""
    with runs.start_run(name, {"device": "CPU"}, PARAMS, **words) as run_id:
        pass
    return mlflow.get_run(run_id)


def read_steps(run_id: str, metric: str) -> dict[int, float]:
    """Return step -> value."""
    return {point.step: point.value for point in MlflowClient().get_metric_history(run_id, metric)}


def test_a_run_carries_its_params_and_tags_in_the_experiment(store: Path) -> None:
    run = start_and_end()
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "train"
    assert run.data.params == {name: str(value) for name, value in flatten(PARAMS).items()}
    assert run.data.tags["device"] == "CPU"
    experiment = mlflow.get_experiment(run.info.experiment_id)
    assert experiment.name == EXPERIMENT
    assert experiment.artifact_location == (store / "mlartifacts").as_uri()
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_a_run_whose_stage_fails_is_marked(store: Path) -> None:
    with pytest.raises(ZeroDivisionError), runs.start_run("train", {}, {}) as run_id:
        raise ZeroDivisionError
    assert mlflow.get_run(run_id).info.status == "FAILED"


def set_handler(request: pytest.FixtureRequest, number: signal.Signals, handler: Any) -> None:
    """Let a signal do what it does in a terminal, for this test: a shell starts background jobs with SIGINT ignored."""
    before = signal.signal(number, handler)
    request.addfinalizer(lambda: signal.signal(number, before))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_is_killed_and_goes_on_later(
    store: Path, request: pytest.FixtureRequest, number: signal.Signals
) -> None:
    before = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    set_handler(request, number, before)
    with pytest.raises(KeyboardInterrupt), runs.start_training("train", {}, {}, "digest", None) as run_id:
        signal.raise_signal(number)
    assert mlflow.get_run(run_id).info.status == "KILLED"
    assert signal.getsignal(number) is before
    with runs.start_training("train", {}, {}, "digest", run_id) as again:
        assert mlflow.get_run(run_id).info.status == "RUNNING"
    assert again == run_id
    assert mlflow.get_run(run_id).info.status == "FINISHED"


def train_once(digest: str, run_id: str | None = None, *, killed: bool = False) -> str:
    """Open a training's run and close it, or leave it as a SIGKILL does; return its id."""
    with runs.start_training("train", {"device": "CPU"}, PARAMS, digest, run_id) as opened:
        pass
    if killed:
        MlflowClient().update_run(opened, "RUNNING")
    return opened


def test_a_training_that_was_killed_goes_on_with_its_run(store: Path) -> None:
    killed = train_once("one", killed=True)
    assert train_once("other") != killed
    assert train_once("one") == killed
    run = mlflow.get_run(killed)
    assert run.info.status == "FINISHED"
    assert run.data.params == {name: str(value) for name, value in flatten(PARAMS).items()}
    assert train_once("one", killed) == killed  # a kill after the end: its state still names the run
    assert train_once("one") != killed  # the same training again
    mlflow.delete_run(killed)
    assert train_once("one", killed) != killed


def test_epochs_that_a_kill_kept_from_the_log_are_logged_once(store: Path) -> None:
    with runs.start_run("train", {}, {}) as run_id:
        runs.log_epoch(1, HISTORY[0])
        runs.log_missing_epochs(HISTORY)
        runs.log_missing_epochs(HISTORY)
    points = MlflowClient().get_metric_history(run_id, "loss")
    assert [(point.step, point.value) for point in points] == [(1, 0.5), (2, 0.25)]


def test_the_run_of_the_command_line_becomes_the_parent(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = open_store()
    outer = MlflowClient().create_run(experiment)
    MlflowClient().log_param(outer.info.run_id, "train.learning_rate", "0.00001")  # as `mlflow run -P` logs it
    monkeypatch.setenv("MLFLOW_RUN_ID", outer.info.run_id)
    run = start_and_end()  # logging 1e-05 to the outer run would be refused
    assert run.info.run_id != outer.info.run_id
    assert run.data.tags["mlflow.parentRunId"] == outer.info.run_id
    assert "MLFLOW_RUN_ID" not in os.environ  # a second run of this process is no child of it by accident
    assert "mlflow.parentRunId" not in start_and_end().data.tags


def test_a_named_parent_is_kept(store: Path) -> None:
    with runs.start_run("search", {}, {}) as parent:
        child = start_and_end("trial-000", parent_run_id=parent)
    assert child.data.tags["mlflow.parentRunId"] == parent


def test_a_lost_run_is_made_anew(store: Path, records: TinyRecords, tmp_path: Path) -> None:
    for name in LOGGED:
        write_json(tmp_path / name / "file.json", name)
    write_history(tmp_path / "train/history.csv", HISTORY)
    tags = make_tags(records.manifest, "CPU", tmp_path)
    with runs.start_run("other", {}, {}):
        datasets = runs.log_dataset(records.manifest, records.folder, "training")
    runs.write_record(tmp_path / "train/run.json", "train", "0" * 32, tags, PARAMS, {"best_epoch": 2}, datasets)
    record = runs.read_run_record(tmp_path / "train/run.json")
    assert runs.find_run(record["run_id"]) is None
    metrics = {"test_macro_ap": 0.75, "val_loss": 0.5}
    run_id = runs.ensure_run({"test_macro_ap": 0.25}, tmp_path)
    assert runs.ensure_run(metrics, tmp_path) == run_id  # restored once, then brought up to date
    run = mlflow.get_run(run_id)
    assert run.data.tags["restored_from_run"] == record["run_id"]
    assert run.data.tags["manifest_digest"] == records.manifest.digest
    assert run.data.params == {name: str(value) for name, value in flatten(PARAMS).items()}
    assert run.data.metrics.items() >= (metrics | {"best_epoch": 2}).items()
    assert read_steps(run_id, "loss") == {1: 0.5, 2: 0.25}
    assert list(read_steps(run_id, "val_loss")) == [1, 2]
    assert len(run.inputs.dataset_inputs) == 3
    assert {item.path for item in MlflowClient().list_artifacts(run_id)} == set(LOGGED)


def test_a_run_that_an_outage_left_open_is_completed(store: Path, records: TinyRecords, tmp_path: Path) -> None:
    for name in LOGGED:
        write_json(tmp_path / name / "file.json", name)
    write_history(tmp_path / "train/history.csv", HISTORY)
    with runs.start_run("train", {}, PARAMS) as run_id:
        datasets = runs.log_dataset(records.manifest, records.folder, "training")
        runs.log_epoch(1, HISTORY[0])
    runs.write_record(tmp_path / "train/run.json", "train", run_id, {}, PARAMS, {"best_epoch": 2}, datasets)
    MlflowClient().update_run(run_id, "RUNNING")
    assert runs.ensure_run({"test_macro_ap": 0.75}, tmp_path) == run_id
    run = mlflow.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert read_steps(run_id, "loss") == {1: 0.5, 2: 0.25}
    assert run.data.metrics["best_epoch"] == 2
    assert {item.path for item in MlflowClient().list_artifacts(run_id)} == set(LOGGED)
    ended = run.info.end_time
    runs.ensure_run({"test_macro_ap": 0.75}, tmp_path)
    assert mlflow.get_run(run_id).info.end_time == ended  # a run that lacks nothing is not opened again


def test_what_the_kept_model_scores_is_the_value_of_the_run(store: Path, tmp_path: Path) -> None:
    history = [{"epoch": 1, "val_macro_ap": 0.75}, {"epoch": 2, "val_macro_ap": 0.5}]
    write_history(tmp_path / "train/history.csv", history)
    with runs.start_run("train", {}, {}) as run_id:
        for row in history:
            runs.log_epoch(int(row["epoch"]), row)
    for _ in range(2):
        runs.add_to_run(run_id, {"val_macro_ap": 0.8125}, tmp_path, [])
    assert mlflow.get_run(run_id).data.metrics["val_macro_ap"] == 0.8125
    points = MlflowClient().get_metric_history(run_id, "val_macro_ap")
    assert sorted((point.step, point.value) for point in points) == [(1, 0.75), (2, 0.5), (2, 0.8125)]


def end_stage(error: Exception) -> None:
    with runs.left_to_register():
        raise error


def test_a_stage_that_has_done_its_work_ends_well_without_the_store(store: Path) -> None:
    end_stage(StoreDownError("MLflow does not answer"))
    with pytest.raises(RegistryError):
        end_stage(RegistryError("it refuses"))


def test_a_finished_run_can_be_added_to_and_stays_finished(store: Path, tmp_path: Path) -> None:
    write_json(tmp_path / "evaluate/summary.json", {})
    run_id = start_and_end().info.run_id
    runs.add_to_run(run_id, {"test_macro_ap": 0.5}, tmp_path, ["evaluate"])
    run = mlflow.get_run(run_id)
    assert (run.info.status, run.data.metrics["test_macro_ap"]) == ("FINISHED", 0.5)
    assert [item.path for item in MlflowClient().list_artifacts(run_id)] == ["evaluate"]
    runs.add_to_run("0" * 32, {"test_macro_ap": 0.5}, tmp_path, ["evaluate"])  # lost: left to `ensure_run`


def test_a_deleted_run_is_a_lost_run(store: Path) -> None:
    run_id = start_and_end().info.run_id
    assert runs.find_run(run_id) == run_id
    mlflow.delete_run(run_id)
    assert runs.find_run(run_id) is None


def test_train_and_val_are_the_datasets_of_a_run(store: Path, records: TinyRecords) -> None:
    with runs.start_run("train", {}, {}) as run_id:
        datasets = runs.log_dataset(records.manifest, records.folder, "training")
    logged = mlflow.get_run(run_id).inputs.dataset_inputs
    seen = {(item.dataset.name, item.dataset.digest, item.tags[0].value) for item in logged}
    told = [(item["name"], item["digest"], item["context"]) for item in datasets]
    assert seen == set(told[:2])
    assert [name for name, *_ in told] == ["demo-train", "demo-val", "demo-test"]
    assert told[2][2] == "evaluation"
    assert len({digest for _, digest, _ in told}) == 3
    assert json.loads(logged[0].dataset.profile)["num_patches"] > 0


def test_tags_name_the_commit_and_the_inputs(
    records: TinyRecords, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert make_tags(records.manifest, "CPU", tmp_path)["git.commit"] == "unknown"
    (tmp_path / "archive.json").write_text('{"digest": "of the archive"}')
    (tmp_path / "dvc.lock").write_text("schema: '2.0'")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "start"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\nstages: {}")
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics/test.json").touch()  # results do not change what made them
    tags = make_tags(records.manifest, "GPU: x", tmp_path)
    assert len(tags["git.commit"]) == 40
    assert (tags["git.dirty"], tags["device"], tags["nomenclature"]) == ("false", "GPU: x", "BEN-19 (19 classes)")
    assert tags["archive_digest"] == "of the archive"
    assert tags["dvc_lock_digest"] == compute_file_digest(tmp_path / "dvc.lock")
    assert "split_digest" not in tags
    assert {"tensorflow", "mlflow", "python"} <= set(json.loads(tags["versions"]))
    (tmp_path / "new").touch()
    assert make_tags(records.manifest, "CPU", tmp_path)["git.dirty"] == "true"
