"""The workflow of docs/retraining.md: every command exists, and its job ends as the exit status says."""

import argparse
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from landscribe.cli.command import _make_parser
from tests.support.paths import ROOT

PAGE = (ROOT / "docs/retraining.md").read_text(encoding="utf-8")
WORKFLOW: dict[str, Any] = YAML(typ="safe").load(re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[0])
STEPS: list[dict[str, Any]] = WORKFLOW["jobs"]["retrain"]["steps"]
SCRIPTS = [step["run"] for step in STEPS if "run" in step]


def test_it_runs_on_a_schedule_and_by_hand_one_at_a_time() -> None:
    assert set(WORKFLOW["on"]) == {"schedule", "workflow_dispatch"}
    assert WORKFLOW["concurrency"]


def test_every_verb_of_make_and_every_file_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (words,) = [shlex.split(script) for script in SCRIPTS if script.startswith("make ")]
    verbs = [word for word in words[1:] if "=" not in word]
    assert verbs == ["repro"]
    assert all(re.search(rf"^{verb}:", makefile, re.MULTILINE) for verb in verbs)
    given = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    assert set(given) == {"GPU", "RECIPE", "SET"}
    assert (ROOT / given["RECIPE"]).is_file()


def test_every_command_is_one_of_landscribe() -> None:
    found = re.findall(r"\.venv/bin/landscribe ([^|>\n]*)", "\n".join(SCRIPTS))
    parsed = [_make_parser().parse_args(shlex.split(re.sub(r"\{|\}", "", words))) for words in found]
    assert len(parsed) >= 3
    assert all(isinstance(one, argparse.Namespace) and callable(one.run) for one in parsed)


@pytest.mark.parametrize(("status", "fails"), [(0, False), (1, False), (2, True), (130, True)])
def test_a_refusal_is_an_answer_and_anything_else_fails_the_job(tmp_path: Path, status: int, fails: bool) -> None:
    command = tmp_path / ".venv/bin/landscribe"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\necho "{{}}"\nexit {status}\n')
    command.chmod(0o755)
    (script,) = [step["run"] for step in STEPS if step.get("id") == "promote"]
    env = os.environ | {"GITHUB_OUTPUT": str(tmp_path / "output")}
    done = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=env, capture_output=True, check=False)
    assert (done.returncode != 0) == fails
    assert (tmp_path / "output").read_text() == f"status={status}\n"
    assert (tmp_path / "decision.json").read_text() == "{}\n"
