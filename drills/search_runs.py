"""What a search must leave behind, however it was disturbed: in the study, and in MLflow."""

from collections import Counter
from dataclasses import dataclass

import mlflow
import optuna


@dataclass(frozen=True)
class Left:
    """What a search has left.

    Attributes:
        trials: of the study.
        parents: MLflow runs without a parent.
        children: MLflow runs with one.
    """

    trials: list[optuna.trial.FrozenTrial]
    parents: list[mlflow.entities.Run]
    children: list[mlflow.entities.Run]


STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED"}


def read_left(storage: str, tracking: str) -> Left:
    """Return what the only study of a storage has left there and in a tracking store."""
    (summary,) = optuna.get_all_study_summaries(storage)
    trials = optuna.load_study(study_name=summary.study_name, storage=storage).trials
    client = mlflow.MlflowClient(tracking)
    experiment = client.get_experiment_by_name("landscribe")
    runs = list(client.search_runs([experiment.experiment_id], max_results=1000))
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    return Left(trials, [run for run in runs if run not in children], children)


def check_left(left: Left, num_trials: int) -> None:
    """Fail unless the total is met, nothing was done twice, and every run says how its trial ended."""
    states = Counter(trial.state.name for trial in left.trials)
    assert states["COMPLETE"] + states["PRUNED"] == num_trials, states
    assert not states["RUNNING"], states
    answered = [tuple(trial.params.items()) for trial in left.trials if trial.state.name in ("COMPLETE", "PRUNED")]
    assert len(set(answered)) == num_trials, answered
    assert [run.info.status for run in left.parents] == ["FINISHED"]
    assert {run.data.tags["mlflow.parentRunId"] for run in left.children} == {left.parents[0].info.run_id}
    by_number = {int(run.data.tags["optuna.trial"]): run for run in left.children}
    assert len(by_number) == len(left.children), "two runs of one trial"
    for trial in left.trials:
        run = by_number.pop(trial.number, None)
        if trial.state.name in ("FAIL", "WAITING"):  # a lost trial: its run went on as that of the next try
            assert run is None
            continue
        assert run is not None
        assert (run.info.status, run.data.tags["optuna.state"]) == (STATUS[trial.state.name], trial.state.name)
        if trial.state.name == "COMPLETE":
            assert run.data.metrics["best_val_macro_ap"] == trial.value
    assert not by_number, "a run without a trial"
