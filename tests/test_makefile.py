"""The verbs of the Makefile that delete: what stays, stays."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.support.paths import ROOT

KEPT = (
    ".landscribe/bench/case.csv",
    ".landscribe/outbox/1/entry.json",
    ".landscribe/search/studies.db",
    ".landscribe/search/studies.db.locks/1",
    ".venv/bin/python",
    "data/demo/demo.json",
    "mlartifacts/1/model.keras",
    "mlflow.db",
    "params.yaml",
)
SCRATCH = (".landscribe/convert/journal", ".landscribe/train/1/state", ".landscribe/locks/mlflow.lock", ".coverage.1")


def list_outs() -> list[str]:
    """Return the paths that DVC's stages write."""
    stages: dict[str, Any] = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    items = [item for stage in stages.values() for kind in ("outs", "metrics", "plots") for item in stage.get(kind, [])]
    return [item if isinstance(item, str) else next(iter(item)) for item in items]


def test_clean_removes_what_the_stages_wrote_and_no_run_study_or_unsent_entry(tmp_path: Path) -> None:
    for name in (*KEPT, *SCRATCH, *list_outs()):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    shutil.copy(ROOT / "Makefile", tmp_path)
    for _ in range(2):
        subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
        left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
        assert left == {*KEPT, "Makefile"}
