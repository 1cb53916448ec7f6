"""One promotion at a time on this host."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from landscribe.core.files import compute_digest
from landscribe.runtime.lock import hold_lock
from landscribe.tracking.store import find_uri, open_store


@contextlib.contextmanager
def hold_store() -> Iterator[None]:
    """Open the store for one process of this host at a time; the others wait and print a line.

    The lock ends with its process, however that ends. It does not cover other hosts.

    Raises:
        RegistryError: the store cannot be reached.
    """
    open_store()
    with hold_lock(find_lock(find_uri()), "promotes or rolls back in this store", wait=True):
        yield


def find_lock(uri: str) -> Path:
    """Return the lock file that is the same for every checkout on this host.

    For an SQLite store it is next to the database: every process that can move an alias there can lock it.

    Args:
        uri: of the store, as `store.find_uri` gives it.
    """
    if uri.startswith("sqlite:///"):
        database = Path(uri.removeprefix("sqlite:///").partition("?")[0]).resolve()
        return database.with_name(f"{database.name}.promotion.lock")
    return Path(tempfile.gettempdir()) / f"landscribe-{os.getuid()}-{compute_digest(uri)}.lock"
