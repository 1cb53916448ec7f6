"""The search: a parent run with a child run a trial; a second call adds nothing; what was killed is marked so."""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from landscribe.errors import RecordsError
from landscribe.files import compute_file_digest
from landscribe.search import Choice, SearchConfig
from landscribe.tracking.store import open_store
from landscribe.training import trials
from landscribe.training.fit import DivergedError, FitResult
from landscribe.training.trials import search_best
from tests.model_fixtures import TinyRecords, Trained, make_train_config

pytest_plugins = ["tests.model_fixtures"]

TRAIN = make_train_config(bands=["B01"], epochs=9)  # a trial has fewer epochs: those of the search


def make_search(**changed: Any) -> SearchConfig:
    """Return a section `search` of two trials."""
    values = {
        "trials": 2,
        "backbones": ["SmallResNet"],
        "learning_rate": {"low": 1e-4, "high": 1e-2},
        "epochs": 1,
        "seed": 1,
    }
    return SearchConfig.model_validate(values | changed)


def search(records: TinyRecords, config: SearchConfig, report_dir: Path) -> Choice:
    """Search on the tiny records."""
    return search_best(config, TRAIN, records.folder / "manifest.json", records.statistics_path, report_dir)


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
        self.best = search(records, make_search(), self.report_dir)
        self.runs = list_runs()
        (self.parent,) = [run for run in self.runs if "mlflow.parentRunId" not in run.data.tags]
        self.children = list_runs(self.parent.info.run_id)


@pytest.fixture(scope="module")
def searched(records: TinyRecords, store: Path) -> Searched:
    """A search of two trials."""
    return Searched(records, store)


def test_a_search_is_a_parent_run_with_a_child_a_trial(searched: Searched) -> None:
    assert len(searched.runs) == 3
    assert [run.info.run_name for run in searched.children] == ["trial-000", "trial-001"]
    assert {run.info.status for run in searched.runs} == {"FINISHED"}
    assert searched.parent.data.metrics["num_trials"] == 2
    assert searched.parent.data.tags["device"] == "CPU"


def test_the_first_trial_is_the_section_train_and_epochs_are_those_of_the_search(searched: Searched) -> None:
    first, second = (run.data.params for run in searched.children)
    assert float(first["train.learning_rate"]) == TRAIN.learning_rate != float(second["train.learning_rate"])
    for run in searched.children:
        assert run.data.params["train.epochs"] == "1"
        assert len(MlflowClient().get_metric_history(run.info.run_id, "val_macro_ap")) == 1


def test_the_best_trial_wins(searched: Searched) -> None:
    best = max(searched.children, key=lambda run: float(run.data.metrics["best_val_macro_ap"]))
    assert searched.best == Choice(float(best.data.params["train.learning_rate"]), "SmallResNet")
    assert searched.parent.data.metrics["best_val_macro_ap"] == best.data.metrics["best_val_macro_ap"]


def test_the_report_has_a_row_a_trial(searched: Searched) -> None:
    table = pd.read_csv(searched.report_dir / "trials.csv")
    assert table["trial"].tolist() == [0, 1]
    assert {path.name for path in searched.report_dir.iterdir()} == {"trials.csv", "history.png", "slices.png"}
    logged = MlflowClient().list_artifacts(searched.parent.info.run_id, "search")
    assert {Path(item.path).name for item in logged} == {path.name for path in searched.report_dir.iterdir()}


def test_a_second_call_marks_what_was_killed_and_adds_nothing(
    searched: Searched, records: TinyRecords, tmp_path: Path
) -> None:
    killed, finished = (run.info.run_id for run in searched.children)
    before = {run.info.run_id for run in list_runs()}
    MlflowClient().update_run(killed, "RUNNING")  # what a SIGKILL leaves behind
    assert search(records, make_search(), tmp_path) == searched.best
    assert {run.info.run_id for run in list_runs()} == before
    assert mlflow.get_run(killed).info.status == "KILLED"
    assert mlflow.get_run(finished).info.status == "FINISHED"
    assert mlflow.get_run(searched.parent.info.run_id).info.status == "FINISHED"


def test_trials_is_a_total(
    searched: Searched, records: TinyRecords, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "fit_classifier", lambda *_: (None, FitResult([{"epoch": 1, "val_macro_ap": 0.99}])))
    search(records, make_search(trials=3), tmp_path)
    children = list_runs(searched.parent.info.run_id)
    assert [run.info.run_name for run in children] == ["trial-000", "trial-001", "trial-002"]


def test_a_trial_that_diverges_is_the_worst_and_the_search_goes_on(
    store: Path, records: TinyRecords, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge_at_first(*words: Any) -> tuple[None, FitResult]:
        if words[3].learning_rate == TRAIN.learning_rate:
            raise DivergedError("too high")
        return None, FitResult([{"epoch": 1, "val_macro_ap": 0.2}])

    monkeypatch.setattr(trials, "fit_classifier", diverge_at_first)
    best = search(records, make_search(seed=2), tmp_path)
    assert best.learning_rate != TRAIN.learning_rate
    assert pd.read_csv(tmp_path / "trials.csv")["val_macro_ap"].tolist() == [0.0, 0.2]


def test_every_trial_starts_from_the_weights_of_train(
    store: Path, records: TinyRecords, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = []

    def note(*words: Any) -> tuple[None, FitResult]:
        digests.append(words[-1].digest)
        return None, FitResult([{"epoch": 1, "val_macro_ap": 0.2}])

    monkeypatch.setattr(trials, "fit_classifier", note)
    train = make_train_config(bands=["B01"], weights=str(trained.path))
    search_best(make_search(), train, records.folder / "manifest.json", records.statistics_path, tmp_path)
    assert digests == [compute_file_digest(trained.path)] * 2


def test_a_band_that_is_not_stored_is_refused_before_any_run(store: Path, records: TinyRecords) -> None:
    open_store()
    before = len(list_runs())
    train = make_train_config(bands=["B12"])
    with pytest.raises(RecordsError, match="B12"):
        search_best(make_search(), train, records.folder / "manifest.json", records.statistics_path, store)
    assert len(list_runs()) == before
