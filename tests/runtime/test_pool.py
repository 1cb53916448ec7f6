"""Worker processes: the same results in the same order, an early start, no orphans."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from landscribe.core.errors import WorkerError
from landscribe.runtime.pool import map_in_workers, start_workers
from tests.support.processes import kill_first, wait_until_ended

pytestmark = pytest.mark.slow(7)


@pytest.mark.parametrize("num_workers", [1, 2, None])
@pytest.mark.parametrize("num_tasks", [0, 1, 7])
def test_results_come_in_the_order_of_the_tasks(num_workers: int | None, num_tasks: int) -> None:
    assert list(map_in_workers(abs, range(0, -num_tasks, -1), num_workers)) == list(range(num_tasks))


def test_one_task_needs_no_other_process() -> None:
    assert list(map_in_workers(os.path.exists, ["."])) == [True]
    assert next(map_in_workers(lambda _: os.getpid(), [0])) == os.getpid()  # a lambda cannot be sent


@pytest.mark.parametrize("ahead", [1, 3, None])
def test_no_task_is_begun_that_is_further_ahead_than_allowed(tmp_path: Path, ahead: int | None) -> None:
    check_ahead(tmp_path, ahead, num_workers=2, waits=True)  # ends: the next one is begun before a result is there


def check_ahead(folder: Path, ahead: int | None, num_workers: int | None, *, waits: bool) -> None:
    """Ask for the results of tasks that say when they begin; each may wait for the next one to begin."""
    tasks = [(folder, number, waits and number < 7) for number in range(8)]
    for number, done in enumerate(map_in_workers(begin_and_wait, tasks, num_workers, ahead=ahead)):
        assert done == number
        most = 8 if ahead is None else number + 1 + ahead
        assert number + 1 <= len(list(folder.glob("task*"))) <= most


def begin_and_wait(task: tuple[Path, int, bool]) -> int:
    """Say that a task has begun; wait until the next one has."""
    folder, number, waits = task
    (folder / f"task{number}").touch()
    deadline = time.monotonic() + 20
    while waits and not (folder / f"task{number + 1}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return number


def test_an_error_of_a_worker_is_raised_here() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        list(map_in_workers(int, ["1", "x", "2"], 2))


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_worker_that_is_killed_ends_the_work_in_one_sentence() -> None:
    with pytest.raises(WorkerError, match="ended from outside"):
        list(map_in_workers(end_itself, [0, 1], 2))


def end_itself(number: int) -> None:
    """Die as the kernel's out-of-memory killer would have it."""
    if number:
        os.kill(os.getpid(), signal.SIGKILL)


STAGE = """
import sys
{heavy}
from landscribe.runtime.pool import start_workers

if __name__ == "__main__":
    with start_workers(2) as workers:
        {action}
"""


def write_stage(folder: Path, heavy: str, action: str) -> Path:
    """Write a program that starts workers."""
    path = folder / "stage.py"
    path.write_text(STAGE.format(heavy=heavy, action=action), encoding="utf-8")
    return path


def test_workers_do_not_import_the_main_module(tmp_path: Path) -> None:
    stage = write_stage(tmp_path, "print('imported', flush=True)", "print(*workers.map(abs, [-1, -2]))")
    done = subprocess.run([sys.executable, stage], capture_output=True, text=True, check=True)
    assert done.stdout == "imported\n1 2\n"
    assert done.stderr == ""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    action = "import os, time; print(workers.submit(os.getpid).result(), flush=True); time.sleep(60)"
    wait_until_ended(kill_first([sys.executable, str(write_stage(tmp_path, "", action))]))


def test_workers_serve_tasks_that_come_later() -> None:
    with start_workers(2) as workers:
        assert workers.submit(abs, -1).result() == 1
        assert list(workers.map(abs, [-2, -3])) == [2, 3]


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("wait_s", [0.0, 0.05, 0.15, 0.3, 1.0, 1.5])
def test_an_interrupt_while_tasks_are_handed_over_ends_all(tmp_path: Path, wait_s: float) -> None:
    stage = write_stage(tmp_path, "", "print('up', flush=True); [*workers.map(abs, range(100_000), chunksize=1)]")
    words = [sys.executable, str(stage)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as parent:
        try:
            assert parent.stdout is not None
            parent.stdout.readline()
            time.sleep(wait_s)
            os.killpg(parent.pid, signal.SIGINT)
            _, said = parent.communicate(timeout=20)
            assert parent.returncode != 0
            assert said.endswith(b"KeyboardInterrupt\n")
        finally:
            parent.kill()  # else a hang here would be one of the whole suite


def test_an_interrupt_ends_tasks_that_run(tmp_path: Path) -> None:
    stage = write_stage(tmp_path, "import time", "print('up', flush=True); [*workers.map(time.sleep, [60, 60])]")
    with subprocess.Popen([sys.executable, stage], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        try:
            assert parent.stdout is not None
            parent.stdout.readline()
            parent.send_signal(signal.SIGINT)
            assert parent.wait(20) != 0
        finally:
            parent.kill()


def test_an_interrupt_after_the_last_answer_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt), start_workers(1):
        signal.raise_signal(signal.SIGINT)
