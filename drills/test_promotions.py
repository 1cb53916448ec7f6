"""Twenty promotions and rollbacks at once, from two checkouts on one store: one champion, and a log without a gap."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from mlflow import MlflowClient

from landscribe.core.params import PARAMS_FILE
from landscribe.registry.champions import LogEntry, read_log
from landscribe.tracking.registered import CHALLENGER
from tests.support.challengers import Challenge
from tests.support.model_fixtures import make_plain_environment
from tests.support.paths import ROOT

pytest_plugins = ["tests.support.model_fixtures"]

NUM_PROCESSES = 20
NAME = "landscribe"  # of the committed params.yaml
COMMAND = Path(sys.executable).with_name("landscribe")


@pytest.fixture(scope="module")
def checkouts(store: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two folders with the committed params.yaml; the store lies in the first."""
    folders = [store, tmp_path_factory.mktemp("second")]
    for folder in folders:
        shutil.copy(ROOT / PARAMS_FILE, folder / PARAMS_FILE)
    return folders


@pytest.fixture(scope="module")
def challenge(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Challenge:
    """Challengers of the model."""
    return Challenge(NAME, tmp_path_factory.mktemp("models"))


def start(checkout: Path, *words: str) -> "subprocess.Popen[str]":
    """Start the command as a user in this checkout would."""
    environment = make_plain_environment() | {"DVC_ROOT": str(checkout)}
    return subprocess.Popen(
        [COMMAND, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(processes: Sequence["subprocess.Popen[str]"]) -> list[tuple[int, str, str]]:
    """Return (exit status, stdout, stderr) of each."""
    answers = []
    for process in processes:
        out, err = process.communicate()
        answers.append((process.returncode, out, err))
    return answers


def check_log(log: Sequence[LogEntry], champion: str | None) -> None:
    """Check that nothing is missing, nothing is twice, and each change starts where the one before ended."""
    assert [entry.number for entry in log] == list(range(1, len(log) + 1))
    assert [entry.previous for entry in log] == [None, *(entry.version for entry in log[:-1])]
    assert all(entry.version != entry.previous for entry in log)
    assert all(entry.kind != "by hand" for entry in log)
    assert log[-1].version == champion


def test_of_twenty_promotions_of_one_challenger_one_wins_and_the_others_are_told(
    challenge: Challenge, checkouts: list[Path]
) -> None:
    challenge.register(0.2)
    assert finish([start(checkouts[0], "promote")])[0][0] == 0
    version = challenge.register(0.9)
    answers = finish([start(checkouts[number % 2], "promote") for number in range(NUM_PROCESSES)])
    winners = [out for status, out, _ in answers if status == 0]
    refused = [err for status, _, err in answers if status == 1]
    assert (len(winners), len(refused)) == (1, NUM_PROCESSES - 1), answers
    assert f"version {version} of {NAME} is champion (test_macro_ap above version 1)" in winners[0]
    assert all(f"error: version {version} is the champion already" in err for err in refused), refused
    log = read_log(NAME)
    assert [entry.version for entry in log] == ["1", version]
    check_log(log, challenge.read_champion())


def test_promotions_and_rollbacks_at_once_leave_one_champion_and_a_whole_log(
    challenge: Challenge, checkouts: list[Path]
) -> None:
    versions = [challenge.register(0.1 * number) for number in range(1, 7)]
    before = len(read_log(NAME))
    processes = []
    for number in range(NUM_PROCESSES):
        # The challenger changes while others are deciding.
        MlflowClient().set_registered_model_alias(NAME, CHALLENGER, versions[number % len(versions)])
        words = ["rollback"] if number % 3 == 2 else ["promote", "--force", f"drill {number}"]
        processes.append(start(checkouts[number % 2], *words))
    answers = finish(processes)
    assert {status for status, _, _ in answers} <= {0, 1}
    assert not [err for _, _, err in answers if "Traceback" in err]
    done = [out for status, out, _ in answers if status == 0]
    assert all(err.count("error: ") == status for status, _, err in answers)
    log = read_log(NAME)
    assert len(log) == before + len(done)
    check_log(log, challenge.read_champion())
    assert all(f"of {NAME} is champion" in out.splitlines()[-1] for out in done)
    history = subprocess.run([COMMAND, "history"], env=os.environ, capture_output=True, text=True, check=True).stdout
    assert history.endswith(f"* version {challenge.read_champion()} is champion\n")
