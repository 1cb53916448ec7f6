"""A study in MLflow: one parent run, one child run a trial. The study is the truth, the runs follow it."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

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
    known = f"tags.`{_STUDY_TAG}` = '{key}'"
    found = patiently(mlflow.search_runs, search_all_experiments=True, filter_string=known, output_format="list")
    if found:
        with runs.resume_run(found[0].info.run_id) as run_id:
            yield run_id
        return
    with runs.start_run("search", {**tags, _STUDY_TAG: key}, params) as run_id:
        yield run_id


@contextlib.contextmanager
def start_trial(number: int, parent_run_id: str, tags: Mapping[str, str], params: Mapping[str, Any]) -> Iterator[str]:
    """Open the run of a trial and yield its id; to be ended by `end_trial`, a failure marks it FAILED."""
    tags = {**tags, _TRIAL_TAG: str(number)}
    with runs.start_run(f"trial-{number:03d}", tags, params, parent_run_id=parent_run_id) as run_id:
        yield run_id


def end_trial(state: str) -> None:
    """Have the open run end as a trial in this state: COMPLETE, PRUNED or FAIL."""
    runs.end_as(_STATUS[state], {_STATE_TAG: state})


def settle_trials(parent_run_id: str, states: Mapping[int, str]) -> None:
    """Give the runs of ended trials the states that these have in the study; those under way are left alone.

    Args:
        parent_run_id: of the study.
        states: number of each trial -> state, read before this call.
    """
    children = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent_run_id}'"
    client = MlflowClient()
    for run in patiently(mlflow.search_runs, search_all_experiments=True, filter_string=children, output_format="list"):
        state = states.get(int(run.data.tags[_TRIAL_TAG]), "RUNNING")  # begun since the states were read
        status = _STATUS.get(state)
        if status and (run.info.status, run.data.tags.get(_STATE_TAG)) != (status, state):
            patiently(client.set_tag, run.info.run_id, _STATE_TAG, state)
            patiently(client.set_terminated, run.info.run_id, status)
