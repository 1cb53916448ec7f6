"""The store of runs and models: `MLFLOW_TRACKING_URI`, else SQLite and a folder at the repository's root.

MLflow's own default depends on the current folder of the first process, so that runs would be lost in other folders.
"""

import contextlib
import logging
import os
import shlex
import sqlite3
import sys
from pathlib import Path

import mlflow
from mlflow import MlflowClient

from landscribe.core.errors import RegistryError
from landscribe.core.files import can_write, explain_read_only
from landscribe.core.params import find_repository
from landscribe.runtime.lock import hold_lock
from landscribe.tracking import outage, relocation
from landscribe.tracking.answering import expect_answer
from landscribe.tracking.relocation import SQLITE

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

    Several processes on a database that does not exist yet break it for good; a lock lets one of them create it. A
    store that was copied, renamed or mounted with its checkout is moved along first.

    Raises:
        StoreDownError: the store does not answer for two minutes.
        RegistryError: it cannot be used or written to, does not let this user in, or its experiment was deleted.
    """
    uri, root = _point_at_store(), find_repository().resolve()
    database = relocation.find_database(uri)
    _check_writable(database, root)
    with _expect_store():
        _check_file(uri)
        with hold_lock(relocation.find_lock(), "", wait=True):
            if database:
                relocation.move_along(database, root)
            return outage.patiently(_open_experiment, uri)


def open_store_to_read() -> None:
    """Point MLflow at a store that is there, for whoever only reads: no lock is taken, nothing is made or written.

    But for one that was copied, renamed or mounted with its checkout: it is moved along. One that cannot be written to
    is read from a temporary copy.

    Raises:
        StoreDownError: the store does not answer for two minutes.
        RegistryError: nothing is registered there yet, it cannot be used, or does not let this user in.
    """
    uri, root = _point_at_store(), find_repository().resolve()
    database = relocation.find_database(uri)
    with _expect_store():
        is_filled = outage.patiently(_is_filled, uri)
    if not is_filled:
        raise RegistryError(
            f"MLflow store {outage.find_address()}: nothing is registered here yet. Run make repro first, or name"
            " another store in MLFLOW_TRACKING_URI."
        )
    if database:
        with _expect_store():
            readable = relocation.prepare_to_read(database, root)
        if readable != database:
            mlflow.set_tracking_uri(f"{SQLITE}{readable}")


def _point_at_store() -> str:
    """Point MLflow at the store, quieten its loggers and return the store's address."""
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)
    uri = find_uri()
    mlflow.set_tracking_uri(uri)
    return uri


def _expect_store() -> contextlib.AbstractContextManager[None]:
    remedy = "Check MLFLOW_TRACKING_URI, or unset it to use mlflow.db in the repository."
    return expect_answer(f"MLflow store {outage.find_address()} cannot be used", remedy)


def _check_writable(database: Path | None, root: Path) -> None:
    """Raise `RegistryError` unless an SQLite store, and the lock of the checkout, can be written to."""
    if database and not database.is_relative_to(root) and not relocation.is_writable(database):
        raise RegistryError(
            f"{database} cannot be written to; expected an MLflow store that this user may write to. Ask its owner for"
            " the permission, or unset MLFLOW_TRACKING_URI to use mlflow.db in the repository."
        )
    if not can_write(relocation.find_lock()) or (database and not relocation.is_writable(database)):
        raise RegistryError(explain_read_only(root))


def _check_file(uri: str) -> None:
    """Raise at once what is wrong with the file of an SQLite database: MLflow tries a broken one for 100 s."""
    if uri.startswith(SQLITE):
        try:
            _is_filled(uri)
        except sqlite3.Error as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:  # that one is waited for
                raise


def _is_filled(uri: str) -> bool:
    """Return whether the store has the experiment, the last that a new one receives, or has lost it to `mlflow gc`.

    An SQLite database is asked directly: MLflow makes the tables that a database lacks, also when another process is
    about to make them.
    """
    database = relocation.find_database(uri)
    if database is None:
        known = mlflow.get_experiment_by_name(EXPERIMENT)
        return known is not None or bool(MlflowClient().search_registered_models(max_results=1))
    if not database.exists():
        return False
    with contextlib.closing(relocation.connect(database)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        if not {"experiments", "registered_models"} <= tables:
            return False
        wanted = "SELECT 1 FROM experiments WHERE name = ? UNION SELECT 1 FROM registered_models"
        return bool(connection.execute(wanted, [EXPERIMENT]).fetchall())


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
    store = f"MLFLOW_TRACKING_URI={shlex.quote(uri)} " if uri.startswith(SQLITE) else ""
    command = shlex.quote(str(Path(sys.executable).with_name("mlflow")))
    return f"{store}{command} experiments restore --experiment-id {experiment_id}"


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
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{relocation.DATABASE}"
    relative = uri.removeprefix(SQLITE)
    if uri.startswith(SQLITE) and not relative.startswith("/"):
        return f"{SQLITE}{root / relative}"
    return uri
