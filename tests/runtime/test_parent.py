"""A stage ends with the dvc that started it, whenever that is killed; nothing else is watched."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from landscribe.runtime.parent import end_with_dvc
from tests.support.processes import kill_first, wait_until_ended

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

DVC = """
import os, subprocess, sys
subprocess.run(sys.argv[1:], env=os.environ | {"DVC_STAGE": "convert", "DVC_PID": str(os.getpid())})
"""
STAGE = """
import os, time
from landscribe.runtime.parent import end_with_dvc
end_with_dvc()
print(os.getpid(), flush=True)
time.sleep(60)
"""
# What DVC's shell does with a command: some replace themselves by it, others wait for it.
SHELLS = pytest.mark.parametrize("shell", [[], ["sh", "-c", 'true; "$@"; true', "sh"]])


def write_dvc(folder: Path, name: str = "dvc") -> list[str]:
    """Write a program that runs a command as DVC runs that of a stage; return the words that start it."""
    (folder / name).write_text(DVC, encoding="utf-8")
    return [sys.executable, str(folder / name)]


@SHELLS
def test_a_stage_ends_with_the_dvc_that_is_killed(tmp_path: Path, shell: list[str]) -> None:
    wait_until_ended(kill_first([*write_dvc(tmp_path), *shell, sys.executable, "-c", STAGE]))


@SHELLS
def test_a_program_that_calls_dvc_from_python_may_have_any_name(tmp_path: Path, shell: list[str]) -> None:
    stage = "from landscribe.runtime.parent import end_with_dvc; end_with_dvc(); print('done')"
    words = [*write_dvc(tmp_path, "notebook.py"), *shell, sys.executable, "-c", stage]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "done\n"


def test_what_is_no_stage_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_STAGE", raising=False)
    num_threads = threading.active_count()
    end_with_dvc()
    assert threading.active_count() == num_threads
