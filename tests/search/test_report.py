"""The report: a row an answered trial, what pruning saved, a picture of each kind."""

from pathlib import Path

import pandas as pd
import pytest

from landscribe.core.files import read_json
from landscribe.search.report import Summary, make_trial_table, write_search_report
from landscribe.search.space import Dimension, Space
from landscribe.search.study import Study
from tests.support.searches import SPACE, answer, list_values, make_search

pytest_plugins = ["tests.support.searches"]
pytestmark = pytest.mark.usefixtures("storage")

TABLES = {"trials.csv", "epochs.csv", "importance.csv", "summary.json"}
FLIPS = Dimension("augmentation.dihedral", choices=(True, False))
LOSS = Dimension("loss.name", choices=("bce", "focal"), backbones=("ResNet50",))


def make_study(trials: int, epochs: int = 4, **changed: object) -> Study:
    """Return a study of so many trials, some of them pruned, one failed, with keys of every kind."""
    values = {"trials": trials, "epochs": epochs, "pruning": {"startup_trials": 1, "warmup_epochs": 0}} | changed
    config = make_search(**values)
    study = Study(f"of {trials}", config, Space((*SPACE.dimensions, FLIPS, LOSS), ()))
    with pytest.raises(ZeroDivisionError), study.claim("this one"):
        raise ZeroDivisionError
    answer(study)
    return study


def test_the_table_has_a_row_an_answered_trial(tmp_path: Path) -> None:
    study = make_study(12)
    table = make_trial_table(study)
    assert table["trial"].tolist() == list(range(1, 13))
    assert set(table["state"]) == {"COMPLETE", "PRUNED"}
    assert sorted(zip(table["learning_rate"], table["backbone"], strict=True)) == list_values(study)
    assert (table["loss.name"].notna() == (table["backbone"] == "ResNet50")).all()
    for trial, value in zip(study.list_answered(), table["val_macro_ap"], strict=True):
        assert value == max(trial.intermediate_values.values())
    write_search_report(tmp_path / "report", study)
    written = pd.read_csv(tmp_path / "report/trials.csv")
    assert written["val_macro_ap"].tolist() == pytest.approx(table["val_macro_ap"].tolist())
    assert {path.name for path in (tmp_path / "report").iterdir()} == TABLES
    epochs = pd.read_csv(tmp_path / "report/epochs.csv")
    assert epochs.groupby("trial")["val_macro_ap"].max().tolist() == pytest.approx(table["val_macro_ap"].tolist())


def test_the_summary_counts_what_pruning_saved(tmp_path: Path) -> None:
    study = make_study(12)
    summary, table = Summary.of(study), make_trial_table(study)
    assert summary.num_trials == 12
    assert summary.num_pruned == (table["state"] == "PRUNED").sum() > 0
    assert summary.num_epochs + summary.num_epochs_saved == 12 * 4
    assert summary.num_epochs == table["num_epochs"].sum()
    complete = table[table["state"] == "COMPLETE"]
    assert summary.best_val_macro_ap == complete["val_macro_ap"].max()
    write_search_report(tmp_path, study)
    content = read_json(tmp_path / "summary.json")
    assert content["best"] == summary.best
    assert content["num_epochs_saved"] == summary.num_epochs_saved == summary.make_metrics()["num_epochs_saved"]
    assert "best" not in summary.make_metrics()


@pytest.mark.parametrize(("complete", "is_known"), [(9, False), (10, True)])
def test_the_importance_of_few_trials_is_not_computed(tmp_path: Path, complete: int, is_known: bool) -> None:
    study = make_study(complete, pruning=None)
    assert (make_trial_table(study)["state"] == "COMPLETE").sum() == complete
    write_search_report(tmp_path, study)
    assert pd.read_csv(tmp_path / "importance.csv").empty is not is_known
