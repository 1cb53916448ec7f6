"""`search/best_params.yaml`: the values that the search passes to the stage `train`, as keys of its section."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from landscribe.core.files import replacing
from landscribe.core.params import flatten, nest


def write_best(values: Mapping[str, Any], path: Path) -> None:
    """Write values under dotted keys as nested YAML."""
    with replacing(path) as beside:
        YAML().dump(nest(values), beside)


def read_best(path: Path) -> dict[str, Any]:
    """Return what `write_best` wrote, under dotted keys."""
    return flatten(YAML(typ="safe").load(path))
