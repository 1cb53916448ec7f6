"""The commands that decide who is champion: their exit statuses, and one JSON object for whatever happens."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from landscribe.cli import command, decisions
from landscribe.core.errors import PromotionError, RegistryError
from landscribe.core.params import PARAMS_FILE
from landscribe.registry.champions import read_log
from landscribe.registry.comparison import Comparison, compare_on_test
from tests.support.challengers import Challenge
from tests.support.model_fixtures import make_plain_environment
from tests.support.paths import ROOT

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(10)

NAME = "decided"
# Quality of the newest challenger, the words of a command, its exit status and the champion after it.
STEPS: list[tuple[float, tuple[str, ...], int, str | None]] = [
    (0.3, ("rollback",), 1, None),
    (0.3, ("promote",), 0, "1"),
    (0.3, ("promote",), 1, "1"),  # it is champion already
    (0.2, ("promote",), 1, "1"),
    (0.2, ("promote", "--force", ""), 2, "1"),  # a reason is asked for
    (0.2, ("promote", "--force", "a better map"), 0, "2"),
    (0.2, ("history",), 0, "2"),
    (0.2, ("rollback",), 0, "1"),
    (0.2, ("rollback",), 1, "1"),
]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process and returns its exit status, stdout and stderr."""

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["landscribe", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            command.main()
        assert isinstance(left.value.code, int)
        return left.value.code, *capsys.readouterr()

    return call


@pytest.fixture
def challenge(store: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Challenge:
    """Challengers of the model that params.yaml names."""
    name = f"{NAME}-{len(request.node.name)}"
    params = (ROOT / PARAMS_FILE).read_text(encoding="utf-8")
    (store / PARAMS_FILE).write_text(params.replace("model_name: landscribe", f"model_name: {name}"), encoding="utf-8")
    return Challenge(name, tmp_path)


def decide(challenge: Challenge, run: Run, *more: str) -> list[tuple[int, str, str]]:
    """Return what each step says, after checks of its exit status and the champion."""
    said: list[tuple[int, str, str]] = []
    quality = None
    for now, words, status, champion in STEPS:
        if now != quality:
            challenge.register(now)
            quality = now
        said.append(run(*words, *more))
        assert said[-1][0] == status, words
        assert challenge.read_champion() == champion, words
        assert said[-1][2].count("error: ") == (status > 0), said[-1]
    return said


def test_a_text_says_what_was_decided(challenge: Challenge, run: Run) -> None:
    said = decide(challenge, run)
    assert all(err.count("\n") == (status > 0) for status, _, err in said)
    assert f"version 1 of {challenge.name} is champion (first champion)" in said[1][1]
    assert "test_macro_ap" in said[3][1]  # the table, also of a refusal
    assert said[3][2].startswith(f"error: version 2 of {challenge.name} is refused: it is not better")
    assert "forced: a better map" in said[6][1]
    assert "* version 2 is champion" in said[6][1]


def test_json_is_one_object_for_whatever_happens(challenge: Challenge, run: Run) -> None:
    said = decide(challenge, run, "--json")
    records = [json.loads(out, parse_constant=pytest.fail) for _, out, _ in said]
    verdicts = ["refused", "promoted", "refused", "refused", None, "forced", None, "rolled back", "refused"]
    assert [record.get("verdict") for record in records] == verdicts
    for (status, _, err), record in zip(said, records, strict=True):
        assert ("error" in record) == (status == 2)
        assert all(reason in err for reason in record.get("reasons", [])) or status == 0
        assert (status == 1) == (record.get("verdict") == "refused")
        assert bool(record.get("reasons")) or status != 1
    assert [rule["passed"] for rule in records[1]["rules"]] == [None, None]
    assert records[5]["force_reason"] == "a better map"
    log = read_log(challenge.name)
    assert records[6]["champion"] == "2"
    assert [entry["version"] for entry in records[6]["entries"]] == ["1", "2"]
    assert records[7]["entry"]["number"] == log[-1].number == 3


@pytest.mark.parametrize(
    ("error", "status", "record"),
    [
        (PromotionError("too late"), 1, {"verdict": "refused", "reasons": ["too late"]}),
        (RegistryError("no answer"), 2, {"error": "no answer"}),
        (PermissionError(13, "Permission denied", "a"), 2, {"error": "a cannot be written or read: Permission denied"}),
        (ZeroDivisionError("a defect"), 2, {"error": "ZeroDivisionError: a defect"}),
    ],
)
def test_an_error_is_a_record_too_and_only_a_defect_has_a_traceback(
    monkeypatch: pytest.MonkeyPatch, run: Run, error: Exception, status: int, record: dict[str, Any]
) -> None:
    def fail() -> decisions.Answer:
        sys.stdout.write("a library that prints\n")
        raise error

    monkeypatch.setattr(decisions, "_roll_back", fail)
    left, out, err = run("rollback", "--json")
    assert (left, json.loads(out)) == (status, record)
    assert "a library that prints" in err
    assert ("Traceback" in err) == isinstance(error, ZeroDivisionError)


def test_json_has_null_for_what_is_no_number(challenge: Challenge, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for quality in (0.3, 0.9):
        challenge.register(quality)
        if quality == 0.3:
            run("promote")

    def compare(*sides: Any) -> Comparison:
        found = compare_on_test(*sides)
        return replace(found, gain=replace(found.gain, low=float("nan")))

    monkeypatch.setattr("landscribe.registry.promotion.compare_on_test", compare)
    status, out, _ = run("promote", "--json")
    record = json.loads(out, parse_constant=pytest.fail)
    assert (status, record["comparison"]["gain"]["low"]) == (0, None)
    assert record["comparison"]["gain"]["value"] > 0


def test_decisions_import_no_tensorflow() -> None:
    code = (
        "import sys, landscribe.registry.promotion, landscribe.registry.rollback, landscribe.registry.history_table;"
        "sys.exit(bool({'tensorflow', 'keras', 'sklearn'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=make_plain_environment())
