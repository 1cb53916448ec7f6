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

from landscribe.params import find_repository, find_scratch

EXPERIMENT = "landscribe"


def open_store() -> str:
    """Point MLflow at the store, make the experiment when it is missing, and return the experiment's id.

    Several processes on a database that does not exist yet break it for good; a lock lets one of them create it.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)  # no pip in a venv made by uv: no harm
    root = find_repository().resolve()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    with _locked(find_scratch() / "locks" / "mlflow.lock"):
        experiment = mlflow.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            local = uri.startswith("sqlite:")
            location = (root / "mlartifacts").as_uri() if local else None
            mlflow.create_experiment(EXPERIMENT, artifact_location=location)
        active = mlflow.set_experiment(EXPERIMENT)
    identifier: str = active.experiment_id
    return identifier


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
