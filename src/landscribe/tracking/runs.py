"""MLflow runs that say what made them: code, data, params, device, versions."""

import contextlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.data.meta_dataset import MetaDataset
from mlflow.data.sources import LocalArtifactDatasetSource

from landscribe.files import compute_file_digest, read_json, write_json
from landscribe.history import read_history
from landscribe.params import flatten
from landscribe.records.schema import Manifest
from landscribe.tracking.store import open_store

_LIBRARIES = ("tensorflow", "keras", "mlflow", "dvc", "optuna", "numpy", "scikit-learn", "rasterio")
_PARENT_TAG = "mlflow.parentRunId"
_RESTORED_TAG = "restored_from_run"
_TRAINING_TAG = "training_digest"
# What was learnt from, what was measured: the folders of reports that a run's page shows beside those of `train`.
_REPORTS = ("discover", "split", "convert", "score", "evaluate")


@contextlib.contextmanager
def start_run(
    name: str, tags: Mapping[str, str], params: Mapping[str, Any], *, parent_run_id: str | None = None
) -> Iterator[str]:
    """Open a run in the experiment, with system metrics, and yield its id; a failure marks it FAILED.

    A stage started by `mlflow run` finds the run of the command line in MLFLOW_RUN_ID. It becomes the parent: its
    params are logged already, as text, and logging the number again would be refused.
    """
    open_store()
    parent = os.environ.pop("MLFLOW_RUN_ID", None) or parent_run_id
    mlflow.set_system_metrics_sampling_interval(5)
    tags = dict(tags) | ({_PARENT_TAG: parent} if parent else {})
    nested = mlflow.active_run() is not None
    with mlflow.start_run(run_name=name, tags=tags, nested=nested, log_system_metrics=True) as run:
        mlflow.log_params(flatten(params))
        yield run.info.run_id


@contextlib.contextmanager
def start_training(
    name: str, tags: Mapping[str, str], params: Mapping[str, Any], digest: str, run_id: str | None
) -> Iterator[str]:
    """Open the run of a training as `start_run` does; one that was killed goes on with the run that it had.

    Args:
        name: of the run, where it is new.
        tags: what made it; a run that goes on takes them over.
        params: by section.
        digest: of all that shapes the training.
        run_id: of the run that it had before, if it is known; else one that a kill left open is looked for.
    """
    open_store()
    left_open = f"tags.{_TRAINING_TAG} = '{digest}' AND attributes.status = 'RUNNING'"
    found = mlflow.search_runs(search_all_experiments=True, filter_string=left_open, output_format="list")
    present = find_run(run_id) if run_id else found[0].info.run_id if found else None
    tags = dict(tags) | {_TRAINING_TAG: digest}
    if present is None:
        with start_run(name, tags, params) as started:
            yield started
        return
    os.environ.pop("MLFLOW_RUN_ID", None)
    nested = mlflow.active_run() is not None
    with mlflow.start_run(run_id=present, tags=tags, nested=nested, log_system_metrics=True):
        mlflow.log_params(flatten(params))  # the same; a kill may have come before them
        yield present


@contextlib.contextmanager
def resume_run(run_id: str) -> Iterator[str]:
    """Open a run again, to add to it, and yield its id."""
    open_store()
    os.environ.pop("MLFLOW_RUN_ID", None)
    with mlflow.start_run(run_id=run_id):
        yield run_id


def find_run(run_id: str) -> str | None:
    """Return the id of the run, or of the run that was made anew in its place; None when the store has neither."""
    open_store()
    with contextlib.suppress(mlflow.MlflowException):
        if mlflow.get_run(run_id).info.lifecycle_stage == "active":
            return run_id
    restored = f"tags.{_RESTORED_TAG} = '{run_id}'"
    found = mlflow.search_runs(search_all_experiments=True, filter_string=restored, output_format="list")
    return str(found[0].info.run_id) if found else None


def make_tags(manifest: Manifest, device: str, data_dir: Path) -> dict[str, str]:
    """Return the tags of a run: commit, data digests, nomenclature, device and library versions.

    Args:
        manifest: of the records that the run reads.
        device: as `devices.choose_device` says.
        data_dir: folder of `archive.json` and `splits.parquet`; an absent file is left out.
    """
    commit, dirty = _read_git()
    archive, splits = data_dir / "archive.json", data_dir / "splits.parquet"
    digests = {"archive_digest": read_json(archive)["digest"]} if archive.is_file() else {}
    digests |= {"split_digest": compute_file_digest(splits)} if splits.is_file() else {}
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES} | {"python": platform.python_version()}
    return {
        "git.commit": commit,
        "git.dirty": str(dirty).lower(),
        "archive": manifest.archive,
        "manifest_digest": manifest.digest,
        "nomenclature": f"{manifest.nomenclature} ({len(manifest.classes)} classes)",
        "device": device,
        "versions": json.dumps(versions),
        **digests,
    }


def log_dataset(manifest: Manifest, records_dir: Path, context: str) -> None:
    """Log the records as the run's dataset; its digest is the manifest's."""
    source = LocalArtifactDatasetSource(records_dir.as_posix())
    dataset = MetaDataset(source, name=f"{manifest.archive}-records", digest=manifest.digest)
    mlflow.log_input(dataset, context=context)


def log_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
    """Log scalars to the open run in one call."""
    mlflow.log_metrics(dict(metrics), step=step)


def log_files(folder: Path, artifact_path: str) -> None:
    """Log every file of a report folder as artifacts of the open run."""
    mlflow.log_artifacts(str(folder), artifact_path)


def log_epoch(epoch: int, row: Mapping[str, float]) -> None:
    """Log a row of the history to the open run, at the step of its epoch."""
    log_metrics({key: value for key, value in row.items() if key != "epoch"}, step=epoch)


def log_missing_epochs(history: Iterable[Mapping[str, float]]) -> None:
    """Log the rows of the history that the open run has not: a kill may have come between an epoch and its log."""
    run = mlflow.active_run()
    logged = {point.step for point in MlflowClient().get_metric_history(run.info.run_id, "loss")}
    for row in history:
        if row["epoch"] not in logged:
            log_epoch(int(row["epoch"]), row)


def add_to_run(run_id: str, metrics: Mapping[str, float], reports: Path, names: Iterable[str]) -> None:
    """Add metrics and report folders to a finished run; a run that the store has lost is left to `ensure_run`."""
    present = find_run(run_id)
    if present is None:
        return
    with resume_run(present):
        log_metrics(metrics)
        for name in names:
            log_files(reports / name, name)


def ensure_run(metrics: Mapping[str, float], reports: Path) -> str:
    """Return the id of the training's run, brought up to date; when the store has lost it, make it anew.

    DVC's run cache restores metrics without logging them, so they are logged again here.

    Args:
        metrics: metrics of val and test together.
        reports: folder of the reports: `run.json`, the history, and what is logged as artifacts.
    """
    record = read_run_record(reports / "train/run.json")
    if run_id := find_run(record["run_id"]):
        add_to_run(run_id, metrics, reports, _REPORTS)
        return run_id
    tags = dict(record["tags"]) | {_RESTORED_TAG: record["run_id"]}
    with start_run(record["run_name"], tags, record["params"]) as run_id:
        for row in read_history(reports / "train/history.csv"):
            log_epoch(int(row["epoch"]), row)
        log_metrics(metrics)
        for name in ("train", *_REPORTS):
            log_files(reports / name, name)
    return run_id


def write_record(
    path: Path, name: str, run_id: str, tags: Mapping[str, str], params: Mapping[str, Any], manifest: Manifest
) -> None:
    """Write `run.json`: enough to make the run anew when the store loses it."""
    record = {
        "run_id": run_id,
        "run_name": name,
        "manifest_digest": manifest.digest,
        "tags": dict(tags),
        "params": dict(params),
    }
    write_json(path, record)


def read_run_record(path: Path) -> dict[str, Any]:
    """Return `run.json`: run_id, run_name, tags, params and the digests of what it read."""
    content: dict[str, Any] = read_json(path)
    return content


def _read_git() -> tuple[str, bool]:
    """Return (commit, whether the working tree differs), or ("unknown", True) outside git."""

    def ask(*words: str) -> str:
        # In the stage's own folder: under `dvc exp run --temp` that is the checkout whose code runs.
        answer = subprocess.run(["git", *words], capture_output=True, text=True, check=True)
        return answer.stdout.strip()

    try:
        return ask("rev-parse", "HEAD"), bool(ask("status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError):
        return "unknown", True
