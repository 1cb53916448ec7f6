"""Reading `params.yaml`: strict sections, one clear sentence for a mistake.

Each section is a frozen pydantic model in the package that uses it. YAML is read as DVC reads it (ruamel, YAML 1.2):
PyYAML reads `1e-5` as a string.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from landscribe.core.errors import ParamsError, did_you_mean

PARAMS_FILE = Path("params.yaml")


class Section(BaseModel):
    """Base of the section models: frozen, strict, unknown keys forbidden, no default that changes a result."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


SectionT = TypeVar("SectionT", bound=Section)


def find_repository() -> Path:
    """Return the folder that relative paths of `params.yaml` start from.

    DVC_ROOT names the real repository even inside `dvc exp run --temp`; else the nearest folder with a `dvc.yaml`.
    """
    if root := os.environ.get("DVC_ROOT"):
        return Path(root)
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "dvc.yaml").exists()), here)


def expand_path(name: str) -> Path:
    """Return the path of a command line; `~` at its start is the user's home folder, if there is such a user."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def resolve_path(name: str) -> Path:
    """Return a path of `params.yaml`: a relative one starts from the repository, `~` is the user's home folder."""
    return find_repository() / expand_path(name)


def find_scratch() -> Path:
    """Return the folder for resumable work, outside every DVC output: DVC deletes those before a stage runs."""
    return find_repository() / ".landscribe"


def read_params(path: Path = PARAMS_FILE) -> dict[str, Any]:
    """Return the sections of a params file as plain dicts.

    Raises:
        ParamsError: the file is absent, not YAML or not a mapping of sections.
    """
    try:
        content = YAML(typ="safe").load(path)
    except FileNotFoundError as error:
        raise ParamsError(f"{path}: expected a file of parameters; it does not exist.") from error
    except OSError as error:
        raise ParamsError(f"{path}: expected a file of parameters; it cannot be read: {error.strerror}.") from error
    except (YAMLError, ValueError, RecursionError) as error:  # ValueError: an impossible date, e.g. 2017-13-45
        raise ParamsError(f"{path}: expected YAML; {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not all(isinstance(value, dict) for value in content.values()):
        raise ParamsError(f"{path}: expected a mapping of section -> key -> value.")
    return content


def parse_section(params: dict[str, Any], name: str, model: type[SectionT]) -> SectionT:
    """Return section `name` as a validated `model`.

    Raises:
        ParamsError: the section is missing, or a key is unknown, missing or has an impossible value.
    """
    if name not in params:
        keys = ", ".join(model.model_fields)
        raise ParamsError(f"params.yaml: section '{name}' is missing; expected it with {keys}.")
    try:
        return model.model_validate(params[name])
    except ValidationError as error:
        raise ParamsError("; ".join(_explain(name, model, item) for item in error.errors())) from error


def parse_options(options: Mapping[str, Any], model: type[SectionT]) -> SectionT:
    """Return options of the command line, by the names of their fields, as a validated `model`.

    Raises:
        ParamsError: an option has an impossible value.
    """
    try:
        return model.model_validate(options)
    except ValidationError as error:
        mistakes = [f"--{str(item['loc'][0]).replace('_', '-')}: {_explain_value(item)}" for item in error.errors()]
        raise ParamsError("; ".join(mistakes)) from error


def check_sections(params: dict[str, Any], models: dict[str, type[Section]]) -> None:
    """Raise `ParamsError` unless `params` has exactly the sections of `models`, each of them valid."""
    for name in params:
        if name not in models:
            raise ParamsError(f"params.yaml: unknown section '{name}'.{did_you_mean(str(name), models)}")
    for name, model in models.items():
        parse_section(params, name, model)


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested params as `section.key` -> value."""
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested params: the inverse of `flatten`."""
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, key = path.split(".")
        owner = nested
        for parent in parents:
            owner = owner.setdefault(parent, {})
        owner[key] = value
    return nested


def _explain(section: str, model: type[BaseModel], item: Any) -> str:
    """Return one sentence for one pydantic error."""
    *parents, key = [str(part) for part in item["loc"]] or [""]
    where = ".".join([section, *parents, key]).rstrip(".")
    owner = _owner(model, parents)
    if item["type"] == "extra_forbidden":
        known = list(owner.model_fields) if owner else []
        return f"params.yaml: unknown key {where}.{did_you_mean(key, known)} Known keys: {', '.join(known)}"
    if item["type"] == "missing":
        return f"params.yaml: {where} is missing; add it (the committed params.yaml shows a value and its unit)"
    return f"params.yaml: {where}: {_explain_value(item)}"


def _explain_value(item: Any) -> str:
    """Return what a pydantic error expected and received."""
    if item["type"] == "value_error":  # our own validators name the value themselves
        return str(item["msg"]).removeprefix("Value error, ")
    expected = re.sub("^Input should be (?=greater|less)", "expected a number ", item["msg"])
    return f"{expected.replace('Input should be', 'expected')}; received {item['input']!r}"


def _owner(model: type[BaseModel], parents: list[str]) -> type[BaseModel] | None:
    """Return the model that the last of `parents` names."""
    for part in parents:
        field = model.model_fields.get(part)
        if field is None:  # a key of a mapping
            continue
        found = _find_model(field.annotation)
        if found is None:
            return None
        model = found
    return model


def _find_model(annotation: object) -> type[BaseModel] | None:
    """Return the model that an annotation is, or contains."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _find_model(inner))), None)
