"""A Dask cluster on loopback: the same results as here, and one sentence for whatever is wrong with it."""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from landscribe.conversion.converter import convert
from landscribe.core.errors import PatchError, WorkerError
from landscribe.runtime import cluster
from landscribe.runtime.pool import map_in_workers
from tests.conversion.test_converter import make_config, open_demo, prepare
from tests.runtime.test_pool import check_ahead
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow(12)

ADDRESS = "DASK_SCHEDULER_ADDRESS"


@contextlib.contextmanager
def start(*words: str, allowed_failures: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of Dask and all that it starts, in a session of its own."""
    paths = f"{ROOT / 'src'}:{ROOT}"
    env = os.environ | {"PYTHONPATH": paths, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(allowed_failures)}
    command = [sys.executable, "-W", "ignore", "-m", "dask", *words]
    with subprocess.Popen(command, env=env, start_new_session=True, stderr=subprocess.DEVNULL) as program:
        try:
            yield program
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)


@contextlib.contextmanager
def start_scheduler(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start a scheduler; yield it with its address."""
    written = folder / "scheduler.json"
    words = ("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")
    with start(*words, "--scheduler-file", str(written)) as scheduler:
        deadline = time.monotonic() + 60
        while not written.exists() or not written.read_text(encoding="utf-8").endswith("}"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield scheduler, json.loads(written.read_text(encoding="utf-8"))["address"]


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler with two workers, which live in a folder of their own."""
    folder = tmp_path_factory.mktemp("dask")
    words = ("--nworkers", "2", "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder))
    with start_scheduler(folder) as (_, address), start("worker", address, *words):
        yield address


@pytest.fixture
def address(workers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same, as the environment of this process names it; this process works in a new folder."""
    monkeypatch.setenv(ADDRESS, workers)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    return workers


def look(number: int) -> tuple[int, int, str]:
    """Return the task, who worked on it and in which folder."""
    return number, os.getpid(), str(Path.cwd())


def fail(number: int) -> int:
    if number == 3:
        raise PatchError("B04 is unreadable")
    return number


def end_itself(number: int) -> None:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)


def test_tasks_are_done_in_order_elsewhere_in_the_same_folder(address: str, tmp_path: Path) -> None:
    (tmp_path / ".landscribe").mkdir()
    (tmp_path / ".landscribe/.cluster-of-a-killed-process").touch()
    numbers, pids, folders = zip(*map_in_workers(look, range(50)), strict=True)
    assert numbers == tuple(range(50))
    assert os.getpid() not in pids
    assert set(folders) == {str(tmp_path)}
    assert not list((tmp_path / ".landscribe").iterdir())


def test_no_task_is_begun_that_is_further_ahead_than_allowed(address: str, tmp_path: Path) -> None:
    check_ahead(tmp_path, 2, num_workers=None, waits=False)


def test_a_number_of_workers_means_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS, "nobody-is-asked")
    assert list(map_in_workers(abs, [-1, -2], 2)) == [1, 2]
    assert list(map_in_workers(abs, [-1])) == [1]


def test_records_have_the_same_bytes(address: str, demo_root: Path, tmp_path: Path) -> None:
    source, config = prepare(open_demo(demo_root)), make_config(verify=True)
    here, there = tmp_path / "here", tmp_path / "there"
    expected = convert(source, config, here, tmp_path / "here-scratch", num_workers=1)
    # A relative path, for a task must find what this process would find.
    done = convert(source, config, there, Path("there-scratch"))
    assert done.manifest == expected.manifest
    files = sorted(file.relative_to(here) for file in here.rglob("*") if file.is_file())
    assert [(there / file).read_bytes() for file in files] == [(here / file).read_bytes() for file in files]
    assert {name: band.summarise() for name, band in done.statistics.items()} == {
        name: band.summarise() for name, band in expected.statistics.items()
    }


def test_an_error_of_a_task_is_raised_here(address: str) -> None:
    with pytest.raises(PatchError, match=r"^B04 is unreadable$"):
        list(map_in_workers(fail, range(8)))


@pytest.mark.drill  # Dask starts them again for half a minute before it gives up
def test_a_task_that_ends_its_workers_ends_the_work_in_one_sentence(address: str) -> None:
    with pytest.raises(WorkerError, match="has ended several workers"):
        list(map_in_workers(end_itself, range(8)))


def test_a_worker_with_other_code_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_VERSIONS", cluster._VERSIONS | {"numpy": "0.1"})
    with pytest.raises(WorkerError, match=r"has numpy [\d.]+ instead of 0.1; expected"):
        list(map_in_workers(look, range(8)))


def test_a_worker_that_cannot_import_a_task_is_refused(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here.py").write_text("def task(number): return number", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    task = importlib.import_module("only_here").task
    with pytest.raises(WorkerError, match="No module named 'only_here'"):
        list(map_in_workers(task, range(8)))


def test_a_worker_on_another_file_system_is_refused(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_show_heartbeat", lambda: contextlib.nullcontext(tmp_path / "nowhere"))
    with pytest.raises(WorkerError, match="does not see"):
        list(map_in_workers(look, range(8)))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("tcp://127.0.0.1:9", "tcp://127.0.0.1:9 after"),
        ("somewhere", "missing port"),
        ("http://127.0.0.1:8787", "unknown address scheme"),
        ("tls://127.0.0.1:8786", "without certificates"),
    ],
)
def test_an_address_without_scheduler_is_told(
    wrong: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_WITHIN_S", 1)
    monkeypatch.setenv(ADDRESS, wrong)
    with pytest.raises(WorkerError, match=f"{ADDRESS}={wrong}: expected a Dask scheduler.*{reason}"):
        list(map_in_workers(look, range(8)))


def test_an_address_without_dask_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS, "tcp://127.0.0.1:8786")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(WorkerError, match=r"pip install 'landscribe\[cluster\]'"):
        list(map_in_workers(look, range(8)))


def test_a_scheduler_that_is_lost_ends_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with start_scheduler(tmp_path) as (scheduler, address):
        monkeypatch.setenv(ADDRESS, address)
        monkeypatch.setattr(cluster, "_LOOK_EVERY_S", 0.1)
        monkeypatch.setattr(cluster, "_warn_if_idle", lambda client: scheduler.kill())
        with pytest.raises(WorkerError, match="was lost"):
            list(map_in_workers(look, range(8)))


STAGE = """
import sys, time
from pathlib import Path
from landscribe.runtime.entry import run_or_exit
from landscribe.runtime.pool import map_in_workers
from tests.runtime.test_cluster import wait_and_touch

def main():
    for done in map_in_workers(wait_and_touch, [str(number) for number in range(400)]):
        print(done, flush=True)

run_or_exit(main)
"""


def wait_and_touch(name: str) -> str:
    time.sleep(0.1)
    Path(name).touch()
    return name


def test_an_interrupt_takes_the_tasks_back(address: str, tmp_path: Path) -> None:
    env = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    with subprocess.Popen(
        [sys.executable, "-c", STAGE], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as stage:
        try:
            assert stage.stdout is not None
            stage.stdout.readline()
            stage.send_signal(signal.SIGINT)
            _, said = stage.communicate(timeout=30)
        finally:
            stage.kill()
    assert (stage.returncode, said) == (130, "interrupted; run the same command again\n")
    assert list(map_in_workers(look, range(4)))  # behind what was running
    num_done = len(list(tmp_path.glob("[0-9]*")))
    assert list(map_in_workers(look, range(20)))
    assert len(list(tmp_path.glob("[0-9]*"))) == num_done < 400
