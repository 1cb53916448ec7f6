"""A study: a total of trials that survives being killed, drawn the same again, shared without a trial done twice."""

import math
import multiprocessing
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from landscribe.core.errors import SearchError
from landscribe.search.space import Dimension, Space
from landscribe.search.study import Study
from tests.support.searches import BASELINES, SPACE, answer, list_values, make_search, open_study, score

pytest_plugins = ["tests.support.searches"]
pytestmark = [pytest.mark.usefixtures("storage"), pytest.mark.slow(25)]

DIE = """
import os, signal
from tests.support.searches import open_study
with open_study().claim("dead") as trial:
    print(trial.number, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def lose_a_trial() -> int:
    """Claim a trial in a process that is killed, and return its number."""
    done = subprocess.run([sys.executable, "-c", DIE], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    return int(done.stdout)


def test_the_baseline_comes_first_then_every_other_backbone_at_its_rate() -> None:
    study = open_study()
    asked = answer(study)
    assert asked[:2] == list(BASELINES)
    assert len(asked) == 4
    assert all(1e-4 <= values["learning_rate"] <= 1e-2 for values in asked)


def test_trials_are_a_total() -> None:
    answer(open_study(trials=3))
    for trials, missing in ((3, 0), (2, 0), (5, 2), (6, 1)):
        assert len(answer(open_study(trials=trials))) == missing
    assert len(open_study(trials=6).list_answered()) == 6
    assert len(open_study(trials=2).list_answered()) == 2  # fewer asked for, fewer looked at
    assert len(set(list_values(open_study(trials=6)))) == 6  # a restart does not draw the same values again


def test_the_same_seed_draws_the_same_trials_and_another_others() -> None:
    names = {name: list_values_of(name) for name in ("one", "two")}
    assert names["one"] == names["two"] != list_values_of("three", seed=7)


def list_values_of(name: str, **changed: Any) -> list[tuple[Any, ...]]:
    study = open_study(name, trials=12, **changed)
    answer(study)
    return list_values(study)


@pytest.mark.parametrize("done", [0, 1, pytest.param(3, marks=pytest.mark.drill)])
def test_a_killed_search_ends_with_the_trials_of_an_undisturbed_one(done: int) -> None:
    undisturbed = list_values_of("undisturbed")
    answer(open_study(trials=12), done)
    lost = lose_a_trial()
    assert open_study().read_states()[lost] == "RUNNING"
    assert lose_a_trial() != lost  # whoever claims next fails it first
    study = open_study(trials=12)
    assert study.read_states()[lost] == "FAIL"
    answer(study)
    assert list_values(study) == undisturbed
    assert Counter(study.read_states().values()) == {"COMPLETE": 12, "FAIL": 2}


def test_a_trial_under_way_is_left_alone_and_counts() -> None:
    study, other = open_study(trials=2), open_study(trials=2)
    with study.claim("one") as trial:
        assert trial is not None
        assert other.fail_lost() == []
        assert other.count_missing() == 1
        assert len(answer(other)) == 1
        assert not other.is_complete()
        trial.tell("COMPLETE", 0.5)
    assert other.is_complete()
    assert len(list_values(study)) == 2


def test_a_lost_trial_is_tried_again_once_and_its_values_are_known() -> None:
    number = lose_a_trial()
    study = open_study()
    assert study.fail_lost() == [number]
    assert study.fail_lost() == open_study().fail_lost() == []
    dead = study.find_trial("dead")
    assert dead is not None
    assert dead.number == number
    asked = answer(study)
    assert asked[0] == dead.params == BASELINES[0]
    assert len(asked) == 4


def test_a_try_knows_every_lost_one_before_it() -> None:
    first, second = lose_a_trial(), lose_a_trial()
    with open_study().claim("third") as trial:
        assert trial is not None
        assert trial.retry_of == (second, first)


def test_a_kill_between_queueing_and_failing_queues_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lose_a_trial()
    study = open_study()
    with monkeypatch.context() as patch:
        patch.setattr(study._study, "tell", lambda *words, **more: (_ for _ in ()).throw(InterruptedError))
        with pytest.raises(InterruptedError):
            study.fail_lost()
    answer(study)
    assert Counter(study.read_states().values()) == {"COMPLETE": 4, "FAIL": 1}


def test_a_trial_that_raises_has_failed_and_its_values_come_again_with_the_next_search() -> None:
    study = open_study()

    def fail(values: Mapping[str, Any]) -> float:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        answer(study, objective=fail)
    assert study.read_states() == {0: "FAIL"}
    assert answer(open_study())[0] == BASELINES[0]


def work(name: str) -> None:
    """Do trials until none is left, as a worker process does."""
    answer(open_study(name, trials=30))


@pytest.mark.drill
def test_processes_that_begin_at_once_share_the_trials_without_one_too_many() -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=work, args=("shared",)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    study = open_study("shared", trials=30)
    assert study.read_states() == dict.fromkeys(range(30), "COMPLETE")
    assert len(set(list_values(study))) == 30


def test_a_trial_below_the_median_of_the_complete_ones_is_pruned_after_the_warm_up() -> None:
    study = open_study(trials=5, epochs=6, pruning={"startup_trials": 2, "warmup_epochs": 2})
    qualities = iter([0.5, 0.7, 0.1, 0.9, 0.2])
    answer(study, objective=lambda values: next(qualities))
    trials = study.list_answered()
    assert [trial.state.name for trial in trials] == ["COMPLETE", "COMPLETE", "PRUNED", "COMPLETE", "PRUNED"]
    assert [len(trial.intermediate_values) for trial in trials] == [6, 6, 3, 6, 3]
    assert study.find_best().number == 3


def test_the_best_is_a_complete_trial_the_first_among_equals() -> None:
    study = open_study(trials=3)
    answer(study, objective=lambda values: 0.5)
    assert study.find_best().number == 0
    answered = open_study("other", trials=6)
    asked = answer(answered)
    assert answered.find_best().params == max(asked, key=score)


def test_a_search_whose_trials_all_diverged_ends_with_a_sentence_and_lower_rates_are_another_search() -> None:
    def diverge_above(rate: float) -> Callable[[Mapping[str, Any]], float]:
        return lambda values: 0.5 if values["learning_rate"] <= rate else 0.0

    study = open_study(trials=3)
    answer(study, objective=diverge_above(1e-4))
    with pytest.raises(SearchError, match=r"all 3 diverged .*Lower search.learning_rate .*\{low: 0.0001, high: 0.01\}"):
        study.find_best()
    lower = Space((SPACE.dimensions[0], Dimension("learning_rate", low=1e-5, high=1e-4, log=True)), ())
    study = open_study("lower", lower, trials=3, learning_rate={"low": 1e-5, "high": 1e-4})
    answer(study, objective=diverge_above(1e-4))
    assert study.find_best().value == 0.5


def test_with_fewer_trials_asked_for_one_that_is_complete_is_looked_at() -> None:
    study = open_study(trials=2)
    with study.claim("slow") as slow, study.claim("quick") as quick:
        assert slow is not None
        assert quick is not None
        quick.tell("COMPLETE", 0.5)
        slow.report(1, 0.1)
        slow.tell("PRUNED")
    assert open_study(trials=1).find_best().number == 1


def test_what_was_taken_from_a_process_is_not_told_twice() -> None:
    study = open_study()
    with study.claim("cut off") as trial:
        assert trial is not None
        assert trial.tell("FAIL") == "FAIL"  # as another host does, when the lock is lost with its connection
        assert trial.report(1, 0.9)  # stop
        assert trial.tell("COMPLETE", 0.9) == "FAIL"


def test_each_study_has_a_key_of_its_own() -> None:
    assert open_study().key == open_study().key != open_study("other").key


def test_importance_is_of_what_was_varied() -> None:
    study = open_study(trials=20)
    answer(study)
    importances = study.compute_importances()
    assert set(importances) == {"learning_rate", "backbone"}
    assert math.isclose(sum(importances.values()), 1, abs_tol=1e-6)


def test_values_for_some_backbones_are_drawn_for_these_alone(storage: Path) -> None:
    wider = Space((*SPACE.dimensions, Dimension("dropout", (0.0, 0.3), backbones=("ResNet50",))), ())
    study = Study("conditional", make_search(trials=12), wider)
    asked = answer(study)
    assert {values["backbone"] for values in asked} == {"SmallResNet", "ResNet50"}
    assert all(("dropout" in values) == (values["backbone"] == "ResNet50") for values in asked)
