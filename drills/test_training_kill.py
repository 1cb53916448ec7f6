"""SIGKILL of the stage train at moments all over its run: a rerun ends with the bytes of an undisturbed one."""

import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import mlflow
import pytest

from tests.support.checkout import Checkout
from tests.support.processes import find_processes

NUM_KILLS = 10
STAGE = "stages.train"
SMALL = (
    "demo.num_patches=120 demo.num_tiles=2 search.trials=0 train.epochs=12 train.batch_size_patches=8"
    " train.ema_momentum=0.9 train.clip_norm=1.0 train.augmentation.mixup_alpha=0.2 train.early_stopping_epochs=8"
)
TRAIN = ("dvc", "repro", "--force", "--single-item", "--no-run-cache", "train")
OUTCOME = ("models/model.keras", "reports/train/history.csv")


def read_outcome(folder: Path) -> dict[str, bytes]:
    """Return path -> bytes of what the same training always gives."""
    return {name: (folder / name).read_bytes() for name in OUTCOME}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose model was trained undisturbed."""
    made = Checkout(tmp_path_factory.mktemp("kill").resolve())
    made.repro(SMALL, "--stage", "train")
    return made


@pytest.fixture(scope="module")
def undisturbed(checkout: Checkout) -> tuple[dict[str, bytes], float]:
    """What an undisturbed run writes, the second time as the first, and how long its stage takes."""
    first = read_outcome(checkout.folder)
    assert not list((checkout.folder / ".landscribe/train").iterdir())  # `make repro` was through
    with subprocess.Popen(TRAIN, cwd=checkout.folder, env=checkout.env, stdout=subprocess.DEVNULL) as dvc:
        began = wait_for_stage(checkout, dvc)
        dvc.wait()
    assert read_outcome(checkout.folder) == first
    return first, time.monotonic() - began


def wait_for_stage(checkout: Checkout, dvc: "subprocess.Popen[bytes]") -> float:
    """Return when the stage was first seen."""
    while dvc.poll() is None and not find_processes(checkout.folder, STAGE):
        time.sleep(0.05)
    return time.monotonic()


@pytest.fixture(scope="module")
def found_epochs() -> list[int]:
    """How many finished epochs each rerun finds."""
    return []


@pytest.mark.parametrize("number", range(NUM_KILLS))
def test_a_killed_training_ends_as_one_that_was_not(
    checkout: Checkout, undisturbed: tuple[dict[str, bytes], float], found_epochs: list[int], number: int
) -> None:
    outcome, duration_s = undisturbed
    shutil.rmtree(checkout.folder / ".landscribe/train")
    before = {run.info.run_id for run in list_runs(checkout)}
    with subprocess.Popen(TRAIN, cwd=checkout.folder, env=checkout.env, stdout=subprocess.DEVNULL) as dvc:
        began = wait_for_stage(checkout, dvc)
        moment = (number + random.Random(number).random()) / NUM_KILLS  # one of each tenth of the run
        time.sleep(max(0.0, began + moment * duration_s - time.monotonic()))
        for stage in find_processes(checkout.folder, STAGE):
            stage.send_signal(signal.SIGKILL)
        dvc.wait()
    said = re.findall(r"train: (\d+) of 12 epochs are there", checkout.run(*TRAIN).stdout)
    found_epochs.append(int(said[0]) if said else 0)
    assert read_outcome(checkout.folder) == outcome
    runs = [run for run in list_runs(checkout) if run.info.run_id not in before]
    assert [run.info.status for run in runs] == ["FINISHED"]
    client = mlflow.MlflowClient(f"sqlite:///{checkout.folder}/mlflow.db")
    for metric in ("loss", "val_macro_ap"):
        points = client.get_metric_history(runs[0].info.run_id, metric)
        num_epochs = outcome["reports/train/history.csv"].count(b"\n") - 1
        assert [point.step for point in points] == list(range(1, num_epochs + 1))


def test_the_moments_met_epochs_under_way(found_epochs: list[int]) -> None:
    assert sum(0 < number < 12 for number in found_epochs) >= NUM_KILLS // 4, found_epochs


def list_runs(checkout: Checkout) -> list[mlflow.entities.Run]:
    """Return the runs of the store."""
    client = mlflow.MlflowClient(f"sqlite:///{checkout.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("landscribe")
    return list(client.search_runs([experiment.experiment_id]))
