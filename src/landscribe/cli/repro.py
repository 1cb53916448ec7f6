"""`make repro`: merge RECIPE and SET into params.yaml, run DVC, make sure of the registry, show what came out.

    python -m landscribe.cli.repro --recipe recipes/ucmerced.yaml --set "train.epochs=5" --stage train

Every argument may be empty, which means unset.
"""

import argparse
import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from landscribe.cli.overlay import drop_unset, write_merged
from landscribe.conversion.journal import remove_journals
from landscribe.core.errors import LandscribeError
from landscribe.core.files import can_write, explain_read_only, read_json
from landscribe.core.params import expand_path, find_scratch
from landscribe.figures.tables import format_table
from landscribe.runtime.entry import FAILED, INTERRUPTED, run_or_exit
from landscribe.runtime.progress import make_logger
from landscribe.training.state import remove_states

_DVC = Path(sys.executable).with_name("dvc")
METRICS = Path("metrics/test.json")
RUN = Path("reports/train/run.json")
SEARCH = Path("reports/search")
REGISTRATION = Path("reports/register/registration.json")
TRAINED = ("", "train", "score", "evaluate", "register")  # after these stages DVC holds the model
SHOWN = {
    "test_macro_ap": "macro average precision",
    "test_macro_ap_ridge": "  ridge on band means and deviations",
    "test_macro_ap_prior": "  prior (knows nothing)",
    "test_micro_ap": "micro average precision",
    "test_macro_f1": "macro F1",
    "test_micro_f1": "micro F1",
    "test_sample_f1": "sample F1",
    "test_sample_f2": "sample F2",
}


def main() -> int:
    """Run the pipeline; return the exit status, as `runtime.entry` lists them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="", help="an overlay of params.yaml")
    parser.add_argument("--set", default="", dest="assignments", help="words section.key=value, values in YAML")
    parser.add_argument("--set-given", default="", dest="given", help="the same; words without a value are left out")
    parser.add_argument("--stage", default="", help="stop after this stage")
    arguments = parser.parse_args()
    _prepare_checkout(Path.cwd())
    recipe = expand_path(arguments.recipe) if arguments.recipe else None
    write_merged(recipe, f"{drop_unset(arguments.given)} {arguments.assignments}")
    if status := _dvc("repro", *([arguments.stage] if arguments.stage else [])):
        return status
    remove_journals(find_scratch() / "convert")
    if arguments.stage in TRAINED:
        remove_states(find_scratch() / "train")
    if arguments.stage not in ("", "register"):
        return 0
    if status := _ensure_registered():
        return status
    print(make_summary(read_json(METRICS), read_json(REGISTRATION)))  # noqa: T201
    return 0


def _prepare_checkout(root: Path) -> None:
    """Let DVC work where git cannot be used; refuse a checkout that is read-only.

    DVC does not start outside a git repository, and ends with an error, when all stages are done, in one that git does
    not read. The setting is for the DVC that this process starts, in the place of the configuration of the host:
    nothing is left to undo.

    Raises:
        LandscribeError: it cannot be written to.
    """
    if not can_write(root):
        raise LandscribeError(explain_read_only(root))
    if reason := _find_git_fault(root):
        folder = tempfile.mkdtemp(prefix="landscribe-dvc-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        (Path(folder) / "config").write_text("[core]\n    no_scm = true\n", encoding="utf-8")
        os.environ["DVC_SYSTEM_CONFIG_DIR"] = folder
        make_logger("repro").warning("%s %s: DVC runs without git", root, reason)


def _find_git_fault(root: Path) -> str:
    """Return why git cannot be used in a folder, in words that follow its name; empty where it can."""
    if not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return "is not a git repository"
    try:
        words, environment = ["git", "rev-parse", "--git-dir"], os.environ | {"LC_ALL": "C"}
        asked = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, check=False)
    except OSError:  # DVC brings its own git
        return ""
    return "is owned by another user, so git does not read it" if "dubious ownership" in asked.stderr else ""


def _dvc(*words: str) -> int:
    """Run DVC and return an exit status; on Ctrl-C the stage, which receives it too, ends in good order."""
    interrupted = False
    with subprocess.Popen([str(_DVC), *words]) as dvc:
        while True:
            try:
                status = dvc.wait()
                if not status:
                    return 0
                return INTERRUPTED if interrupted or status == INTERRUPTED else FAILED  # DVC says 255
            except KeyboardInterrupt:
                interrupted = True


def _ensure_registered() -> int:
    """Register again when the store has lost, or never had, the version or the runs that DVC believes done."""
    from landscribe.registry.registration import is_registered
    from landscribe.tracking.answering import expect_answer
    from landscribe.tracking.runs import find_run, read_run_record
    from landscribe.tracking.studies import is_whole

    with expect_answer("it is not known whether the MLflow store holds the model and its runs"):
        if is_registered(read_json(REGISTRATION)) and find_run(read_run_record(RUN)["run_id"]) and is_whole(SEARCH):
            return 0
    return _dvc("repro", "--quiet", "--force", "--single-item", "register")


def make_summary(metrics: dict[str, Any], registration: dict[str, Any]) -> str:
    """Return the closing table as text."""
    name, version = registration["model_name"], registration["version"]
    size = f"{metrics['test_num_patches']} patches, {metrics['test_num_classes_scored']} classes scored"
    rows = [(text, f"{metrics[key]:.4f}") for key, text in SHOWN.items()]
    lines = [
        "",
        f"Test split: {size}",
        *format_table(("metric", "value"), rows),
        f"Registered: {name} version {version} (alias challenger)",
        "",
        "  make ui                                  compare runs, see the registry, in the browser",
        "  .venv/bin/landscribe promote             make it the champion",
        f"  .venv/bin/landscribe predict PATH --model models:/{name}@champion --out labels.csv",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    run_or_exit(main)
