"""Which code can change a result: a digest over the modules that an entry reaches, as syntax trees.

The one answer to that question: the stages of DVC, the journal of a conversion, the snapshot of a training, the name
of a study and the check of a cluster's workers all ask here, each for its own entry. The digest does not see

- comments, docstrings and layout: a syntax tree has none, or they are taken out;
- observers (`observers.OBSERVERS`), what is reached through them alone, and statements that only call one;
- the words of an error that is raised: whether and where it is raised is seen;
- `__init__` of a package: it holds a docstring and the names that the package exports lazily.

It is the same for every version of Python that the project supports.
"""

import ast
import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from landscribe.core.files import compute_digest, write_json
from landscribe.runtime.observers import OBSERVERS

_PACKAGE = Path(__file__).parents[1]
_PACKAGES = {_PACKAGE.name: _PACKAGE, "stages": Path("stages")}
_NO_STAGES = ("__init__", "paths", "fingerprint")  # fingerprint always runs; the two others are part of each stage
# What a stage runs by another way than an import: MLflow stores the served model as a file, and a trial is a process.
_ALSO_RUN = {"search": ("landscribe.search.trial",), "register": ("landscribe.registry.served_model",)}


@dataclass(frozen=True)
class _Module:
    """What counts of a module.

    Attributes:
        digest: of its syntax tree.
        imports: names of ours that it imports, at its top or within a function; observers aside.
    """

    digest: str
    imports: tuple[str, ...]


class Code:
    """The modules of some packages, each read once.

    Args:
        packages: name of a package -> its folder.
        observers: names of modules that do not count.
    """

    def __init__(self, packages: Mapping[str, Path], observers: Iterable[str] = OBSERVERS) -> None:
        self._packages, self._observers = packages, frozenset(observers)
        self._modules: dict[str, _Module] = {}

    def read_all(self) -> None:
        """Read every module now: what is edited later is not seen."""
        for name, folder in self._packages.items():
            for path in folder.rglob("*.py"):
                self._read(".".join((name, *path.relative_to(folder).with_suffix("").parts)))

    def list_reached(self, *entries: str) -> dict[str, str]:
        """Return module -> digest for the entries and all that they reach, sorted by name.

        Args:
            entries: dotted names of modules; one that is not of these packages counts nothing.
        """
        reached: dict[str, str] = {}
        waiting = list(entries)
        while waiting:
            name = waiting.pop()
            if name in reached or name in self._observers or self._find(name) is None:
                continue
            module = self._read(name)
            reached[name] = module.digest
            waiting += module.imports
        return dict(sorted(reached.items()))

    def compute_digest(self, *entries: str) -> str:
        """Return the digest of the entries and all that they reach."""
        return compute_digest(*(f"{name} {digest}" for name, digest in self.list_reached(*entries).items()))

    def _find(self, name: str) -> Path | None:
        """Return the file of a module; None for a package, and for what is not of these packages."""
        first, *rest = name.split(".")
        if first not in self._packages or not rest:
            return None
        path = self._packages[first].joinpath(*rest).with_suffix(".py")
        return path if path.is_file() else None

    def _read(self, name: str) -> _Module:
        if name not in self._modules:
            path = self._find(name)
            tree = ast.parse(path.read_bytes() if path else b"")
            named = dict(_iter_imports(tree))
            ours = {local: self._resolve(full) for local, full in named.items()}
            watched = {local for local, module in ours.items() if module in self._observers} - set(_iter_assigned(tree))
            imports = sorted({module for module in ours.values() if module} - self._observers)
            self._modules[name] = _Module(compute_digest(*_spell(tree, watched)), tuple(imports))
        return self._modules[name]

    def _resolve(self, full: str) -> str | None:
        """Return the module that an imported name is, or is from; None where it is not of these packages."""
        return next((name for name in (full, full.rpartition(".")[0]) if self._find(name)), None)


def compute_code_digest(*entries: str) -> str:
    """Return the digest of the code that modules of this project reach, as it was when it was first asked for."""
    return _read_own_code().compute_digest(*entries)


def freeze_code() -> None:
    """Read all modules of this project now, for a process that lives on while its files are edited."""
    _read_own_code().read_all()


def write_code_digests(folder: Path) -> None:
    """Write `<stage>.json` for every stage: the digest, and that of each module, to see which one has changed."""
    for script in sorted(_PACKAGES["stages"].glob("*.py")):
        if script.stem not in _NO_STAGES:
            modules = list_stage_modules(_read_own_code(), script.stem)
            digest = compute_digest(*(f"{name} {found}" for name, found in modules.items()))
            write_json(folder / f"{script.stem}.json", {"digest": digest, "modules": modules})


def list_stage_modules(code: Code, stage: str) -> dict[str, str]:
    """Return module -> digest for all that a stage runs."""
    return code.list_reached(f"stages.{stage}", "stages.paths", *_ALSO_RUN.get(stage, ()))


@functools.cache
def _read_own_code() -> Code:
    return Code(_PACKAGES)


def _iter_imports(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (name in the module, dotted name) of whatever is imported, but for type checkers alone."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from ((alias.asname or alias.name, f"{module}.{alias.name}") for alias in names)
            case ast.Import(names=names):
                yield from ((alias.asname or alias.name, alias.name) for alias in names)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                continue
            case _:
                yield from _iter_imports(child)


def _iter_assigned(tree: ast.AST) -> Iterator[str]:
    """Yield the names that a module gives to something of its own."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name


def _spell(node: object, watched: set[str], in_raise: bool = False) -> Iterator[str]:
    """Yield the words of a syntax tree: what is the same for every version of Python and changes what the code does.

    Args:
        node: a node, a list of them or a plain value.
        watched: local names that are imported from observers.
        in_raise: within a `raise`, where texts are words for people.
    """
    if isinstance(node, ast.AST):
        if (in_raise and _is_text(node)) or _is_aside(node, watched):
            return
        yield f"{type(node).__name__}("
        for field, value in ast.iter_fields(node):
            if value is not None and value != [] and field not in ("ctx", "kind", "type_comment"):
                yield f"{field}="
                yield from _spell(value, watched, in_raise or isinstance(node, ast.Raise))
        yield ")"
    elif isinstance(node, list):
        for item in node:
            yield from _spell(item, watched, in_raise)
    else:
        yield repr(node)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _is_aside(node: ast.AST, watched: set[str]) -> bool:
    """Return whether a node changes nothing: a docstring, import or call of an observer, what type checkers read."""
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.ImportFrom(names=names):
            return all((alias.asname or alias.name) in watched for alias in names)
        case ast.Expr(value=value):
            # Whatever else the statement calls, within an argument, may write an output.
            calls = {_find_root(child) for child in ast.walk(value) if isinstance(child, ast.Call)}
            return _is_text(value) or bool(calls and calls <= watched)
    return False


def _find_root(node: ast.AST) -> str | None:
    """Return the name that a chain of calls and attributes begins with: `make_logger` of `make_logger("x").info(y)`."""
    match node:
        case ast.Call(func=inner) | ast.Attribute(value=inner):
            return _find_root(inner)
        case ast.Name(id=name):
            return name
    return None
