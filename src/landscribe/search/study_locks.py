"""Locks that end with the process that holds them, however it ends: of a study, and of each trial under way.

A trial whose lock is free while its study calls it running was lost with its process. No clock is involved, so that a
process that computes for an hour without a sign of life keeps its trial, and one that is killed loses it at once.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy

from landscribe.core.files import compute_digest
from landscribe.runtime.lock import hold_lock, is_locked

STUDY = -1
"""The lock of the study itself, beside those of its trials 0, 1, ..."""

# A host that vanished without closing its connections is noticed after 60 s; PostgreSQL's own answer is two hours.
_KEEPALIVES = ("tcp_keepalives_idle = 30", "tcp_keepalives_interval = 10", "tcp_keepalives_count = 3")


class FileLocks:
    """Locks on files, for the processes of one host."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def hold(self, number: int) -> Iterator[None]:
        """Wait for a lock and hold it in the block."""
        with hold_lock(self._path(number), "", wait=True):
            yield

    def is_held(self, number: int) -> bool:
        """Return whether any process holds a lock."""
        return is_locked(self._path(number))

    def _path(self, number: int) -> Path:
        return self._folder / ("study" if number == STUDY else f"trial-{number}")


class PostgresLocks:
    """Advisory locks of a PostgreSQL session, for any number of hosts.

    https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
    """

    def __init__(self, url: str, study_name: str) -> None:
        # One connection throughout: the locks are its own, and end with it.
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool, isolation_level="AUTOCOMMIT")
        self._connection = engine.connect()
        for setting in _KEEPALIVES:
            self._connection.exec_driver_sql(f"SET {setting}")
        self._study = int(compute_digest(study_name)[:8], 16) - 2**31  # a lock's name is two signed numbers of 32 bits

    @contextlib.contextmanager
    def hold(self, number: int) -> Iterator[None]:
        """Wait for a lock and hold it in the block."""
        self._call("pg_advisory_lock", number)
        try:
            yield
        finally:
            self._call("pg_advisory_unlock", number)

    def is_held(self, number: int) -> bool:
        """Return whether another process holds a lock."""
        if not self._call("pg_try_advisory_lock", number):
            return True
        self._call("pg_advisory_unlock", number)
        return False

    def _call(self, function: str, number: int) -> object:
        call = sqlalchemy.text(f"SELECT {function}(:study, :number)")
        return self._connection.execute(call, {"study": self._study, "number": number}).scalar()
