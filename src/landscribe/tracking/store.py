"""The store of runs and models: `MLFLOW_TRACKING_URI`, else SQLite and a folder at the repository's root.

MLflow's own default depends on the current folder of the first process, so that runs would be lost in other folders.
"""

import contextlib
import logging
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

import mlflow

from landscribe.core.errors import RegistryError
from landscribe.core.params import find_repository, find_scratch
from landscribe.runtime.lock import hold_lock
from landscribe.tracking import outage
from landscribe.tracking.answering import expect_answer

EXPERIMENT = "landscribe"
_KIND = {"mlflow.experimentKind": "custom_model_development"}  # the pages of runs, not those of traces, come first
_SQLITE = "sqlite:///"
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
    uri = _point_at_store()
    with _expect_store():
        _check_file(uri)
        with hold_lock(find_scratch() / "locks" / "mlflow.lock", "", wait=True):
            return outage.patiently(_open_experiment, uri)


def open_store_to_read() -> None:
    """Point MLflow at a store that is there, for whoever only reads: no lock is taken, nothing is made or written.

    Raises:
        StoreDownError: the store does not answer for two minutes.
        RegistryError: nothing is registered there yet, it cannot be used, or does not let this user in.
    """
    uri = _point_at_store()
    with _expect_store():
        is_filled = outage.patiently(_is_filled, uri)
    if not is_filled:
        raise RegistryError(
            f"MLflow store {outage.find_address()}: nothing is registered here yet. Run make repro first, or name"
            " another store in MLFLOW_TRACKING_URI."
        )


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


def _check_file(uri: str) -> None:
    """Raise at once what is wrong with the file of an SQLite database: MLflow tries a broken one for 100 s."""
    if uri.startswith(_SQLITE):
        try:
            _is_filled(uri)
        except sqlite3.Error as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:  # that one is waited for
                raise


def _is_filled(uri: str) -> bool:
    """Return whether the store has the experiment, the last that a new one receives.

    An SQLite database is asked directly: MLflow makes the tables that a database lacks, also when another process is
    about to make them.
    """
    if not uri.startswith(_SQLITE):
        return mlflow.get_experiment_by_name(EXPERIMENT) is not None
    path = uri.removeprefix(_SQLITE).partition("?")[0]
    if not Path(path).exists():
        return False
    with contextlib.closing(sqlite3.connect(f"file:{quote(path)}?mode=rw", uri=True)) as database:
        tables = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchall()
        wanted = "SELECT 1 FROM experiments WHERE name = ?"
        return bool(tables) and bool(database.execute(wanted, [EXPERIMENT]).fetchall())


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
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}mlflow.db"
    relative = uri.removeprefix(_SQLITE)
    if uri.startswith(_SQLITE) and not relative.startswith("/"):
        return f"{_SQLITE}{root / relative}"
    return uri
