"""MLflow runs that say what made them: code, data, params, device, versions.

What is logged to an open run goes through its outbox, so that a store that is slow, down or restarted holds nothing up.
"""

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunStatus, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags

from landscribe.core.errors import StoreDownError
from landscribe.core.files import read_json, write_json
from landscribe.core.params import flatten
from landscribe.records.schema import Manifest
from landscribe.runtime.interrupts import handle_signal
from landscribe.runtime.progress import make_logger
from landscribe.tracking.history import read_history
from landscribe.tracking.outage import find_address, patiently
from landscribe.tracking.outbox import Outbox, deliver, make_inputs, read_clock_ms
from landscribe.tracking.store import open_store
from landscribe.tracking.system_metrics import sample_while

_PARENT_TAG = "mlflow.parentRunId"
_RESTORED_TAG = "restored_from_run"
_TRAINING_TAG = "training_digest"
# What was learnt from, what was measured: the folders of reports that a run's page shows beside those of `train`.
_REPORTS = ("discover", "split", "convert", "score", "evaluate")
_USES = {"train": None, "val": None, "test": "evaluation"}  # split -> what its dataset is for; None: the run itself
RECORD_FORMAT = 1
"""Of `run.json`; those without a number are older."""

_open: list[Outbox] = []  # of the runs that this process logs to, the innermost last


@contextlib.contextmanager
def start_run(
    name: str, tags: Mapping[str, str], params: Mapping[str, Any], *, parent_run_id: str | None = None
) -> Iterator[str]:
    """Open a run in the experiment, with system metrics, and yield its id.

    A failure marks it FAILED, Ctrl-C and SIGTERM mark it KILLED.

    A run that is opened inside another is its child. A stage started by `mlflow run` finds the run of the command line
    in MLFLOW_RUN_ID. It becomes the parent: its params are logged already, as text, and logging the number again would
    be refused.

    Raises:
        StoreDownError: the store does not answer. Once the run is open that ends nothing any more.
    """
    experiment = _open_store()
    parent = os.environ.pop("MLFLOW_RUN_ID", None) or parent_run_id or (_open[-1].run_id if _open else None)
    own = dict(tags) | ({_PARENT_TAG: parent} if parent else {})
    run = patiently(MlflowClient().create_run, experiment, tags=resolve_tags(own), run_name=name)
    with _logging_to(run, params):
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
    _open_store()
    tags = dict(tags) | {_TRAINING_TAG: digest}
    present = find_run(run_id) if run_id else _find_tagged(_TRAINING_TAG, digest, " AND attributes.status = 'RUNNING'")
    if present is None:
        with start_run(name, tags, params) as started:
            yield started
        return
    os.environ.pop("MLFLOW_RUN_ID", None)
    run = _reopen(present)
    added = [RunTag(key, value) for key, value in tags.items()]
    patiently(MlflowClient().log_batch, present, tags=added, synchronous=True)
    with _logging_to(run, params):  # the same params; a kill may have come before them
        yield present


@contextlib.contextmanager
def resume_run(run_id: str) -> Iterator[str]:
    """Open a run again, to add to it, and yield its id."""
    _open_store()
    os.environ.pop("MLFLOW_RUN_ID", None)
    with _logging_to(_reopen(run_id), {}):
        yield run_id


@contextlib.contextmanager
def left_to_register() -> Iterator[None]:
    """Let a stage that has written its files end well where the store is down: `register` adds what the run lacks."""
    try:
        yield
    except StoreDownError:
        words = "mlflow: %s has not answered; this stage has done its work, and register adds what the run lacks"
        make_logger("mlflow").warning(words, find_address())


def find_run(run_id: str) -> str | None:
    """Return the id of the run, or of the run that replaces it after a loss; None if the store has neither."""
    _open_store()
    try:
        if patiently(mlflow.get_run, run_id).info.lifecycle_stage == "active":
            return run_id
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    return _find_tagged(_RESTORED_TAG, run_id)


def log_dataset(manifest: Manifest, records_dir: Path, context: str) -> list[dict[str, Any]]:
    """Log the records of train and val as the datasets of the open run.

    Args:
        manifest: of the records; the digest of a dataset is that of the manifest with this split alone.
        records_dir: their folder.
        context: what the run does with them, e.g. "training".

    Returns:
        What they are, and what test is, in whose context it is evaluated: as `write_record` keeps it.
    """
    datasets = [
        {
            "name": f"{manifest.archive}-{split}",
            "digest": replace(manifest, splits={split: manifest.splits[split]}).digest,
            "source": (records_dir / split).as_posix(),
            "num_patches": manifest.num_records(split),
            "context": use or context,
        }
        for split, use in _USES.items()
    ]
    _open[-1].put_inputs([dataset for dataset in datasets if dataset["context"] == context])
    return datasets


def log_metrics(metrics: Mapping[str, float], step: int = 0) -> None:
    """Log scalars to the open run, without waiting for the store."""
    _open[-1].put_metrics(metrics, step)


def end_as(status: str, tags: Mapping[str, str]) -> None:
    """Have the open run end in this status of MLflow instead of FINISHED, with tags that say why."""
    _open[-1].put_tags(tags)
    _open[-1].status = status


def put_tags(tags: Mapping[str, str]) -> None:
    """Set tags of the open run, without waiting for the store."""
    _open[-1].put_tags(tags)


def log_files(folder: Path, artifact_path: str) -> None:
    """Log every file of a report folder as artifacts of the open run.

    Raises:
        StoreDownError: the store does not answer.
    """
    _log_files(_open[-1].run_id, folder, artifact_path)


def log_training(folder: Path, metrics: Mapping[str, float]) -> None:
    """Log what a training ended with; where the store is down, the rest of its report is left to `ensure_run`."""
    log_metrics(metrics)
    with left_to_register():
        log_files(folder, "train")


def log_epoch(epoch: int, row: Mapping[str, float]) -> None:
    """Log a row of the history to the open run, at the step of its epoch."""
    log_metrics({key: value for key, value in row.items() if key != "epoch"}, step=epoch)


def log_missing_epochs(history: Iterable[Mapping[str, float]]) -> None:
    """Log the rows of the history that the open run has not: a kill may have come between an epoch and its log."""
    _open[-1].flush()
    for row in _find_missing(_open[-1].run_id, history):
        log_epoch(int(row["epoch"]), row)


def add_to_run(run_id: str, metrics: Mapping[str, float], reports: Path, names: Iterable[str]) -> None:
    """Add metrics and report folders to a finished run; a run that the store has lost is left to `ensure_run`.

    The metrics are those of the model that the training ended with, so they stand at the step of its last epoch: MLflow
    shows the value of the highest step, and `val_macro_ap` has one at every epoch too.

    Raises:
        StoreDownError: the store does not answer.
    """
    present = find_run(run_id)
    if present is None:
        return
    known = patiently(mlflow.get_run, present).data.metrics
    if changed := {name: value for name, value in metrics.items() if known.get(name) != value}:
        history = reports / "train/history.csv"
        step = len(read_history(history)) if history.is_file() else 0
        time_ms = read_clock_ms()
        points = [Metric(name, value, time_ms, step) for name, value in changed.items()]
        patiently(MlflowClient().log_batch, present, points, synchronous=True)
    for name in names:
        _log_files(present, reports / name, name)
        if (drawn := reports / "draw" / name).is_dir():
            _log_files(present, drawn, name)


def ensure_run(metrics: Mapping[str, float], reports: Path) -> str:
    """Return the id of the training's run, brought up to date; if the store has lost it, restore it.

    DVC's run cache restores metrics without logging them, and a training may have ended while the store was down: what
    the run lacks is logged here.

    Args:
        metrics: metrics of val and test together.
        reports: folder of the reports: `run.json`, the history, and what is logged as artifacts.

    Raises:
        StoreDownError: the store does not answer.
    """
    record = read_run_record(reports / "train/run.json")
    history = read_history(reports / "train/history.csv")
    run_id = find_run(record["run_id"])
    if run_id is None:
        tags = dict(record["tags"]) | {_RESTORED_TAG: record["run_id"]}
        with start_run(record["run_name"], tags, record["params"]) as run_id:
            log_missing_epochs(history)
    _complete_training(run_id, history, record["datasets"])
    add_to_run(run_id, {**record["metrics"], **metrics}, reports, ("train", *_REPORTS))
    return run_id


def write_record(
    path: Path,
    name: str,
    run_id: str,
    tags: Mapping[str, str],
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    datasets: Sequence[Mapping[str, Any]],
) -> None:
    """Write `run.json`: with the history next to it, enough to restore the run if the store loses it."""
    record = {
        "format": RECORD_FORMAT,
        "run_id": run_id,
        "run_name": name,
        "tags": dict(tags),
        "params": dict(params),
        "metrics": dict(metrics),
        "datasets": list(datasets),
    }
    write_json(path, record)


def read_run_record(path: Path) -> dict[str, Any]:
    """Return `run.json`: run_id, run_name, tags, params, metrics and datasets of the training.

    One of before the format had a number may lack the last two.
    """
    content: dict[str, Any] = {"metrics": {}, "datasets": []} | read_json(path)
    return content


def _open_store() -> str:
    """Open the store, deliver what ended processes could not, and return the experiment's id."""
    experiment = open_store()
    deliver()
    return experiment


@contextlib.contextmanager
def _logging_to(run: Run, params: Mapping[str, Any]) -> Iterator[None]:
    """Log params, let the block log to the run, end it.

    FINISHED or as `end_as` said; FAILED where the block raises, KILLED where it is interrupted.
    """
    run_id = run.info.run_id
    outbox = Outbox(run_id)
    status = "KILLED"
    try:
        logged = [Param(name, str(value)) for name, value in flatten(params).items()]
        patiently(MlflowClient().log_batch, run_id, params=logged, synchronous=True)
        _open.append(outbox)
        # SIGTERM, as a scheduler sends it, interrupts as Ctrl-C does.
        interruptible = handle_signal(signal.SIGTERM, signal.default_int_handler)
        with interruptible, sample_while(outbox.put_metrics, run.info.start_time):
            yield
        status = outbox.status
    except Exception:
        status = "FAILED"
        raise
    finally:
        if outbox in _open:
            _open.remove(outbox)
        outbox.close(status, is_failed=status != outbox.status)


def _reopen(run_id: str) -> Run:
    """Mark a run as running again and return it."""
    patiently(MlflowClient().update_run, run_id, "RUNNING")
    return patiently(mlflow.get_run, run_id)


def _find_tagged(tag: str, value: str, condition: str = "") -> str | None:
    """Return the id of the newest run with this tag, or None."""
    wanted = f"tags.{tag} = '{value}'{condition}"
    found = patiently(mlflow.search_runs, search_all_experiments=True, filter_string=wanted, output_format="list")
    return str(found[0].info.run_id) if found else None


def _log_files(run_id: str, folder: Path, artifact_path: str) -> None:
    patiently(MlflowClient().log_artifacts, run_id, str(folder), artifact_path)


def _complete_training(
    run_id: str, history: Sequence[Mapping[str, float]], datasets: Sequence[Mapping[str, Any]]
) -> None:
    """Log the epochs and datasets that the run of a finished training lacks; end it where it was left open."""
    run = patiently(mlflow.get_run, run_id)
    present = {(item.dataset.name, item.dataset.digest) for item in run.inputs.dataset_inputs}
    if lacking := [item for item in datasets if (item["name"], item["digest"]) not in present]:
        patiently(MlflowClient().log_inputs, run_id, make_inputs(lacking))
    if not RunStatus.is_terminated(RunStatus.from_string(run.info.status)) or _find_missing(run_id, history):
        with resume_run(run_id):
            log_missing_epochs(history)


def _find_missing(run_id: str, history: Iterable[Mapping[str, float]]) -> list[Mapping[str, float]]:
    """Return the rows of the history whose epoch the run has not."""
    logged = {point.step for point in patiently(MlflowClient().get_metric_history, run_id, "loss")}
    return [row for row in history if row["epoch"] not in logged]
