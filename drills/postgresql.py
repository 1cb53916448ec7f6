"""A PostgreSQL server of its own, for as long as a block lasts; it refuses to run as root, so another user runs it."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from landscribe.core.errors import LandscribeError

_UNPRIVILEGED = ("postgres", "nobody")


@contextlib.contextmanager
def run_postgresql(databases: list[str]) -> Iterator[str]:
    """Yield the address of a server, without the name of a database, that has these databases.

    Its data lie in a folder of their own: those of pytest are their owner's alone.

    Raises:
        LandscribeError: PostgreSQL is not installed.
    """
    programs, user = find_programs(), find_user()
    with tempfile.TemporaryDirectory(prefix="postgresql-") as name:
        if user:
            shutil.chown(name, user)
        yield from _serve(Path(name), programs, user, databases)


def _serve(data: Path, programs: Path, user: str | None, databases: list[str]) -> Iterator[str]:
    """Yield the address of a server whose data lie in an empty folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def call(program: str, *words: str) -> None:
        done = subprocess.run(
            [str(programs / program), *words], user=user, cwd=data, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    call("initdb", "--pgdata=.", "--username=landscribe", "--auth=trust", "--no-sync")
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"
    call("pg_ctl", "start", "--pgdata=.", "--wait", "--timeout=120", "--log=log", f"--options={options}")
    try:
        for name in databases:
            call("createdb", "--host=127.0.0.1", f"--port={port}", "--username=landscribe", name)
        yield f"postgresql://landscribe@127.0.0.1:{port}"
    finally:
        call("pg_ctl", "stop", "--pgdata=.", "--mode=immediate")


def find_programs() -> Path:
    """Return the folder of initdb and pg_ctl, of the newest version; Debian does not put it on the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if not found and (there := shutil.which("initdb")):
        found = [Path(there)]
    if not found:
        raise LandscribeError("PostgreSQL is not installed; install the package postgresql.")
    return found[-1].parent


def find_user() -> str | None:
    """Return a user without privileges to run the server as; None: this one."""
    if os.getuid():
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in _UNPRIVILEGED if name in known)
