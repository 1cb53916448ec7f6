"""Where runs and models are kept: `MLFLOW_TRACKING_URI`, else SQLite and a folder at the repository's root.

MLflow's own default follows the current folder of whoever was first; a store that moves is a store that is lost.
"""

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from landscribe.errors import RegistryError
from landscribe.params import find_repository, find_scratch

EXPERIMENT = "landscribe"


def open_store() -> str:
    """Point MLflow at the store, make the experiment when it is missing, and return the experiment's id.

    Several processes on a database that does not exist yet break it for good; a lock lets one of them create it.

    Raises:
        RegistryError: the store cannot be reached.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)  # no pip in a venv made by uv: no harm
    uri = find_uri()
    mlflow.set_tracking_uri(uri)
    try:
        with _locked(find_scratch() / "locks" / "mlflow.lock"):
            if mlflow.get_experiment_by_name(EXPERIMENT) is None:
                # A server knows where artifacts go; beside a local database we say it.
                local = (find_repository().resolve() / "mlartifacts").as_uri()
                mlflow.create_experiment(EXPERIMENT, artifact_location=local if uri.startswith("sqlite:") else None)
            active = mlflow.set_experiment(EXPERIMENT)
    except MlflowException as error:
        raise RegistryError(
            f"MLflow store {uri} cannot be used: {str(error).splitlines()[0]} Check MLFLOW_TRACKING_URI, or unset it to"
            " use mlflow.db in the repository."
        ) from error
    identifier: str = active.experiment_id
    return identifier


def find_uri() -> str:
    """Return the store's address; a relative SQLite path starts from the repository, as every path does.

    Raises:
        RegistryError: outside a checkout, without MLFLOW_TRACKING_URI.
    """
    root = find_repository().resolve()
    if not os.environ.get("MLFLOW_TRACKING_URI") and not (root / "dvc.yaml").is_file():
        raise RegistryError(
            f"{root} is no checkout of this project, so there is no MLflow store beside it. Run this inside the"
            " checkout, or name the store in MLFLOW_TRACKING_URI."
        )
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    prefix, relative = "sqlite:///", uri.removeprefix("sqlite:///")
    if uri.startswith(prefix) and not relative.startswith("/"):
        return f"{prefix}{root / relative}"
    return uri


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
