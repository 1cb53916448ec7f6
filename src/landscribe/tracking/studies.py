"""A study in MLflow: one parent run, one child run per trial. The study is the reference, the runs follow it.

The report of a finished search has enough data to restore the runs in a store that has lost them.
"""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from landscribe.core.files import read_json, write_json
from landscribe.tracking import runs
from landscribe.tracking.outage import patiently
from landscribe.tracking.store import open_store

_STUDY_TAG, _TRIAL_TAG, _STATE_TAG = "optuna.study", "optuna.trial", "optuna.state"
_STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}  # as in mlflow.optuna


@contextlib.contextmanager
def open_parent(key: str, tags: Mapping[str, str], params: Mapping[str, Any]) -> Iterator[str]:
    """Open the run of a study and yield its id: the one that it had before, when the store still knows it.

    To be entered under the study's lock: two hosts that begin at once then find the same run.

    Args:
        key: of the study.
        tags: what made it, where it is new.
        params: by section, where it is new.
    """
    open_store()
    found, tags = _search(_STUDY_TAG, key), {**tags, _STUDY_TAG: key}
    run = runs.resume_run(found[0].info.run_id) if found else runs.start_run("search", tags, params)
    with run as run_id:
        yield run_id


@contextlib.contextmanager
def start_trial(
    number: int, parent_run_id: str, tags: Mapping[str, str], params: Mapping[str, Any], retry_of: Sequence[int] = ()
) -> Iterator[str]:
    """Open the run of a trial and yield its id; to be ended by `end_trial`, a failure marks it FAILED.

    Args:
        number: of the trial.
        parent_run_id: of the study.
        tags: of the run.
        params: by section.
        retry_of: the lost trials with these values, the latest first: the run that one of them has becomes this one's.
    """
    name, tags = f"trial-{number:03d}", {**tags, _TRIAL_TAG: str(number)}
    lost = _find_trial(parent_run_id, retry_of) if retry_of else None
    if lost is None:
        with runs.start_run(name, tags, params, parent_run_id=parent_run_id) as run_id:
            yield run_id
        return
    with runs.resume_run(lost) as run_id:
        runs.put_tags({**tags, MLFLOW_RUN_NAME: name})
        yield run_id


def end_trial(state: str) -> None:
    """Have the open run end as a trial in this state: COMPLETE, PRUNED or FAIL."""
    runs.end_as(_STATUS[state], {_STATE_TAG: state})


def settle_trials(parent_run_id: str, states: Mapping[int, str], lost: Collection[int] = ()) -> None:
    """Give the runs of ended trials the states that these have in the study; those under way are left alone.

    Args:
        parent_run_id: of the study.
        states: number of each trial -> state, read before this call.
        lost: failed trials that were lost with their process: their runs were killed.
    """
    client = MlflowClient()
    for run in _search(MLFLOW_PARENT_RUN_ID, parent_run_id):
        state = states.get(int(run.data.tags[_TRIAL_TAG]), "RUNNING")  # begun since the states were read
        status = "KILLED" if int(run.data.tags[_TRIAL_TAG]) in lost else _STATUS.get(state)
        if status and (run.info.status, run.data.tags.get(_STATE_TAG)) != (status, state):
            patiently(client.set_tag, run.info.run_id, _STATE_TAG, state)
            patiently(client.set_terminated, run.info.run_id, status)


def write_record(
    path: Path,
    key: str,
    tags: Mapping[str, str],
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    trials: Sequence[Mapping[str, Any]],
) -> None:
    """Write `run.json` of a search: with its report, enough to restore its runs if the store loses them.

    Args:
        path: of the file.
        key: of the study.
        tags: of its runs.
        params: of the parent, by section.
        metrics: of the parent.
        trials: of each answered one: number, state, params by section, metrics, and val_macro_ap of each epoch.
    """
    record = {
        "format": runs.RECORD_FORMAT,
        "key": key,
        "tags": dict(tags),
        "params": dict(params),
        "metrics": dict(metrics),
        "trials": list(trials),
    }
    write_json(path, record)


def is_whole(folder: Path) -> bool:
    """Return whether the store holds the runs of the search that made a report; a search without trials has no runs.

    Raises:
        StoreDownError: the store does not answer.
    """
    path = folder / "run.json"
    if not path.is_file():
        return True
    record = read_json(path)
    open_store()
    found = _search(_STUDY_TAG, record["key"])
    return bool(found) and not _find_lost(found[0].info.run_id, record["trials"])


def ensure_study(folder: Path) -> None:
    """Restore the runs that the store has lost of the search that made a report.

    Args:
        folder: of the report: `run.json`, and what is logged as artifacts.

    Raises:
        StoreDownError: the store does not answer.
    """
    if is_whole(folder):
        return
    record = read_json(folder / "run.json")
    tags = record["tags"]
    with open_parent(record["key"], tags, record["params"]) as parent:
        runs.log_metrics(record["metrics"])
        runs.log_files(folder, "search")
        if (drawn := folder.parent / "draw" / folder.name).is_dir():
            runs.log_files(drawn, "search")
        for trial in _find_lost(parent, record["trials"]):
            with start_trial(trial["number"], parent, tags, trial["params"]):
                for epoch, value in enumerate(trial["val_macro_ap"], start=1):
                    runs.log_epoch(epoch, {"val_macro_ap": value})
                runs.log_metrics(trial["metrics"])
                end_trial(trial["state"])


def add_pictures(reports: Path) -> None:
    """Add the pictures of a search to its run; a search without a run, or one that the store has lost, has no place.

    Args:
        reports: folder of the reports: search/run.json and draw/search.

    Raises:
        StoreDownError: the store does not answer.
    """
    path = reports / "search/run.json"
    if not path.is_file():
        return
    open_store()
    for run in _search(_STUDY_TAG, read_json(path)["key"]):
        patiently(MlflowClient().log_artifacts, run.info.run_id, str(reports / "draw/search"), "search")


def _find_trial(parent_run_id: str, numbers: Sequence[int]) -> str | None:
    """Return the id of the run of the first of these trials that has one, or None."""
    by_number = {int(run.data.tags[_TRIAL_TAG]): run for run in _search(MLFLOW_PARENT_RUN_ID, parent_run_id)}
    return next((str(by_number[number].info.run_id) for number in numbers if number in by_number), None)


def _find_lost(parent_run_id: str, trials: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the trials that have no run."""
    present = {int(run.data.tags[_TRIAL_TAG]) for run in _search(MLFLOW_PARENT_RUN_ID, parent_run_id)}
    return [trial for trial in trials if trial["number"] not in present]


def _search(tag: str, value: str) -> list[Run]:
    """Return the runs with this tag, the newest first."""
    wanted = f"tags.`{tag}` = '{value}'"
    found: list[Run] = patiently(
        mlflow.search_runs, search_all_experiments=True, filter_string=wanted, output_format="list"
    )
    return found
