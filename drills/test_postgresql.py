"""Two hosts, each with a working copy of its own, share a study and a tracking store on a real PostgreSQL.

One of them is killed on the way; the other takes its trials over.
"""

import contextlib
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from drills.postgresql import run_postgresql
from drills.search_runs import check_left, read_left
from tests.checkout import Checkout
from tests.search.fixtures import open_study
from tests.search.test_workers import count_states, search

NUM_TRIALS = 6
SMALL = (
    f"demo.num_patches=60 demo.num_tiles=2 split.fractions.val=0.3 search.trials={NUM_TRIALS} search.epochs=1"
    " search.backbones=[SmallResNet] train.batch_size_patches=16"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server."""
    folder = tmp_path_factory.mktemp("server")
    for parent in (folder, *folder.parents[:2]):  # pytest's folders are their owner's alone
        parent.chmod(parent.stat().st_mode | 0o011)
    with run_postgresql(folder, ["studies", "runs", "laws"]) as address:
        yield address


def test_the_laws_of_workers_hold_on_postgresql(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTUNA_STORAGE", f"{server}/laws")
    study = search(6, num_workers=2, deeds={"1": "die", "2": "die"})
    assert count_states(study) == {"COMPLETE": 6, "FAIL": 2}
    with open_study("shared", trials=7).claim("here") as trial:
        assert trial is not None
        assert study.fail_lost() == []  # another connection sees that it is held
    assert len(study.fail_lost()) == 1


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
    left = read_left(f"{server}/studies", f"{server}/runs")
    check_left(left, NUM_TRIALS)
    done = [list_trials(log) for log in logs]
    assert all(done), done
    answered = {trial.number for trial in left.trials if trial.state == optuna.trial.TrialState.COMPLETE}
    assert done[0] | done[1] == answered
    assert not done[0] & done[1]
    assert len((one.folder / "reports/search/trials.csv").read_text(encoding="utf-8").splitlines()) == NUM_TRIALS + 1


def list_trials(log: Path) -> set[int]:
    """Return the numbers of the trials that a host has answered."""
    return {int(number) for number in re.findall(r"^trial (\d+): .*val macro AP", log.read_text("utf-8"), re.MULTILINE)}
