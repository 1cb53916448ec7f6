"""SIGKILL of workers, of the stage search and of `dvc` at random moments: reruns meet the total, nothing hangs open."""

import contextlib
import random
import signal
import subprocess
import time

import psutil
import pytest

from drills.search_runs import Left, check_left, read_left
from tests.support.checkout import Checkout
from tests.support.processes import find_processes

NUM_KILLS = 10
NUM_TRIALS = 8
NUM_WORKERS = 2
SMALL = (
    f"demo.num_patches=60 demo.num_tiles=2 split.fractions.val=0.3 search.trials={NUM_TRIALS} search.epochs=3"
    ' search.backbones=[SmallResNet] search.pruning={"startup_trials":2,"warmup_epochs":1} train.batch_size_patches=16'
)
SEARCH = ("dvc", "repro", "search")
VICTIMS = ("landscribe.search.trial", "stages.search", "dvc")
LONGEST_S = 600.0  # a search that takes so much longer than a trial hangs


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout with records."""
    made = Checkout(tmp_path_factory.mktemp("search").resolve())
    made.repro(SMALL, "--stage", "convert")
    made.env["LANDSCRIBE_WORKERS"] = str(NUM_WORKERS)
    return made


def start(checkout: Checkout) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(SEARCH, cwd=checkout.folder, env=checkout.env, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def killed(checkout: Checkout) -> list[str]:
    """What was killed, in a search that was run again until it was through."""
    chance, done = random.Random(20170613), list[str]()
    dvc = start(checkout)
    while len(done) < NUM_KILLS:
        time.sleep(chance.uniform(2, 20))
        if dvc.poll() is not None:
            if dvc.returncode == 0:
                break
            dvc = start(checkout)
            continue
        victim = VICTIMS[len(done) % len(VICTIMS)]
        if found := find_processes(checkout.folder, victim):
            with contextlib.suppress(psutil.NoSuchProcess):
                chance.choice(found).send_signal(signal.SIGKILL)
                done.append(victim)
    wait(dvc)
    for _ in range(3):  # a worker's third death in one search ends it, with a sentence
        dvc = start(checkout)
        if wait(dvc) == 0:
            return done
    raise AssertionError("the search was not through after three more runs")


def wait(dvc: "subprocess.Popen[bytes]") -> int:
    """Return the exit status of dvc, which must end."""
    return dvc.wait(LONGEST_S)


@pytest.fixture(scope="module")
def left(checkout: Checkout, killed: list[str]) -> Left:
    """What the search has left."""
    folder = checkout.folder
    return read_left(f"sqlite:///{folder}/.landscribe/search/studies.db", f"sqlite:///{folder}/mlflow.db")


def test_ten_kills_met_the_search(killed: list[str]) -> None:
    assert len(killed) == NUM_KILLS
    assert set(killed) == set(VICTIMS)


def test_the_total_is_met_and_nothing_is_left_open(left: Left) -> None:
    check_left(left, NUM_TRIALS)


def test_kills_met_trials_under_way(left: Left) -> None:
    assert sum(trial.state.name == "FAIL" for trial in left.trials) >= NUM_KILLS // 3


def test_nothing_runs_on(checkout: Checkout, left: Left) -> None:
    deadline_s = time.monotonic() + 20
    while any(find_processes(checkout.folder, victim) for victim in VICTIMS):
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def test_another_run_adds_nothing(checkout: Checkout, left: Left) -> None:
    before = {run.info.run_id for run in left.children}
    checkout.run("dvc", "repro", "--force", "--single-item", "--no-run-cache", "search")
    folder = checkout.folder
    again = read_left(f"sqlite:///{folder}/.landscribe/search/studies.db", f"sqlite:///{folder}/mlflow.db")
    assert {run.info.run_id for run in again.children} == before
    assert len(again.trials) == len(left.trials)
    assert (folder / "search/best_params.yaml").is_file()
