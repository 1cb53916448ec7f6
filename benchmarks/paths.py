"""Paths of what a case needs and the project does not have: the environment names them."""

import os
from pathlib import Path

from landscribe.core.errors import ParamsError


def find_path(variable: str) -> Path:
    """Return the path that an environment variable names.

    Raises:
        ParamsError: it is not set, or there is nothing at the path.
    """
    path = Path(os.environ.get(variable, ""))
    if not os.environ.get(variable) or not path.exists():
        raise ParamsError(
            f"{variable}: expected the path of {'the weights' if variable == 'MOBILENET' else 'the data'}, as the"
            f" docstring of this case says; received '{path}'. Set the environment variable {variable}."
        )
    return path.resolve()
