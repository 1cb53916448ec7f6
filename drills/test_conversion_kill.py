"""SIGKILL of stage, worker and dvc at random moments: a rerun gives what an undisturbed run gives, nothing is left."""

import contextlib
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.support.checkout import Checkout

NUM_KILLS = 7  # of each victim
SMALL = "demo.num_patches=200 demo.num_tiles=2 convert.shard_size_mb=0.6"  # 91 shards
CONVERT = ("dvc", "repro", "--force", "--single-item", "--no-run-cache", "convert")
OUTCOME = ("data/records", "data/band_statistics.json", "data/patch_statistics.parquet", "reports/convert")


def read_outcome(folder: Path) -> dict[str, bytes]:
    """Return path -> bytes of every file that the stage writes."""
    paths = [folder / name for name in OUTCOME]
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def list_processes(folder: Path) -> dict[str, list[psutil.Process]]:
    """Return the processes that work in `folder`: dvc, stage, worker."""
    found: dict[str, list[psutil.Process]] = {"dvc": [], "stage": [], "worker": []}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if Path(process.cwd()) == folder and process.status() != psutil.STATUS_ZOMBIE:
                words = " ".join(process.cmdline())
                is_worker = "spawn_main" in words
                kind = "worker" if is_worker else "stage" if "stages.convert" in words else "dvc"
                found[kind].append(process)
    return found


def wait_until_none_is_left(folder: Path) -> None:
    """Fail unless every process in `folder` ends by itself soon."""
    deadline = time.monotonic() + 20
    while any(list_processes(folder).values()):
        assert time.monotonic() < deadline, list_processes(folder)
        time.sleep(0.1)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose records were converted undisturbed."""
    made = Checkout(tmp_path_factory.mktemp("kill").resolve())
    made.repro(SMALL, "--stage", "convert")
    return made


@pytest.fixture(scope="module")
def undisturbed(checkout: Checkout) -> dict[str, bytes]:
    """What an undisturbed run writes."""
    return read_outcome(checkout.folder)


@pytest.fixture(scope="module")
def duration_s(checkout: Checkout, undisturbed: dict[str, bytes]) -> float:
    """How long an undisturbed run takes."""
    shutil.rmtree(checkout.folder / ".landscribe/convert")
    began = time.monotonic()
    checkout.run(*CONVERT)
    assert read_outcome(checkout.folder) == undisturbed
    return time.monotonic() - began


def kill_one(checkout: Checkout, victim: str, moment: float, duration_s: float) -> str:
    """Start a conversion, kill a victim at `moment` (0 to 1) of its run; return what was said."""
    with subprocess.Popen(
        CONVERT, cwd=checkout.folder, env=checkout.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as dvc:
        began = time.monotonic()
        while dvc.poll() is None and not list_processes(checkout.folder)[victim]:
            time.sleep(0.02)
        rest_s = duration_s - (time.monotonic() - began)
        time.sleep(max(0.0, moment * rest_s))
        with contextlib.suppress(IndexError, psutil.Error):
            list_processes(checkout.folder)[victim][0].send_signal(signal.SIGKILL)
        said, _ = dvc.communicate()
    return said


@pytest.mark.parametrize("seed", range(NUM_KILLS))
@pytest.mark.parametrize("victim", ["stage", "worker", "dvc"])
def test_a_killed_conversion_goes_on(
    checkout: Checkout, undisturbed: dict[str, bytes], duration_s: float, victim: str, seed: int
) -> None:
    scratch = checkout.folder / ".landscribe/convert"
    shutil.rmtree(scratch)
    moment = (seed + random.Random(f"{victim} {seed}").random()) / NUM_KILLS  # random, yet all over the run
    said = kill_one(checkout, victim, moment, duration_s)
    wait_until_none_is_left(checkout.folder)
    assert "Traceback" not in said
    finished = {path: path.stat().st_mtime_ns for path in scratch.rglob("[!.]*.npz")}
    checkout.run(*CONVERT)
    assert read_outcome(checkout.folder) == undisturbed
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert not list(scratch.rglob(".*"))
    wait_until_none_is_left(checkout.folder)
