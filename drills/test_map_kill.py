"""SIGKILL of `landscribe map` at random moments: a rerun gives the same bytes and reads no finished chunk again."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from benchmarks.map import write_scene
from benchmarks.served import register_random
from landscribe.core.bands import S2_BANDS
from tests.support.model_fixtures import make_plain_environment

NUM_KILLS = 10
SHARE = 0.25  # of the rows of a tile
RESULT = ("scores.tif", "labels.parquet", "quicklook.png")


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict[str, str]]:
    """The command without its folder, and the environment of a store with a model."""
    root = tmp_path_factory.mktemp("map").resolve()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI"):
            patch.setenv(name, "")  # put back at the end
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow warns of its own type hints while it loads
            uri = register_random(root, list(S2_BANDS))
        environment = make_plain_environment()
    (root / "params.yaml").write_text("map: {max_nodata_fraction: 0.1, max_cloud_fraction: null}\n")
    scene = write_scene(root / "scene", "tif", SHARE)
    return [sys.executable, "-m", "landscribe.cli", "map", str(scene), "--model", uri, "--out"], environment


def run(command: list[str], out: Path, environment: dict[str, str], kill_after_s: float | None = None) -> float:
    """Run to the end, or kill the process and what it started; return the seconds."""
    began = time.monotonic()
    with subprocess.Popen([*command, str(out)], env=environment, stderr=subprocess.PIPE) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            _, said = process.communicate(timeout=kill_after_s)
            assert process.returncode == 0, said
            return time.monotonic() - began
        os.kill(process.pid, signal.SIGKILL)  # the parent alone: its workers end with it
        process.communicate()
    return time.monotonic() - began


def list_read(out: Path) -> dict[str, tuple[int, int]]:
    """Return name -> identity of the files that say that a chunk was read."""
    found = {}
    for path in out.glob(".unfinished/*/*.json"):
        stat = path.stat()
        found[path.name] = (stat.st_ino, stat.st_mtime_ns)
    return found


def test_a_killed_map_goes_on(command: tuple[list[str], dict[str, str]], tmp_path: Path) -> None:
    words, environment = command
    duration_s = run(words, tmp_path / "undisturbed", environment)
    out, generator, num_read = tmp_path / "killed", random.Random(20170613), []
    for _ in range(NUM_KILLS):
        before = list_read(out)
        run(words, out, environment, kill_after_s=generator.uniform(0.1, 1) * duration_s)
        if not (out / ".unfinished").exists():
            break  # it was faster than the moment
        after = list_read(out)
        assert {name: after.get(name) for name in before} == before, "a finished chunk was read again"
        num_read.append(len(after))
    run(words, out, environment)
    assert max(num_read) > 0
    for name in RESULT:
        assert (out / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes(), name
    assert sorted(path.name for path in out.iterdir()) == sorted(RESULT)
