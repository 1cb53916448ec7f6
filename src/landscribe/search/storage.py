"""The storage of studies: `OPTUNA_STORAGE`, as for Optuna's own command line, else SQLite in the scratch folder."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage

from landscribe.core.errors import SearchError
from landscribe.core.params import find_repository, find_scratch
from landscribe.search.study_locks import FileLocks, PostgresLocks

_WAIT_S = 60  # of a process for others that write to the same SQLite file


def find_url() -> sqlalchemy.URL:
    """Return the address of the studies; a relative SQLite path starts from the repository, as every path does.

    Raises:
        SearchError: it is not the address of a database that can store a study.
    """
    text = os.environ.get("OPTUNA_STORAGE") or f"sqlite:///{find_scratch().absolute() / 'search/studies.db'}"
    try:
        url = sqlalchemy.make_url(text)
    except sqlalchemy.exc.ArgumentError:
        raise _refuse("no address at all") from None  # it may hold a password
    if url.get_backend_name() == "postgresql":
        return url
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise _refuse(repr(url))
    return url.set(database=str(find_repository().absolute() / url.database))


def _refuse(received: str) -> SearchError:
    return SearchError(
        f"OPTUNA_STORAGE: expected postgresql://USER:PASSWORD@HOST/DATABASE or sqlite:///FILE; received {received}."
    )


def open_storage(url: sqlalchemy.URL) -> RDBStorage:
    """Return Optuna's storage at an address; its tables are made when they are missing."""
    text = url.render_as_string(hide_password=False)
    if url.get_backend_name() == "postgresql":
        return RDBStorage(text, engine_kwargs={"pool_pre_ping": True})  # a server that was restarted is found again
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    return RDBStorage(text, engine_kwargs={"connect_args": {"timeout": _WAIT_S}})


def open_locks(url: sqlalchemy.URL, study_name: str) -> FileLocks | PostgresLocks:
    """Return the locks of a study at an address."""
    if url.get_backend_name() == "postgresql":
        return PostgresLocks(url.render_as_string(hide_password=False), study_name)
    return FileLocks(Path(f"{url.database}.locks") / study_name)


@contextlib.contextmanager
def explain_failures() -> Iterator[None]:
    """Turn a database that does not answer, and a driver that is missing, into one sentence.

    Raises:
        SearchError: one of the two.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if not str(error.name).startswith(("psycopg", "asyncpg", "pg8000")):
            raise
        raise SearchError(
            f"OPTUNA_STORAGE: the driver {error.name} is missing. Install landscribe[postgresql], which brings psycopg,"
            " and write postgresql://..."
        ) from error
    except (StorageInternalError, sqlalchemy.exc.SQLAlchemyError) as error:
        cause = error if isinstance(error, sqlalchemy.exc.SQLAlchemyError) else error.__cause__ or error
        reason = str(cause).splitlines()[0]
        raise SearchError(
            f"the study's database {find_url()!r} cannot be used: {reason} Check OPTUNA_STORAGE and the server, then"
            " run the same command again: finished trials are kept."
        ) from error
