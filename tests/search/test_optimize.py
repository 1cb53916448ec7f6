"""The search: a parent run with a child run per trial, each in its own process; a second call adds nothing."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from landscribe.core.errors import ParamsError, RecordsError, TrainingError
from landscribe.core.files import compute_file_digest, read_json
from landscribe.search.optimize import name_study, search_best
from landscribe.search.report import Summary
from landscribe.search.study import Study
from landscribe.search.trial import TrialTask, run_trial
from landscribe.search.variation import make_space
from landscribe.tracking import studies
from landscribe.tracking.store import open_store
from landscribe.training.fit import DivergedError
from tests.support.model_fixtures import TinyRecords, Trained, make_train_config
from tests.support.searches import make_search

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(45)

TRAIN = make_train_config(bands=["B01"], epochs=9)  # a trial has fewer epochs: those of the search
SEARCH = make_search(trials=2, epochs=1, backbones=["SmallResNet"], space={"dropout": [0.1, 0.3]})
REPORT = {"trials.csv", "epochs.csv", "importance.csv", "summary.json", "run.json"}
Fit = Callable[..., tuple[None, None]]


@pytest.fixture(scope="module", autouse=True)
def storage(store: Path) -> Iterator[None]:
    """Studies live beside the runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OPTUNA_STORAGE", raising=False)  # DVC_ROOT is that of `store`
        yield


def list_runs(parent: str | None = None) -> list[Any]:
    """Return all runs, or the children of one, oldest first."""
    condition = f"tags.mlflow.parentRunId = '{parent}'" if parent else ""
    found: list[Any] = mlflow.search_runs(
        search_all_experiments=True, filter_string=condition, order_by=["start_time ASC"], output_format="list"
    )
    return found


class Searched:
    """A finished search, its report and its runs."""

    def __init__(self, records: TinyRecords, folder: Path) -> None:
        self.report_dir = folder / "reports"
        self.summary = search_best(SEARCH, TRAIN, "cpu", records.folder.parent, 2, self.report_dir)
        self.runs = list_runs()
        (self.parent,) = [run for run in self.runs if "mlflow.parentRunId" not in run.data.tags]
        self.children = sorted(list_runs(self.parent.info.run_id), key=lambda run: str(run.info.run_name))


@pytest.fixture(scope="module")
def searched(records: TinyRecords, store: Path) -> Searched:
    """A search of two trials, two at a time."""
    return Searched(records, store)


@pytest.mark.drill
def test_a_search_is_a_parent_run_with_a_child_a_trial(searched: Searched) -> None:
    assert len(searched.runs) == 3
    assert [run.info.run_name for run in searched.children] == ["trial-000", "trial-001"]
    assert {run.info.status for run in searched.runs} == {"FINISHED"}
    assert [run.data.tags["optuna.state"] for run in searched.children] == ["COMPLETE", "COMPLETE"]
    assert {run.data.tags["device"] for run in searched.children} == {"CPU"}


@pytest.mark.drill
def test_the_first_trial_is_the_section_train_and_epochs_are_those_of_the_search(searched: Searched) -> None:
    first, second = (run.data.params for run in searched.children)
    assert float(first["train.learning_rate"]) == TRAIN.learning_rate != float(second["train.learning_rate"])
    assert float(first["train.dropout"]) == TRAIN.dropout
    for run in searched.children:
        assert run.data.params["train.epochs"] == "1"
        assert len(MlflowClient().get_metric_history(run.info.run_id, "val_macro_ap")) == 1


@pytest.mark.drill
def test_the_best_trial_wins(searched: Searched) -> None:
    best = max(searched.children, key=lambda run: float(run.data.metrics["best_val_macro_ap"]))
    assert searched.summary.best["learning_rate"] == float(best.data.params["train.learning_rate"])
    assert searched.summary.best["dropout"] == float(best.data.params["train.dropout"])
    assert searched.parent.data.metrics["best_val_macro_ap"] == best.data.metrics["best_val_macro_ap"]
    assert searched.parent.data.metrics["num_trials"] == 2


@pytest.mark.drill
def test_the_report_has_a_row_a_trial_and_is_logged(searched: Searched) -> None:
    table = pd.read_csv(searched.report_dir / "trials.csv")
    assert table["trial"].tolist() == [0, 1]
    assert read_json(searched.report_dir / "summary.json")["num_epochs"] == 2
    assert {path.name for path in searched.report_dir.iterdir()} == REPORT
    logged = MlflowClient().list_artifacts(searched.parent.info.run_id, "search")
    assert {Path(item.path).name for item in logged} == REPORT


@pytest.mark.drill
def test_a_second_call_marks_what_was_killed_and_adds_nothing(searched: Searched, records: TinyRecords) -> None:
    before = {run.info.run_id for run in list_runs()}
    MlflowClient().update_run(searched.children[0].info.run_id, "RUNNING")  # what a SIGKILL leaves behind
    assert search_best(SEARCH, TRAIN, "cpu", records.folder.parent, 1) == searched.summary
    assert {run.info.run_id for run in list_runs()} == before
    assert {run.info.status for run in list_runs()} == {"FINISHED"}


def test_what_cannot_be_searched_is_refused_before_any_run(store: Path, records: TinyRecords, tmp_path: Path) -> None:
    open_store()
    before = len(list_runs())
    with pytest.raises(RecordsError, match="B12"):
        search_best(SEARCH, make_train_config(bands=["B12"]), "cpu", records.folder.parent, 1)
    with pytest.raises(ParamsError, match="drop_out"):
        search_best(make_search(space={"drop_out": [1]}), TRAIN, "cpu", records.folder.parent, 1)
    absent = make_train_config(bands=["B01"], weights=str(tmp_path / "absent.keras"))
    with pytest.raises(TrainingError, match="does not exist"):
        search_best(SEARCH, absent, "cpu", records.folder.parent, 1)
    assert len(list_runs()) == before


class Trials:
    """Trials in this process, whose fit is replaced."""

    def __init__(self, records: TinyRecords, name: str, patch: pytest.MonkeyPatch) -> None:
        config = make_search(trials=9, epochs=3, pruning={"startup_trials": 1, "warmup_epochs": 0})
        self.study = Study(name, config, make_space(config, TRAIN))
        with studies.open_parent(self.study.key, {}, {}) as self.parent:
            pass
        self.task = TrialTask(
            search=config,
            train=TRAIN,
            device="cpu",
            manifest_path=records.folder / "manifest.json",
            statistics_path=records.statistics_path,
            study_name=name,
            parent_run_id=self.parent,
            tags={"nomenclature": "x"},
        )
        self._patch = patch

    def run(self, fit: Fit) -> Any:
        """Do one trial with this fit; return its run."""
        self._patch.setattr("landscribe.training.recipe.fit_classifier", fit)
        with self.study.claim("this one") as trial:
            assert trial is not None
            run_trial(self.task, trial)
        return list_runs(self.parent)[-1]

    def run_curve(self, *values: float) -> Any:
        """Do one trial with these val macro average precisions by epoch."""

        def fit(*words: Any) -> tuple[None, None]:
            for epoch, value in enumerate(values, start=1):
                words[4](epoch, {"epoch": epoch, "val_macro_ap": value})
            return None, None

        return self.run(fit)


@pytest.fixture
def trials(request: pytest.FixtureRequest, records: TinyRecords, monkeypatch: pytest.MonkeyPatch) -> Trials:
    """A study of its own."""
    return Trials(records, request.node.name, monkeypatch)


def test_a_hopeless_trial_is_pruned_and_marked(trials: Trials) -> None:
    trials.run_curve(0.3, 0.5, 0.4)
    pruned = trials.run_curve(0.2, 0.9, 0.9)  # its later epochs are not trained
    assert (pruned.info.status, pruned.data.tags["optuna.state"]) == ("KILLED", "PRUNED")
    assert [point.step for point in MlflowClient().get_metric_history(pruned.info.run_id, "val_macro_ap")] == [1]
    better = trials.run_curve(0.4, 0.6, 0.1)
    assert (better.info.status, better.data.metrics["best_val_macro_ap"]) == ("FINISHED", 0.6)
    summary = Summary.of(trials.study)
    assert (summary.num_trials, summary.num_pruned, summary.best_trial) == (3, 1, 2)
    assert (summary.num_epochs, summary.num_epochs_saved) == (7, 2)


def test_the_last_epoch_is_not_pruned(trials: Trials) -> None:
    trials.run_curve(0.3, 0.3, 0.5)
    assert trials.run_curve(0.4, 0.4, 0.4).info.status == "FINISHED"


def test_a_trial_that_diverges_is_the_worst_and_an_answer(trials: Trials) -> None:
    def diverge(*words: Any) -> tuple[None, None]:
        raise DivergedError("too high")

    run = trials.run(diverge)
    assert (run.info.status, run.data.metrics["best_val_macro_ap"]) == ("FINISHED", 0.0)
    assert [trial.value for trial in trials.study.list_answered()] == [0.0]


def test_a_trial_without_a_number_fails(trials: Trials) -> None:
    with pytest.raises(TrainingError, match="val macro AP is no number"):
        trials.run_curve(math.nan)
    assert trials.study.read_states() == {0: "FAIL"}
    assert [run.info.status for run in list_runs(trials.parent)] == ["FAILED"]


@pytest.mark.drill
def test_every_trial_starts_from_the_weights_of_train(trials: Trials, trained: Trained) -> None:
    digests = []

    def note(*words: Any) -> tuple[None, None]:
        digests.append(words[6].digest)
        words[4](1, {"epoch": 1, "val_macro_ap": 0.5})
        return None, None

    train = make_train_config(bands=["B01"], weights=str(trained.path))
    trials.task = trials.task.model_copy(update={"train": train})
    trials.run(note)
    assert digests == [compute_file_digest(trained.path)]


def test_a_task_survives_its_way_to_the_worker(trials: Trials) -> None:
    passed = json.dumps(trials.task.model_dump(mode="json"))
    assert TrialTask.model_validate(json.loads(passed)) == trials.task


def test_the_name_of_a_study_follows_all_that_shapes_a_trial(records: TinyRecords) -> None:
    name = name_study(SEARCH, TRAIN, records.manifest)
    same = [
        name_study(make_search(**SEARCH.model_dump() | {"trials": 99}), TRAIN, records.manifest),
        name_study(SEARCH, TRAIN.vary({"epochs": 1}), records.manifest),
    ]
    others = [
        name_study(make_search(**SEARCH.model_dump() | {"seed": 2}), TRAIN, records.manifest),
        name_study(
            make_search(**SEARCH.model_dump() | {"learning_rate": {"low": 1e-5, "high": 1e-4}}), TRAIN, records.manifest
        ),
        name_study(make_search(**SEARCH.model_dump() | {"space": {}}), TRAIN, records.manifest),
        name_study(SEARCH, TRAIN.vary({"dropout": 0.5}), records.manifest),
        name_study(SEARCH, TRAIN, replace(records.manifest, archive="another")),
    ]
    assert set(same) == {name}
    assert len({name, *others}) == 6
