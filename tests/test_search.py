"""The study survives being killed, and the number of trials is a total."""

import csv
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from landscribe.errors import ParamsError
from landscribe.search import (
    Choice,
    SearchConfig,
    completed,
    make_trial_rows,
    open_study,
    read_best,
    read_choice,
    run_study,
    write_best,
)
from landscribe.search_report import write_search_report

BASELINE = Choice(learning_rate=2e-3, backbone="SmallResNet")


def make_config(**values: Any) -> SearchConfig:
    """Return a section `search` with some values."""
    base = {"trials": 4, "backbones": ["SmallResNet", "ResNet50"], "learning_rate": {"low": 1e-4, "high": 1e-2}}
    return SearchConfig.model_validate(base | {"epochs": 1, "seed": 1} | values)


def score(number: int, choice: Choice) -> float:
    """Return a result that is best at 1e-3 with ResNet50."""
    return 0.9 - 0.1 * abs(math.log10(choice.learning_rate) + 3) - 0.05 * (choice.backbone == "SmallResNet")


class Recorder:
    """An objective that remembers what it was asked, and can be stopped."""

    def __init__(self, stop_at: int | None = None, stop: type[BaseException] = KeyboardInterrupt) -> None:
        self.asked: list[Choice] = []
        self._stop_at, self._stop = stop_at, stop

    def __call__(self, number: int, choice: Choice) -> float:
        self.asked.append(choice)
        if len(self.asked) - 1 == self._stop_at:
            raise self._stop
        return score(number, choice)


def search(config: SearchConfig, folder: Path, objective: Callable[[int, Choice], float]) -> optuna.Study:
    """Open the study and run what is missing, as a new process would."""
    study = open_study(config, BASELINE, folder)
    run_study(study, config, objective)
    return study


def list_values(study: optuna.Study) -> list[tuple[float, str]]:
    """Return the values of the complete trials, sorted."""
    return sorted(
        (trial.params["learning_rate"], trial.params["backbone"]) for trial in completed(study, make_config(trials=99))
    )


def test_the_baseline_comes_first_then_every_other_backbone_at_its_rate(tmp_path: Path) -> None:
    recorder = Recorder()
    search(make_config(), tmp_path, recorder)
    assert recorder.asked[:2] == [BASELINE, Choice(2e-3, "ResNet50")]
    assert len(recorder.asked) == 4
    assert all(1e-4 <= choice.learning_rate <= 1e-2 for choice in recorder.asked)


def test_a_baseline_outside_the_range_is_no_trial(tmp_path: Path) -> None:
    recorder = Recorder()
    search(make_config(trials=2, learning_rate={"low": 1e-5, "high": 1e-3}), tmp_path, recorder)
    assert all(1e-5 <= choice.learning_rate <= 1e-3 for choice in recorder.asked)


def test_an_interrupted_study_goes_on_with_the_trial_that_was_cut_short(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        search(make_config(), tmp_path, Recorder(stop_at=1))
    kept = list_values(open_study(make_config(), BASELINE, tmp_path))
    assert kept == [(2e-3, "SmallResNet")]
    recorder = Recorder()
    study = search(make_config(), tmp_path, recorder)
    assert recorder.asked[0] == Choice(2e-3, "ResNet50")
    assert len(recorder.asked) == 3
    assert len(completed(study, make_config())) == 4
    assert len(set(list_values(study))) == 4


def test_a_killed_study_goes_on_with_the_trial_that_was_cut_short(tmp_path: Path) -> None:
    study = open_study(make_config(), BASELINE, tmp_path)
    run_study(study, make_config(trials=1), Recorder())
    trial = study.ask()  # a process that is killed leaves its trial running
    trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)
    trial.suggest_categorical("backbone", ["SmallResNet", "ResNet50"])
    recorder = Recorder()
    study = search(make_config(), tmp_path, recorder)
    assert recorder.asked[0] == Choice(2e-3, "ResNet50")
    assert len(completed(study, make_config())) == 4
    assert not study.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))


def test_interrupting_twice_loses_nothing(tmp_path: Path) -> None:
    for stop_at in (0, 0, 1):
        with pytest.raises(KeyboardInterrupt):
            search(make_config(), tmp_path, Recorder(stop_at))
    study = search(make_config(), tmp_path, Recorder())
    assert len(completed(study, make_config())) == 4
    assert {(2e-3, "SmallResNet"), (2e-3, "ResNet50")} <= set(list_values(study))


def test_trials_are_a_total(tmp_path: Path) -> None:
    search(make_config(trials=3), tmp_path, Recorder())
    for trials, missing in ((3, 0), (2, 0), (5, 2), (6, 1)):
        recorder = Recorder()
        study = search(make_config(trials=trials), tmp_path, recorder)
        assert len(recorder.asked) == missing
    assert len(completed(study, make_config(trials=6))) == 6
    assert len(completed(study, make_config(trials=2))) == 2  # fewer asked for, fewer looked at
    assert len(set(list_values(study))) == 6  # a restart does not draw the same values again


def test_a_mistake_in_training_ends_the_search_and_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        search(make_config(), tmp_path, Recorder(stop_at=2, stop=ZeroDivisionError))
    study = open_study(make_config(), BASELINE, tmp_path)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.FAIL]


def test_a_failure_shows_no_traceback_of_the_library(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("optuna")  # it does not propagate
    logger.addHandler(caplog.handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            search(make_config(), tmp_path, Recorder(stop_at=0))
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.records == []


def test_trials_that_give_no_number_end_the_search(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="none of 4 trials gave a number"):
        search(make_config(), tmp_path, lambda number, choice: math.nan)


def test_other_values_are_another_study(tmp_path: Path) -> None:
    first = search(make_config(), tmp_path / "first", Recorder())
    second = search(make_config(), tmp_path / "second", Recorder())
    third = search(make_config(seed=7), tmp_path / "third", Recorder())
    assert list_values(first) == list_values(second) != list_values(third)


def test_the_best_trial_is_the_choice(tmp_path: Path) -> None:
    recorder = Recorder()
    best = read_best(search(make_config(trials=6), tmp_path, recorder), make_config(trials=6))
    assert best == max(recorder.asked, key=lambda choice: score(0, choice))


@pytest.mark.parametrize("rate", [1e-5, 2e-3, 0.1 + 0.2, 1 / 3e4, 5e-324, 1.0])
def test_the_best_choice_survives_yaml(tmp_path: Path, rate: float) -> None:
    write_best(Choice(rate, "ResNet50"), tmp_path / "best_params.yaml")
    choice = read_choice(tmp_path / "best_params.yaml")
    assert choice == {"learning_rate": rate, "backbone": "ResNet50"}
    assert isinstance(choice["learning_rate"], float)


def test_the_report_has_a_row_a_complete_trial(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        search(make_config(), tmp_path, Recorder(stop_at=2))
    study = search(make_config(trials=5), tmp_path, Recorder())
    table = write_search_report(tmp_path / "report", study, make_config(trials=5))
    rows = list(csv.DictReader((tmp_path / "report/trials.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == len(table) == len(make_trial_rows(completed(study, make_config(trials=5)))) == 5
    assert max(float(row["val_macro_ap"]) for row in rows) == pytest.approx(study.best_value)
    assert {float(row["learning_rate"]) for row in rows} == {rate for rate, _ in list_values(study)}
    pictures = {path.name for path in (tmp_path / "report").glob("*.png")}
    assert pictures == {"history.png", "slices.png", "importance.png"}
