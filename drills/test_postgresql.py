"""Two hosts, each with a working copy of its own, share a study and a tracking store on a real PostgreSQL.

One of them is killed on the way; the other takes its trials over.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from drills.postgresql import run_postgresql
from drills.search_runs import check_left, read_left
from tests.search.test_processes import count_states, search
from tests.support.checkout import Checkout
from tests.support.searches import open_study

NUM_TRIALS = 6
SMALL = (
    f"demo.num_patches=60 demo.num_tiles=2 split.fractions.val=0.3 search.trials={NUM_TRIALS} search.epochs=1"
    " search.backbones=[SmallResNet] train.batch_size_patches=16"
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server."""
    with run_postgresql(["studies", "runs", "laws"]) as address:
        yield address


def call(code: str, **environment: str) -> None:
    """Run a line in a process of its own: Optuna and MLflow leave their connections open as long as theirs lives."""
    words = [sys.executable, "-c", f"from drills.test_postgresql import *; {code}"]
    done = subprocess.run(words, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def check_laws() -> None:
    """Fail unless workers behave as on one host, and a trial is seen to be held through another connection."""
    study = search(6, num_workers=2, deeds={"1": "die", "2": "die"})
    assert count_states(study) == {"COMPLETE": 6, "FAIL": 2}
    with open_study("shared", trials=7).claim("here") as trial:
        assert trial is not None
        assert study.fail_lost() == []
    assert study.fail_lost() == [trial.number]


def check_shared(server: str, *done: set[int]) -> None:
    """Fail unless the trials that the hosts say they have done are those of the study, each once."""
    left = read_left(f"{server}/studies", f"{server}/runs")
    check_left(left, NUM_TRIALS)
    answered = {trial.number for trial in left.trials if trial.state == optuna.trial.TrialState.COMPLETE}
    assert all(done), done
    assert set.union(*done) == answered
    assert sum(map(len, done)) == NUM_TRIALS


def test_the_laws_of_workers_hold_on_postgresql(server: str) -> None:
    call("check_laws()", OPTUNA_STORAGE=f"{server}/laws")


@pytest.fixture(scope="module")
def hosts(server: str, tmp_path_factory: pytest.TempPathFactory) -> list[Checkout]:
    """Two working copies with the same records, in other places."""
    one = Checkout(tmp_path_factory.mktemp("one").resolve())
    one.repro(SMALL, "--stage", "convert")
    other = Checkout(tmp_path_factory.mktemp("other").resolve())
    for name in ("data", "params.yaml"):
        place = other.folder / name
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(place) if place.is_dir() else place.unlink()
        copy = shutil.copytree if (one.folder / name).is_dir() else shutil.copy
        copy(one.folder / name, place)
    for host in (one, other):
        host.env |= {"OPTUNA_STORAGE": f"{server}/studies", "MLFLOW_TRACKING_URI": f"{server}/runs"}
    return [one, other]


def begin(host: Checkout, log: Path, *words: str) -> "subprocess.Popen[bytes]":
    """Start a command on a host; its words go to a file."""
    with log.open("ab") as stream:
        return subprocess.Popen(words, cwd=host.folder, env=host.env, stdout=stream, stderr=stream)


def test_two_hosts_share_a_study_and_its_runs(server: str, hosts: list[Checkout], tmp_path: Path) -> None:
    one, other = hosts
    logs = [tmp_path / "one.log", tmp_path / "other.log"]
    first = begin(one, logs[0], "dvc", "repro", "search")
    second = begin(other, logs[1], "python", "-m", "landscribe.cli", "search")
    while first.poll() is None and not list_trials(logs[1]):  # both begin on empty databases
        assert second.poll() is None, logs[1].read_text(encoding="utf-8")
        time.sleep(0.1)
    time.sleep(2)  # into its next trial
    second.send_signal(signal.SIGKILL)
    second.wait()
    third = begin(other, logs[1], "python", "-m", "landscribe.cli", "search")
    assert (first.wait(), third.wait()) == (0, 0), "\n".join(log.read_text(encoding="utf-8") for log in logs)
    done = ", ".join(str(list_trials(log)) for log in logs)
    call(f"check_shared({server!r}, {done})")
    assert len((one.folder / "reports/search/trials.csv").read_text(encoding="utf-8").splitlines()) == NUM_TRIALS + 1


def list_trials(log: Path) -> set[int]:
    """Return the numbers of the trials that a host has answered."""
    return {int(number) for number in re.findall(r"^trial (\d+): .*val macro AP", log.read_text("utf-8"), re.MULTILINE)}
