"""The project keeps its own promises: deps, params, entry points, imports of the stages, paths."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from landscribe.runtime.code_digest import Code, list_stage_modules
from tests.support.paths import ROOT

DVC: dict[str, Any] = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
PROJECT: dict[str, Any] = YAML(typ="safe").load(ROOT / "MLproject")["entry_points"]
WITHOUT_TENSORFLOW = ("fingerprint", "discover", "split", "convert", "draw", "evaluate", "register")


@pytest.mark.parametrize("stage", DVC)
def test_the_code_of_a_stage_is_one_dependency(stage: str) -> None:
    deps = DVC[stage].get("deps", [])
    code = [dep for dep in deps if dep.startswith("data/code/")]
    assert code == ([] if stage == "fingerprint" else [f"data/code/{stage}.json"])
    assert not [dep for dep in deps if dep.endswith(".py")]


@pytest.mark.parametrize("stage", ["convert", "search", "train"])
def test_no_picture_can_make_a_long_stage_run_again(stage: str) -> None:
    code = Code({"landscribe": ROOT / "src/landscribe", "stages": ROOT / "stages"})
    assert not [name for name in list_stage_modules(code, stage) if name.startswith("landscribe.figures")]


@pytest.mark.parametrize("stage", DVC)
def test_params_are_the_sections_that_the_stage_reads(stage: str) -> None:
    source = (ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8")
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    read = [call.args[1] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "parse_section"]
    names = {argument.value for argument in read if isinstance(argument, ast.Constant)}
    assert names - {"machine"} == set(DVC[stage].get("params", []))


@pytest.mark.parametrize("stage", DVC)
def test_every_file_of_a_stage_is_produced_by_one_upstream(stage: str) -> None:
    made = {path for other in DVC.values() for path in list_outputs(other)}
    assert set(DVC[stage].get("deps", [])) <= made


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


def test_light_stages_do_not_import_tensorflow() -> None:
    # One process for all of them: the first that imports it is named.
    code = "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(f'stages.{name}')\n"
    code += "    if 'tensorflow' in sys.modules or 'keras' in sys.modules: sys.exit(name)"
    subprocess.run([sys.executable, "-c", code, *WITHOUT_TENSORFLOW], cwd=ROOT, check=True)


def test_the_pipeline_stays_readable() -> None:
    assert len((ROOT / "dvc.yaml").read_text(encoding="utf-8").splitlines()) <= 220


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
