"""A study has one parent run, a trial one child; the states of the study are those of the runs."""

from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from landscribe.tracking import studies
from landscribe.tracking.store import open_store

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(3)


def open_parent(key: str) -> str:
    """Open and close the run of a study; return its id."""
    with studies.open_parent(key, {"device": "CPU"}, {"search": {"trials": 4}}) as run_id:
        pass
    return run_id


def start_trial(number: int, parent: str) -> str:
    """Start the run of a trial whose process is killed; return its id."""
    tags = {"mlflow.parentRunId": parent, "optuna.trial": str(number)}
    return str(MlflowClient().create_run(open_store(), tags=tags).info.run_id)


def list_children(parent: str) -> list[Run]:
    """Return the runs of the trials of a study, by name."""
    found = mlflow.search_runs(
        search_all_experiments=True, filter_string=f"tags.`mlflow.parentRunId` = '{parent}'", output_format="list"
    )
    return sorted(found, key=lambda run: run.info.run_name)


def test_a_study_goes_on_with_its_run_and_with_no_other(store: Path) -> None:
    parent = open_parent("one")
    MlflowClient().update_run(parent, "RUNNING")  # what a SIGKILL leaves behind
    assert open_parent("one") == parent != open_parent("other")
    run = mlflow.get_run(parent)
    assert (run.info.run_name, run.info.status) == ("search", "FINISHED")
    assert run.data.params == {"search.trials": "4"}


def test_a_run_that_the_store_has_lost_is_made_anew(store: Path) -> None:
    parent = open_parent("lost")
    MlflowClient().delete_run(parent)
    restored = open_parent("lost")
    assert restored != parent
    assert open_parent("lost") == restored


def test_the_run_of_a_lost_trial_is_killed_and_goes_on_as_that_of_the_next_try(store: Path) -> None:
    parent = open_parent("one")
    lost = start_trial(0, parent)
    studies.settle_trials(parent, {0: "FAIL"}, {0})
    assert mlflow.get_run(lost).info.status == "KILLED"
    with studies.start_trial(3, parent, {"device": "CPU"}, {}, retry_of=(2, 0)) as run_id:  # 2 had no run yet
        assert mlflow.get_run(run_id).info.status == "RUNNING"
        studies.end_trial("COMPLETE")
    assert run_id == lost
    run = mlflow.get_run(lost)
    assert (run.info.status, run.info.run_name, run.data.tags["optuna.trial"]) == ("FINISHED", "trial-003", "3")
    with studies.start_trial(4, parent, {}, {}, retry_of=(9,)) as other:  # lost before it had a run
        studies.end_trial("COMPLETE")
    assert len(list_children(parent)) == 2
    assert other != lost


def test_runs_follow_the_states_of_their_trials(store: Path) -> None:
    parent = open_parent("states")
    states = {0: "COMPLETE", 1: "PRUNED", 2: "FAIL", 3: "RUNNING", 4: "WAITING"}
    runs = [start_trial(number, parent) for number in (*states, 5)]  # trial 5 has begun since the states were read
    other = start_trial(2, open_parent("other"))
    MlflowClient().set_terminated(runs[2], "FINISHED")  # killed after its run had ended, before the study knew
    expected = ["FINISHED", "KILLED", "FAILED", "RUNNING", "RUNNING", "RUNNING"]
    ended = []
    for _ in range(2):  # the second time changes nothing
        studies.settle_trials(parent, states)
        found = [mlflow.get_run(run_id) for run_id in runs]
        assert [run.info.status for run in found] == expected
        assert [run.data.tags.get("optuna.state") for run in found[:4]] == ["COMPLETE", "PRUNED", "FAIL", None]
        ended.append([run.info.end_time for run in found])
    assert ended[0] == ended[1]
    assert mlflow.get_run(other).info.status == "RUNNING"


@pytest.mark.parametrize(("state", "status"), [("COMPLETE", "FINISHED"), ("PRUNED", "KILLED"), ("FAIL", "FAILED")])
def test_a_trial_ends_in_its_state(store: Path, state: str, status: str) -> None:
    parent = open_parent("trials")
    with studies.start_trial(7, parent, {}, {"train": {"dropout": 0.1}}) as run_id:
        studies.end_trial(state)
    run = mlflow.get_run(run_id)
    assert (run.info.run_name, run.info.status) == ("trial-007", status)
    tags = ("mlflow.parentRunId", "optuna.trial", "optuna.state")
    assert [run.data.tags[tag] for tag in tags] == [parent, "7", state]
    studies.settle_trials(parent, {7: state})
    assert mlflow.get_run(run_id).info.end_time == run.info.end_time


def test_a_search_that_the_store_has_lost_is_made_anew(store: Path, tmp_path: Path) -> None:
    assert studies.is_whole(tmp_path)  # a search without trials
    trials = [
        {
            "number": number,
            "state": state,
            "params": {"train": {"dropout": 0.1 * number}},
            "metrics": {"best_val_macro_ap": max(values), "num_epochs": len(values)},
            "val_macro_ap": values,
        }
        for number, state, values in ((0, "COMPLETE", [0.2, 0.5, 0.4]), (2, "PRUNED", [0.1]))
    ]
    record = tmp_path / "run.json"
    studies.write_record(record, "told", {"archive": "demo"}, {"search": {"trials": 2}}, {"num_trials": 2}, trials)
    assert not studies.is_whole(tmp_path)
    studies.ensure_study(tmp_path)
    parent = open_parent("told")
    run = mlflow.get_run(parent)
    assert (run.data.params, run.data.metrics["num_trials"]) == ({"search.trials": "2"}, 2)
    children = list_children(parent)
    assert [(child.info.run_name, child.info.status) for child in children] == [
        ("trial-000", "FINISHED"),
        ("trial-002", "KILLED"),
    ]
    points = MlflowClient().get_metric_history(children[0].info.run_id, "val_macro_ap")
    assert [(point.step, point.value) for point in points] == [(1, 0.2), (2, 0.5), (3, 0.4)]
    assert children[0].data.metrics["best_val_macro_ap"] == 0.5
    MlflowClient().delete_run(children[1].info.run_id)  # as if it had been killed before it got there
    assert not studies.is_whole(tmp_path)
    studies.ensure_study(tmp_path)
    assert studies.is_whole(tmp_path)
    assert [child.info.run_name for child in list_children(parent)] == ["trial-000", "trial-002"]
