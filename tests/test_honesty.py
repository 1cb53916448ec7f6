"""The project keeps its own promises: deps, params, entry points, imports, paths, sizes."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.closure import list_reached
from tests.support.paths import ROOT

DVC: dict[str, Any] = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
PROJECT: dict[str, Any] = YAML(typ="safe").load(ROOT / "MLproject")["entry_points"]
WITHOUT_TENSORFLOW = ("fingerprint", "discover", "split", "convert", "evaluate", "register")


@pytest.mark.parametrize("stage", DVC)
def test_deps_are_the_code_that_the_stage_reaches(stage: str) -> None:
    declared = [dep for dep in DVC[stage]["deps"] if dep.endswith(".py")]
    assert declared == list_reached(stage), "run `make deps`"


@pytest.mark.parametrize("stage", DVC)
def test_params_are_the_sections_that_the_stage_reads(stage: str) -> None:
    source = (ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8")
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    read = [call.args[1] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "parse_section"]
    names = {argument.value for argument in read if isinstance(argument, ast.Constant)}
    assert names == set(DVC[stage].get("params", []))


@pytest.mark.parametrize("stage", DVC)
def test_every_file_of_a_stage_is_produced_by_one_upstream(stage: str) -> None:
    made = {path for other in DVC.values() for path in list_outputs(other)}
    wanted = {dep for dep in DVC[stage]["deps"] if not dep.endswith(".py")}
    assert wanted <= made


@pytest.mark.parametrize("stage", DVC)
def test_outputs_stand_in_the_paths_of_the_stages(stage: str) -> None:
    source = (ROOT / "stages/paths.py").read_text(encoding="utf-8")
    known = set(re.findall(r'"([\w./]+)"', source))
    for path in list_outputs(DVC[stage]):
        assert any(path == name or path.startswith(f"{name}/") for name in known), path


@pytest.mark.parametrize("entry", PROJECT)
def test_every_parameter_reaches_its_command(entry: str) -> None:
    used = set(re.findall(r"\{(\w+)\}", PROJECT[entry]["command"]))
    assert used == set(PROJECT[entry].get("parameters", {}))


@pytest.mark.parametrize("stage", WITHOUT_TENSORFLOW)
def test_light_stages_do_not_import_tensorflow(stage: str) -> None:
    code = f"import sys, stages.{stage}; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_stages_and_files_stay_small() -> None:
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "stages").glob("*.py")]:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= (40 if path.parent.name == "stages" else 400), path


def test_plots_name_files_that_a_stage_writes() -> None:
    content = YAML(typ="safe").load(ROOT / "dvc.yaml")
    made = {path for stage in DVC.values() for path in list_outputs(stage)}
    for plot in content["plots"]:
        entry = plot if isinstance(plot, str) else next(iter(next(iter(plot.values()))["y"]))
        assert any(entry == path or entry.startswith(f"{path}/") for path in made), entry


def list_outputs(stage: dict[str, Any]) -> list[str]:
    """Return the outs and metrics of a stage."""
    items = [*stage.get("outs", []), *stage.get("metrics", [])]
    return [item if isinstance(item, str) else next(iter(item)) for item in items]


def test_no_path_of_a_machine_and_no_index_is_committed() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in tracked:
        path = ROOT / name
        if path.suffix in (".txt", ".toml", ".yaml", ".lock"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"--(extra-)?index[-]url|--find[-]links", text), name
            assert str(Path.home()) + "/" not in text, name
