"""Where runs and models are kept: `MLFLOW_TRACKING_URI`, else SQLite and a folder at the repository's root.

MLflow's own default follows the current folder of whoever was first; a store that moves is a store that is lost.
"""

import contextlib
import logging
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
from mlflow import MlflowClient

from landscribe.core.errors import RegistryError
from landscribe.core.files import can_write, explain_read_only
from landscribe.core.params import find_repository
from landscribe.runtime.lock import hold_lock
from landscribe.tracking import outage, relocation

EXPERIMENT = "landscribe"
_KIND = {"mlflow.experimentKind": "custom_model_development"}  # the pages of runs, not those of traces, come first
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
# Logger -> the least level that is shown.
_QUIET = {
    "alembic": logging.WARNING,
    "mlflow": logging.WARNING,
    "mlflow.utils.environment": logging.ERROR,  # no pip in a venv made by uv: no harm
    "mlflow.store.db.utils": logging.CRITICAL,  # the traceback of every error of a database, which is raised as well
    "urllib3.connectionpool": logging.ERROR,  # a warning a try; `outage` says once that a server does not answer
}


def open_store() -> str:
    """Point MLflow at the store, make the experiment when it is missing, and return the experiment's id.

    Several processes on a database that does not exist yet break it for good; a lock lets one of them create it. A
    store that was copied, renamed or mounted with its checkout is moved along first.

    Raises:
        StoreDownError: the store does not answer for two minutes.
        RegistryError: it cannot be used or written to, does not let this user in, or its experiment was deleted.
    """
    uri, root = _begin(), find_repository().resolve()
    database = relocation.find_database(uri)
    _check_writable(database, root)
    with _explaining(), hold_lock(relocation.find_lock(), "", wait=True):
        if database:
            relocation.move_along(database, root)
        return outage.patiently(_open_experiment, uri)


def open_store_to_read() -> None:
    """Point MLflow at the store for a reader: no lock is taken, nothing is made, no experiment is needed.

    A store that was copied, renamed or mounted with its checkout is moved along; one that cannot be written to is read
    from a temporary copy.

    Raises:
        StoreDownError: the store does not answer for two minutes.
        RegistryError: there is none yet, it cannot be used, or it does not let this user in.
    """
    uri, root = _begin(), find_repository().resolve()
    database = relocation.find_database(uri)
    if database and not database.is_file():
        raise RegistryError(
            f"{database}: expected the MLflow store of earlier runs; nothing is registered here yet. Run make repro."
        )
    with _explaining():
        if database and not (relocation.is_writable(database) and can_write(relocation.find_lock())):
            mlflow.set_tracking_uri(f"sqlite:///{relocation.copy_to_read(database, root)}")
        elif database and relocation.find_old_roots(database, root):
            with hold_lock(relocation.find_lock(), "", wait=True):
                relocation.move_along(database, root)
        outage.patiently(MlflowClient().search_registered_models, max_results=1)


def _begin() -> str:
    """Silence MLflow's own words, point it at the store and return the address."""
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)
    uri = find_uri()
    mlflow.set_tracking_uri(uri)
    return uri


def _check_writable(database: Path | None, root: Path) -> None:
    """Raise `RegistryError` unless an SQLite store, and the lock of the checkout, can be written to."""
    if database and not database.is_relative_to(root) and not relocation.is_writable(database):
        raise RegistryError(
            f"{database} cannot be written to; expected an MLflow store that this user may write to. Ask its owner for"
            " the permission, or unset MLFLOW_TRACKING_URI to use mlflow.db in the repository."
        )
    if not can_write(relocation.find_lock()) or (database and not relocation.is_writable(database)):
        raise RegistryError(explain_read_only(root))


@contextlib.contextmanager
def _explaining() -> Iterator[None]:
    """Turn whatever a store raises into a `RegistryError`: MLflow lets through the errors of a database's driver."""
    try:
        yield
    except RegistryError:
        raise
    except Exception as error:
        raise RegistryError(
            f"MLflow store {outage.find_address()} cannot be used: {(str(error).splitlines() or [repr(error)])[0]}"
            " Check MLFLOW_TRACKING_URI, or unset it to use mlflow.db in the repository."
        ) from error


def _open_experiment(uri: str) -> str:
    """Return the id of the experiment, which is made when it is missing."""
    found = mlflow.get_experiment_by_name(EXPERIMENT)
    if found is None:
        # A server knows where artifacts go; for a database alone MLflow would take the current folder.
        local = (find_repository().resolve() / relocation.ARTIFACTS).as_uri()
        where = local if uri.startswith(_DATABASES) else None
        mlflow.create_experiment(EXPERIMENT, artifact_location=where, tags=_KIND)
    elif found.lifecycle_stage == "deleted":
        raise RegistryError(
            f"experiment '{EXPERIMENT}' of {outage.find_address()} was deleted; expected one to log runs to. Restore it"
            f" and run the same command again: {_make_restore(uri, found.experiment_id)}"
        )
    return str(mlflow.set_experiment(EXPERIMENT).experiment_id)


def _make_restore(uri: str, experiment_id: str) -> str:
    """Return the shell command that brings a deleted experiment back.

    It names an SQLite store: a relative path would start from the current folder. The address of another store is in
    the environment, and may hold a password.
    """
    store = f"MLFLOW_TRACKING_URI={shlex.quote(uri)} " if uri.startswith("sqlite:") else ""
    mlflow_command = shlex.quote(str(Path(sys.executable).with_name("mlflow")))
    return f"{store}{mlflow_command} experiments restore --experiment-id {experiment_id}"


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
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{relocation.DATABASE}"
    prefix, relative = "sqlite:///", uri.removeprefix("sqlite:///")
    if uri.startswith(prefix) and not relative.startswith("/"):
        return f"{prefix}{root / relative}"
    return uri
