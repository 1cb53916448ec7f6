"""What made a run: commit, data, device and versions, as its tags."""

import functools
import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path

from landscribe.core.files import compute_file_digest, read_json
from landscribe.records.schema import Manifest
from landscribe.runtime.progress import make_logger

_LIBRARIES = ("tensorflow", "keras", "mlflow", "dvc", "optuna", "numpy", "scikit-learn", "rasterio")
_RESULTS = ("dvc.lock", "metrics")  # in git, but results: in a fresh clone the first run writes them


def make_tags(manifest: Manifest, device: str, data_dir: Path) -> dict[str, str]:
    """Return the tags of a run: commit, digests of data and dvc.lock, nomenclature, device and library versions.

    The lock is the one beside the code that runs, as the stages before left it.

    Args:
        manifest: of the records that the run reads.
        device: as `models.devices.choose_device` says.
        data_dir: folder of `archive.json` and `splits.parquet`; the digest of an absent file is left out.
    """
    commit, dirty = read_git()
    archive, splits = data_dir / "archive.json", data_dir / "splits.parquet"
    digests = {"archive_digest": read_json(archive)["digest"]} if archive.is_file() else {}
    files = {"split_digest": splits, "dvc_lock_digest": Path("dvc.lock")}
    digests |= {name: compute_file_digest(path) for name, path in files.items() if path.is_file()}
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES} | {"python": platform.python_version()}
    return {
        "git.commit": commit,
        "git.dirty": str(dirty).lower(),
        "archive": manifest.archive,
        "manifest_digest": manifest.digest,
        "nomenclature": f"{manifest.nomenclature} ({len(manifest.classes)} classes)",
        "device": device,
        "versions": json.dumps(versions),
        **digests,
    }


def read_git() -> tuple[str, bool]:
    """Return (commit, whether what makes a result differs from it), or ("unknown", True) where git gives none."""

    def ask(*words: str) -> str:
        # In the stage's own folder: under `dvc exp run --temp` that is the checkout whose code runs.
        answer = subprocess.run(
            ["git", *words], capture_output=True, text=True, check=True, env=os.environ | {"LC_ALL": "C"}
        )
        return answer.stdout.strip()

    try:
        others = [f":(exclude){name}" for name in _RESULTS]
        return ask("rev-parse", "HEAD"), bool(ask("status", "--porcelain", "--", ":/", *others))
    except (OSError, subprocess.CalledProcessError) as error:
        _warn_of_git(error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error))
        return "unknown", True


@functools.cache
def _warn_of_git(words: str) -> None:
    """Say once why there is no commit, and git's own remedy: the last line of what it says, indented, is a command."""
    reason, *others = [line for line in words.splitlines() if line.strip()] or ["git says nothing"]
    remedy = f"; if you trust it, run: {others[-1].strip()}" if others and others[-1].startswith("\t") else ""
    make_logger("mlflow").warning("mlflow: git.commit is unknown (%s)%s", reason.removeprefix("fatal: "), remedy)
