"""Which commits before the move into packages train again: by files, as then, and by the digest of the code.

Each commit is laid out with its parent in a temporary folder; nothing of it is run. A line per commit that changed a
file among the dependencies of the stage `train` names the modules whose change the digest sees.
"""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks import Figure
from landscribe.runtime.code_digest import Code

_CHECKOUT = Path(__file__).resolve().parents[1]
_LAST = "fce44f7"  # the last commit with loose modules
_NUM_COMMITS = 120
# Names that the observers had then. Pictures were drawn by the stage itself, and what registers a version was reached
# by way of the weights to start from.
_OBSERVERS = (
    "landscribe.charts", "landscribe.cluster", "landscribe.errors", "landscribe.interrupts", "landscribe.orphans",
    "landscribe.progress", "landscribe.workers", "landscribe.search.locks", "landscribe.search.workers",
    "landscribe.tracking.answering", "landscribe.tracking.outage", "landscribe.tracking.outbox",
    "landscribe.tracking.runs", "landscribe.tracking.store", "landscribe.tracking.studies",
    "landscribe.tracking.system_metrics", "landscribe.tracking.registry", "landscribe.tracking.versions",
)  # fmt: skip


def run() -> Iterator[Figure]:
    """Yield how many commits train again by the digest, beside how many do by files."""
    by_files = by_digest = 0
    for commit in _git("rev-list", f"--max-count={_NUM_COMMITS}", _LAST).split():
        with _laid_out(commit) as after, _laid_out(f"{commit}^") as before:
            if not before or not after or not _touches_train(before, after):
                continue
            by_files += 1
            old, new = _list_reached(before), _list_reached(after)
            changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
            by_digest += bool(changed)
            names = ", ".join(name.removeprefix("landscribe.") for name in changed)
            sys.stdout.write(f"{_git('log', '-1', '--format=%h %s', commit).strip()}: {names or 'not again'}\n")
    yield Figure(
        "replay, commits that train again", by_digest, "commits", by_files, by_digest / max(1, by_files), by_files
    )


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=_CHECKOUT, capture_output=True, text=True, check=True).stdout


@contextlib.contextmanager
def _laid_out(commit: str) -> Iterator[Path | None]:
    """Yield a folder with the code of a commit; None where there is no such commit."""
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(["git", "archive", commit], cwd=_CHECKOUT, capture_output=True, check=False)
        if packed.returncode:
            yield None
            return
        subprocess.run(["tar", "-x", "-C", folder], input=packed.stdout, check=True)
        yield Path(folder)


def _touches_train(before: Path, after: Path) -> bool:
    """Return whether a file that `train` named as a dependency differs."""
    files = set(_list_deps(before)) | set(_list_deps(after))
    return any(_read(before / name) != _read(after / name) for name in files)


def _list_deps(checkout: Path) -> list[str]:
    path = checkout / "dvc.yaml"
    stages = YAML(typ="safe").load(path)["stages"] if path.is_file() else {}
    return [name for name in stages.get("train", {}).get("deps", []) if name.endswith(".py")]


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _list_reached(checkout: Path) -> dict[str, str]:
    packages = {"landscribe": checkout / "src/landscribe", "stages": checkout / "stages"}
    return Code(packages, _OBSERVERS).list_reached("stages.train", "stages.paths")
