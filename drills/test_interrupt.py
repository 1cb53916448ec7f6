"""Ctrl-C in the middle of a search and of a training: their runs are KILLED, and the same command goes on with them."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.checkout import Checkout

SMALL = (
    "demo.num_patches=60 demo.num_tiles=2 split.fractions.val=0.3 search.trials=1 search.epochs=20"
    " search.backbones=[SmallResNet] train.epochs=20 train.batch_size_patches=8"
)
REPRO = ("python", "-m", "landscribe.cli.repro", "--stage", "train")
INTERRUPTED = "interrupted; run the same command again"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout with records."""
    made = Checkout(tmp_path_factory.mktemp("interrupt").resolve())
    made.repro(SMALL, "--stage", "convert")
    return made


def read_runs(folder: Path) -> dict[str, str]:
    """Return name -> status of every run; read from the file, for MLflow would make its tables beside the stage."""
    address = f"file:{folder}/mlflow.db?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True)) as database:
            return dict(database.execute("SELECT name, status FROM runs").fetchall())
    except sqlite3.OperationalError:  # not there yet, or locked
        return {}


def interrupt_once(checkout: Checkout, is_time: Callable[[], bool]) -> str:
    """Run the pipeline, press Ctrl-C when it is time, and return what was said."""
    # As in a terminal: the signal reaches the whole process group, and nobody ignores it from the start.
    with subprocess.Popen(
        REPRO,
        cwd=checkout.folder,
        env=checkout.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as repro:
        while not is_time():
            assert repro.poll() is None
            time.sleep(0.2)
        os.killpg(repro.pid, signal.SIGINT)
        said, _ = repro.communicate(timeout=120)
    assert repro.returncode == 130, said
    assert INTERRUPTED in said
    assert "Traceback" not in said
    return said


def test_an_interrupted_search_leaves_no_run_open_and_goes_on(checkout: Checkout) -> None:
    interrupt_once(checkout, lambda: read_runs(checkout.folder).get("trial-000") == "RUNNING")
    assert read_runs(checkout.folder) == {"search": "KILLED", "trial-000": "KILLED"}
    checkout.repro("", "--stage", "search")
    assert read_runs(checkout.folder) == {"search": "FINISHED", "trial-001": "FINISHED"}  # the next try, the same run


def test_an_interrupted_training_leaves_no_run_open_and_goes_on(checkout: Checkout) -> None:
    snapshots = checkout.folder / ".landscribe/train"
    interrupt_once(checkout, lambda: bool(list(snapshots.glob("*/snapshot.npz"))))
    assert read_runs(checkout.folder)["train-SmallResNet"] == "KILLED"
    assert "epochs are there" in checkout.repro("", "--stage", "train")
    assert set(read_runs(checkout.folder).values()) == {"FINISHED"}
