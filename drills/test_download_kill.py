"""SIGKILL at ten random moments of discover and convert on a download: the same records, nothing unpacked twice."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from landscribe.core.patch import S1_FOLDER, S2_FOLDER
from landscribe.demo.config import DemoConfig
from landscribe.demo.writer import write_demo_archive
from tests.support.checkout import Checkout
from tests.support.packing import pack

NUM_KILLS = 10
OUTCOME = ("data/index.parquet", "data/band_statistics.json", "data/patch_statistics.parquet")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose archive is two downloads beside it, not read yet."""
    folder = tmp_path_factory.mktemp("download").resolve()
    write_demo_archive(DemoConfig(num_patches=400, num_tiles=2, seed=1), folder / "demo", num_workers=2)
    roots = [pack(folder / "demo" / sensor, folder, ".tar.gz") for sensor in (S2_FOLDER, S1_FOLDER)]
    made = Checkout(folder / "checkout")
    made.env["LANDSCRIBE_KEEP_UNPACKED"] = "1"
    words = f"archive.layout=bigearthnet-v1 archive.root={roots[0]} archive.s1_root={roots[1]}"
    made.run("python", "-c", f"from landscribe.cli.overlay import write_merged; from pathlib import Path;"
             f" write_merged(None, '{words} convert.shard_size_mb=2', Path('params.yaml'))")  # fmt: skip
    return made


def read_outcome(folder: Path) -> dict[str, bytes]:
    """Return path -> bytes of the index, the records and the statistics."""
    files = [folder / name for name in OUTCOME] + sorted((folder / "data/records").rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.is_file()}


def clean(folder: Path) -> None:
    """Forget all that was done, but for the digests of the downloads."""
    for name in ("data", ".landscribe/unpacked", ".landscribe/convert", ".dvc/cache", ".dvc/tmp", "reports"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "dvc.lock").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def undisturbed(checkout: Checkout) -> tuple[dict[str, bytes], float]:
    """What an undisturbed run writes, and its seconds."""
    began = time.monotonic()
    checkout.run("dvc", "repro", "convert")
    return read_outcome(checkout.folder), time.monotonic() - began


@pytest.mark.parametrize("seed", range(NUM_KILLS))
def test_a_killed_run_goes_on(checkout: Checkout, undisturbed: tuple[dict[str, bytes], float], seed: int) -> None:
    expected, duration_s = undisturbed
    clean(checkout.folder)
    with subprocess.Popen(
        ["dvc", "repro", "convert"], cwd=checkout.folder, env=checkout.env, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    ) as dvc:  # fmt: skip
        time.sleep(duration_s * (seed + random.Random(seed).random()) / NUM_KILLS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(dvc.pid, signal.SIGKILL)
    unpacked = checkout.folder / ".landscribe/unpacked"
    done = {path: path.stat().st_mtime_ns for path in unpacked.glob("*") if path.suffix in (".tar", ".arrow")}
    deadline = time.monotonic() + 20
    while any(checkout.folder == Path(process.info["cwd"] or "") for process in psutil.process_iter(["cwd"])):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    checkout.run("dvc", "repro", "convert")
    assert read_outcome(checkout.folder) == expected
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert sorted(path.suffix for path in unpacked.iterdir()) == [".arrow", ".arrow", ".tar", ".tar"]
