"""A checkout of the project to run the pipeline in, as a user would."""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT


class Checkout:
    """A copy of the project under version control, with the tools of this environment."""

    def __init__(self, folder: Path) -> None:
        """Open the checkout in `folder`, or make one of this working tree where there is none."""
        self.folder = folder
        # Coverage of the copy is not that of this checkout; measuring it would only cost a quarter of the time.
        hidden = {
            "DASK_SCHEDULER_ADDRESS",
            "DVC_ROOT",
            "DVC_STAGE",
            "MLFLOW_TRACKING_URI",
            "MLFLOW_RUN_ID",
            "COVERAGE_PROCESS_CONFIG",
            "COVERAGE_PROCESS_START",
        }
        self.env = {name: value for name, value in os.environ.items() if name not in hidden} | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(folder / "src"),
        }
        if not (folder / ".git").is_dir():
            self._fill()

    def _fill(self) -> None:
        # Files that are not committed yet as well: the test is of this working tree.
        words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
        for name in listed.stdout.splitlines():
            if not (ROOT / name).is_file():
                continue
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.folder / name)
        (self.folder / "dvc.lock").unlink(missing_ok=True)
        self.run("git", "init", "--quiet")
        self.commit("start")

    def clone(self, folder: Path) -> "Checkout":
        """Return a clone of what is committed, as another machine would have it."""
        self.run("git", "clone", "--quiet", str(self.folder), str(folder))
        return self.at(folder)

    def at(self, folder: Path) -> "Checkout":
        """Return the checkout that lies in another folder."""
        made = copy.copy(self)
        made.folder, made.env = folder, self.env | {"PYTHONPATH": str(folder / "src")}
        return made

    def copy(self, folder: Path) -> "Checkout":
        """Copy everything, as `cp -a` does; return the copy."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return self.at(folder)

    def rename(self, folder: Path) -> "Checkout":
        """Give the folder another name; return what is there now."""
        self.folder.rename(folder)
        return self.at(folder)

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command; stdout and stderr come together."""
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout
        return done

    def repro(self, assignments: str = "", *words: str, check: bool = True) -> str:
        """Run what `make repro` runs."""
        return self.run("python", "-m", "landscribe.cli.repro", "--set", assignments, *words, check=check).stdout

    def commit(self, message: str) -> None:
        self.run("git", "add", "-A")
        self.run(
            "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "--allow-empty", "-m", message
        )

    def read(self, name: str) -> dict[str, float]:
        """Return a JSON file of the checkout."""
        content: dict[str, float] = json.loads((self.folder / name).read_text(encoding="utf-8"))
        return content
