"""The code that a stage really reaches, from its imports; `python -m tests.support.closure` writes it into dvc.yaml."""

import ast
from pathlib import Path

import grimp
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
GRAPH = grimp.build_graph("landscribe")


def list_reached(stage: str) -> list[str]:
    """Return the files that `stages/<stage>.py` executes, itself included, sorted, relative to the repository."""
    script = ROOT / "stages" / f"{stage}.py"
    direct = set()
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("landscribe"):
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                direct.add(inner if inner in GRAPH.modules else node.module)
    modules = set(direct)
    for module in direct:
        modules |= GRAPH.find_upstream_modules(module)
    for module in list(modules):  # importing a.b.c runs a and a.b first
        parts = module.split(".")
        modules |= {".".join(parts[:count]) for count in range(1, len(parts))}
    if "landscribe.registry.registration" in modules:  # named by its path: MLflow stores the file
        modules.add("landscribe.registry.served_model")
    files = {_find(module) for module in modules} | {script, ROOT / "stages/paths.py", ROOT / "stages/__init__.py"}
    return sorted(path.relative_to(ROOT).as_posix() for path in files)


def _find(module: str) -> Path:
    base = ROOT / "src" / Path(*module.split("."))
    return base.with_suffix(".py") if base.with_suffix(".py").exists() else base / "__init__.py"


def main() -> None:
    """Rewrite the code among the deps of every stage in dvc.yaml; the data among them is kept."""
    yaml = YAML()
    yaml.width = 120
    path = ROOT / "dvc.yaml"
    content = yaml.load(path)
    for name, stage in content["stages"].items():
        data = [dep for dep in stage.get("deps", []) if not dep.endswith(".py")]
        stage["deps"] = [*list_reached(name), *data]
    yaml.dump(content, path)


if __name__ == "__main__":
    main()
