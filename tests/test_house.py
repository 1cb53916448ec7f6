"""The tree follows the data flow: packages only, in one order, without a cycle, each with a small front."""

import ast
import importlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import grimp
import pytest

from landscribe.cli.sections import SECTIONS
from landscribe.core.params import read_params
from landscribe.runtime.observers import OBSERVERS
from tests.support.paths import ROOT

SRC = ROOT / "src/landscribe"
PACKAGES = sorted(path.name for path in SRC.iterdir() if path.is_dir() and path.name != "__pycache__")
FILES = sorted([*SRC.rglob("*.py"), *(ROOT / "stages").glob("*.py")])
MAX_FILE, MAX_STAGE, MAX_FUNCTION, MAX_OBSERVERS = 400, 40, 45, 25


def parse(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def is_module(name: str) -> bool:
    """Return whether a dotted name is a module or a package of ours."""
    base = ROOT / "src" / Path(*name.split("."))
    return base.is_dir() or base.with_suffix(".py").is_file()


def test_only_packages_lie_in_the_root() -> None:
    loose = {path.name for path in SRC.iterdir() if path.name not in {*PACKAGES, "__pycache__"}}
    assert loose <= {"__init__.py", "__main__.py", "py.typed"}
    assert all((SRC / name / "__init__.py").is_file() for name in PACKAGES)


def test_the_contract_lists_every_package() -> None:
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = [item["layers"] for item in content["tool"]["importlinter"]["contracts"] if item["type"] == "layers"]
    assert sorted(layers) == PACKAGES


def test_no_two_packages_import_each_other() -> None:
    graph = grimp.build_graph("landscribe", cache_dir=None)
    for name in PACKAGES:
        graph.squash_module(f"landscribe.{name}")
    names = [f"landscribe.{name}" for name in PACKAGES]
    assert not [pair for pair in permutations(names, 2) if all(graph.chain_exists(*way) for way in (pair, pair[::-1]))]


@pytest.mark.parametrize("name", PACKAGES)
def test_the_front_of_a_package_is_words_defaults_and_names_that_exist(name: str) -> None:
    tree = parse(SRC / name / "__init__.py")
    assert ast.get_docstring(tree)
    for node in tree.body[1:]:
        text = ast.unparse(node)
        assert text.startswith(("import ", "os.environ.setdefault(")) or "lazy_loader.attach(" in text, text
    package = importlib.import_module(f"landscribe.{name}")
    assert package.__all__
    for exported in package.__all__:
        assert getattr(package, exported) is not None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_small_and_imports_from_where_a_name_is_defined(path: Path) -> None:
    tree = parse(path)
    most = MAX_STAGE if path.parent.name == "stages" else MAX_FILE
    assert len(path.read_text(encoding="utf-8").splitlines()) <= most
    assert not {name: lines for name, lines in iter_lengths(tree) if lines > MAX_FUNCTION}
    fronts = [f"landscribe.{name}" for name in PACKAGES]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in fronts:
            for alias in node.names:
                assert is_module(f"{node.module}.{alias.name}"), f"name the module that defines {alias.name}"


def iter_lengths(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield name and number of lines of every function, docstring apart."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            words = node.body[0] if ast.get_docstring(node) else None
            without = (words.end_lineno or 0) - words.lineno + 1 if words else 0
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - without


def test_observers_are_few_and_each_has_its_reason() -> None:
    assert len(OBSERVERS) <= MAX_OBSERVERS
    for name, reason in OBSERVERS.items():
        assert is_module(name), name
        assert reason


def test_every_section_has_its_model_in_the_config_of_a_package() -> None:
    params: dict[str, Any] = read_params(ROOT / "params.yaml")
    assert list(params) == list(SECTIONS)
    for model in SECTIONS.values():
        assert model.__module__.removeprefix("landscribe.").removesuffix(".config") in PACKAGES


def test_sections_are_read_without_what_takes_seconds() -> None:
    modules = sorted({model.__module__ for model in SECTIONS.values()})
    code = "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\n"
    code += "    if slow := {'pandas', 'tensorflow', 'keras', 'mlflow'} & set(sys.modules): sys.exit(f'{name}: {slow}')"
    subprocess.run([sys.executable, "-c", code, *modules], cwd=ROOT, check=True)
