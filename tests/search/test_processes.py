"""Worker processes: the total is met and never exceeded, what is lost is tried again, nothing outlives the search."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from landscribe.core.errors import SearchError
from landscribe.search.processes import read_num_workers, run_workers, share_machine
from landscribe.search.study import Study
from tests.support.processes import wait_until_ended
from tests.support.searches import open_study

pytest_plugins = ["tests.support.searches"]
pytestmark = [pytest.mark.usefixtures("storage"), pytest.mark.slow(55)]

COMMAND = (sys.executable, "-m", "tests.support.search_worker")
SUPERVISOR = """
import os
from tests.search.test_processes import search
print(os.getpid(), flush=True)
search(trials=2, deeds={"0": "hang"})
"""


def search(
    trials: int, num_workers: int = 1, settle: Callable[[], object] = lambda: None, seconds: float = 0.0, **task: Any
) -> Study:
    """Run the missing trials in processes; `deeds`: number of a trial -> die, fail or hang."""
    study = open_study("shared", trials=trials)
    content = {"trials": trials, "seconds": seconds, "deeds": {}} | task
    run_workers(study, COMMAND, content, num_workers, settle)
    return study


def count_states(study: Study) -> dict[str, int]:
    return dict(Counter(study.read_states().values()))


def test_workers_meet_the_total_each_trial_in_a_process_of_its_own() -> None:
    study = search(5, num_workers=2)
    assert count_states(study) == {"COMPLETE": 5}
    assert len({trial.user_attrs["worker"] for trial in study.list_answered()}) == 5
    assert count_states(search(6)) == {"COMPLETE": 6}


def test_a_worker_that_dies_has_its_trial_failed_and_tried_again() -> None:
    settled: list[int] = []
    study = search(3, settle=lambda: settled.append(1), deeds={"1": "die"})
    assert count_states(study) == {"COMPLETE": 3, "FAIL": 1}
    assert study.read_states()[1] == "FAIL"
    lost, again = (trial for trial in study._list() if trial.number in (1, 2))
    assert lost.params == again.params
    assert len(settled) >= 2


@pytest.mark.drill
def test_a_trial_that_ends_its_process_three_times_is_given_up() -> None:
    with pytest.raises(SearchError, match=r"trial 2 \(.*SmallResNet.*\) was ended from outside 3 times"):
        search(3, deeds={"all": "die"})
    assert count_states(search(3)) == {"FAIL": 3, "COMPLETE": 3}  # and the same command goes on


def test_a_mistake_ends_the_search_in_one_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SearchError, match="the error above"):
        search(3, deeds={"1": "fail"})
    assert capfd.readouterr().err == "error: no such luck\n"
    assert count_states(search(3)) == {"FAIL": 1, "COMPLETE": 3}


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.drill), signal.SIGTERM])
def test_a_signal_ends_all_workers_and_queues_their_trials(number: int) -> None:
    def send_once_two_hang() -> None:
        while len(open_study("shared").list_running()) < 2:
            time.sleep(0.1)
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send_once_two_hang)
    sender.start()
    before, others = signal.getsignal(signal.SIGTERM), set(psutil.Process().children())
    with pytest.raises(KeyboardInterrupt):
        search(3, num_workers=2, deeds={"0": "hang", "1": "hang"})
    sender.join()
    assert signal.getsignal(signal.SIGTERM) == before
    assert set(psutil.Process().children()) <= others
    assert count_states(open_study("shared")) == {"FAIL": 2, "WAITING": 2}
    assert count_states(search(3)) == {"FAIL": 2, "COMPLETE": 3}


def test_workers_end_with_the_search_that_is_killed() -> None:
    pid = kill_once_a_trial_runs([sys.executable, "-c", SUPERVISOR])
    wait_until_ended(pid)
    study = search(2)
    assert count_states(study) == {"FAIL": 1, "COMPLETE": 2}


def kill_once_a_trial_runs(words: list[str]) -> int:
    """Kill a program once a trial is under way, and return the process id of the worker that has it."""
    with subprocess.Popen(words) as program:
        study = open_study("shared")
        while not study.list_running():
            time.sleep(0.1)
        (worker,) = psutil.Process(program.pid).children()
        program.send_signal(signal.SIGKILL)
    return int(worker.pid)


def test_a_search_waits_for_the_trials_of_others_and_takes_over_what_they_lose() -> None:
    study = open_study("shared", trials=2)
    with subprocess.Popen([sys.executable, "-c", SUPERVISOR]) as other:
        while not study.list_running():
            time.sleep(0.1)
        threading.Timer(4, other.kill).start()
        done = search(2)
    assert count_states(done) == {"FAIL": 1, "COMPLETE": 2}


@pytest.mark.drill
def test_two_searches_at_once_do_no_trial_twice() -> None:
    words = [
        sys.executable,
        "-c",
        "from tests.search.test_processes import search; search(6, num_workers=2, seconds=0.2)",
    ]
    with subprocess.Popen(words) as other:
        study = search(6, num_workers=2, seconds=0.2)
        assert other.wait() == 0
    assert count_states(study) == {"COMPLETE": 6}


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²"])
def test_a_number_of_workers_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("LANDSCRIBE_WORKERS", text)
    with pytest.raises(SearchError, match=f"received '{text}'"):
        read_num_workers()


def test_the_number_of_workers_is_one_where_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, number in (("", 1), ("1", 1), ("12", 12)):
        monkeypatch.setenv("LANDSCRIBE_WORKERS", text)
        assert read_num_workers() == number
    monkeypatch.delenv("LANDSCRIBE_WORKERS")
    assert read_num_workers() == 1


def test_one_worker_is_left_as_it_is() -> None:
    assert share_machine(1, {"CUDA_VISIBLE_DEVICES": "0,1"}) == [{}]


@pytest.mark.parametrize(
    ("named", "num_workers", "shares"),
    [
        ("0,1,2,3", 2, ["0,2", "1,3"]),
        ("4,6", 2, ["4", "6"]),
        ("0", 3, ["0", "0", "0"]),
        ("0,1,2", 2, ["0,2", "1"]),
        ("", 2, ["", ""]),
    ],
)
def test_gpus_are_shared_out(named: str, num_workers: int, shares: list[str]) -> None:
    found = share_machine(num_workers, {"CUDA_VISIBLE_DEVICES": named})
    assert [share["CUDA_VISIBLE_DEVICES"] for share in found] == shares
    assert all(int(share["TF_NUM_INTRAOP_THREADS"]) >= 1 for share in found)
