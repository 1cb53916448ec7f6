"""The environment of a checkout is its own: `make` notices one that came along with a copy, and makes it again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.slow(4)

# Stands for uv: it makes an environment of nothing but a Python.
FAKE_UV = f"""#!/bin/sh
echo "uv $*" >> "$UV_LOG"
[ "$1" = venv ] || exit 0
mkdir -p .venv/bin
printf '#!/bin/sh\\nexec {sys.executable} "$@"\\n' > .venv/bin/python
chmod +x .venv/bin/python
"""


class Folder:
    """A folder in which `make env` runs, with a `uv` that installs nothing."""

    def __init__(self, path: Path, tools: Path) -> None:
        self.path, self.tools = path, tools

    def make(self, *words: str, check: bool = True) -> str:
        """Run `make env`; return what it says."""
        env = {name: value for name, value in os.environ.items() if name not in ("DVC_ROOT", "MLFLOW_TRACKING_URI")}
        env |= {"PATH": f"{self.tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}
        env |= {"UV_LOG": str(self.path / "uv.log")}
        done = subprocess.run(
            ["make", f"PYTHON={sys.executable}", *words, "env"],
            cwd=self.path, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode == 0) == check, done.stdout + done.stderr
        return done.stdout + done.stderr

    def count_made(self) -> int:
        """Return how often an environment was made here."""
        log = self.path / "uv.log"
        return log.read_text(encoding="utf-8").count("uv venv") if log.exists() else 0


@pytest.fixture
def original(tmp_path: Path) -> Folder:
    """A checkout with an environment."""
    tools, path = tmp_path / "tools", tmp_path / "the original"
    for folder in (tools, path / "requirements"):
        folder.mkdir(parents=True)
    (tools / "uv").write_text(FAKE_UV, encoding="utf-8")
    (tools / "uv").chmod(0o755)
    shutil.copy(ROOT / "Makefile", path)
    for name in ("requirements/cpu.txt", "requirements/gpu.txt", "pyproject.toml", "dvc.yaml"):
        (path / name).touch()
    made = Folder(path, tools)
    made.make()
    assert made.count_made() == 1
    return made


def test_an_environment_is_made_once(original: Folder) -> None:
    assert "Nothing to be done" in original.make()
    assert original.count_made() == 1


@pytest.mark.parametrize("how", ["copied", "renamed", "another lock"])
def test_one_that_was_made_elsewhere_is_made_again_and_the_original_stays(
    original: Folder, tmp_path: Path, how: str
) -> None:
    (original.path / ".venv/bin/tool").write_text("of the original", encoding="utf-8")
    other = Folder(tmp_path / "other", original.tools)
    (shutil.move if how == "renamed" else shutil.copytree)(original.path, other.path)
    (other.path / "uv.log").unlink()
    said = other.make(*(["GPU=1"] if how == "another lock" else []))
    assert f"was made in another folder or for another Python ({original.path}); it is made again" in said
    assert other.count_made() == 1
    assert not (other.path / ".venv/bin/tool").exists()
    assert (original.path / ".venv/bin/tool").exists() == (how != "renamed")
    assert "Nothing to be done" in other.make(*(["GPU=1"] if how == "another lock" else []))
    if how != "renamed":
        assert "Nothing to be done" in original.make()


def test_one_of_a_python_that_is_gone_or_of_an_older_makefile_is_made_again(original: Folder) -> None:
    (original.path / ".venv/bin/python").unlink()
    assert "it is made again" in original.make()
    (original.path / ".venv/made_in").unlink()
    assert "(unknown); it is made again" in original.make()
    assert original.count_made() == 3


def test_a_folder_that_somebody_made_by_hand_is_kept(original: Folder) -> None:
    for name in (".venv/made_in", ".venv/cpu.ready"):
        (original.path / name).unlink()
    (original.path / ".venv/own").touch()
    assert "it is made again" not in original.make()
    assert (original.path / ".venv/own").exists()
