"""The store of runs and models: `MLFLOW_TRACKING_URI`, else SQLite and a folder at the repository's root.

MLflow's own default depends on the current folder of the first process, so that runs would be lost in other folders.
"""

import logging
import os

import mlflow

from landscribe.core.errors import RegistryError
from landscribe.core.params import find_repository, find_scratch
from landscribe.runtime.lock import hold_lock
from landscribe.tracking import outage

EXPERIMENT = "landscribe"
_KIND = {"mlflow.experimentKind": "custom_model_development"}  # the pages of runs, not those of traces, come first
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
# Logger -> the least level that is shown.
_QUIET = {
    "alembic": logging.WARNING,
    "mlflow": logging.WARNING,
    "mlflow.utils.environment": logging.ERROR,  # no pip in a venv made by uv: no harm
    "mlflow.store.db.utils": logging.CRITICAL,  # the traceback of every error of a database, which is raised as well
    "urllib3.connectionpool": logging.ERROR,  # a warning per try; `outage` reports once that a server does not answer
}


def open_store() -> str:
    """Point MLflow at the store, make the experiment when it is missing, and return the experiment's id.

    Several processes on a database that does not exist yet break it for good; a lock lets one of them create it.

    Raises:
        StoreDownError: the store does not answer for two minutes.
        RegistryError: it cannot be used, or does not let this user in.
    """
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)
    uri = find_uri()
    mlflow.set_tracking_uri(uri)
    try:
        with hold_lock(find_scratch() / "locks" / "mlflow.lock", "", wait=True):
            return outage.patiently(_open_experiment, uri)
    except RegistryError:
        raise
    except Exception as error:  # MLflow lets through whatever the driver of a database raises
        raise RegistryError(
            f"MLflow store {outage.find_address()} cannot be used: {(str(error).splitlines() or [repr(error)])[0]}"
            " Check MLFLOW_TRACKING_URI, or unset it to use mlflow.db in the repository."
        ) from error


def _open_experiment(uri: str) -> str:
    """Return the id of the experiment, which is made when it is missing."""
    if mlflow.get_experiment_by_name(EXPERIMENT) is None:
        # A server knows where artifacts go; for a database alone MLflow would take the current folder.
        local = (find_repository().resolve() / "mlartifacts").as_uri()
        where = local if uri.startswith(_DATABASES) else None
        mlflow.create_experiment(EXPERIMENT, artifact_location=where, tags=_KIND)
    return str(mlflow.set_experiment(EXPERIMENT).experiment_id)


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
