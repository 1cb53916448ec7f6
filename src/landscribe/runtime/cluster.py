"""The tasks of `map_in_workers` on a Dask cluster: the same code, the same order, the same results.

Which machines there are, and who starts them, is the business of Dask's own deployers (docs/cluster.md). A task runs
in the folder of this process on a file system that all machines share, one at a time in each worker process.
"""

import contextlib
import functools
import importlib.metadata
import logging
import os
import pickle
import pickletools
import platform
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from landscribe.core.errors import LockHeldError, WorkerError
from landscribe.core.params import find_scratch
from landscribe.runtime.code_digest import compute_code_digest, freeze_code
from landscribe.runtime.interrupts import note_interrupts
from landscribe.runtime.lock import hold_lock
from landscribe.runtime.look_ahead import map_in_order
from landscribe.runtime.progress import make_logger

T = TypeVar("T")
R = TypeVar("R")

ADDRESS_VARIABLE = "DASK_SCHEDULER_ADDRESS"  # Dask's own
_CONNECT_WITHIN_S = 15
_LOOK_EVERY_S = 30.0
_CHECK_EVERY_S = 0.2
_MAX_IN_FLIGHT = 512  # two for each of 256 workers; a shard's task is 0.15 MB, so the scheduler holds 77 MB of them
_HEARTBEAT = ".cluster-"
_ONE_AT_A_TIME = threading.Lock()  # of the threads of a worker: folder and umask belong to the whole process


# What decides the results of a task beside our own code: name -> version. At import, as is our code: a worker that
# lives on while its files are edited still runs what it has imported.
_VERSIONS = {"Python": ".".join(platform.python_version_tuple()[:2])}
_VERSIONS |= {name: importlib.metadata.version(name) for name in ("numpy", "pillow", "protobuf", "pyarrow", "rasterio")}
freeze_code()


def _list_versions(modules: Iterable[str]) -> dict[str, str]:
    """Return what decides the results of a task: name -> version, of our own code the digest of what it reaches."""
    return {"landscribe": compute_code_digest(*modules)[:8], **_VERSIONS}


@dataclass(frozen=True)
class _Terms:
    """What a worker must share with us: the working folder, a file that lies there just now, and the versions.

    Attributes:
        folder: of this process.
        heartbeat: a file that lies there as long as this process works.
        modules: those that a task names, whose code counts.
        versions: as `_list_versions` gives them here.
    """

    folder: Path
    heartbeat: Path
    modules: tuple[str, ...]
    versions: dict[str, str]


def map_on_cluster(
    address: str, function: Callable[[T], R], tasks: Iterable[T], ahead: int | None = None
) -> Iterator[R]:
    """Yield `function(task)` of each task, in order, worked on by the workers of a Dask scheduler.

    A task whose worker is lost goes to another one. What ends this iterator early takes back the tasks that have not
    begun; those that have are finished, for a thread cannot be stopped.

    Args:
        address: of the scheduler, e.g. `tcp://10.0.0.1:8786` or `tls://...`. It is trusted: tasks are pickles.
        function: of a module that a worker can import.
        tasks: what can be pickled.
        ahead: as `map_in_workers` takes it.

    Raises:
        WorkerError: Dask is not installed, no scheduler answers, the scheduler or too many workers were lost, or a
            worker has other code or another file system.
    """
    # Interrupts outermost: raised while the client connects or closes, one is lost.
    with (
        _note_interrupts() as check,
        _connect(address) as client,
        _show_heartbeat() as heartbeat,
        _translate_errors(address),
    ):
        calls = _make_calls(heartbeat, function, tasks)
        num_submitted = _MAX_IN_FLIGHT if ahead is None else min(_MAX_IN_FLIGHT, ahead + 1)
        executor = client.get_executor(pure=False)
        submit = functools.partial(executor.submit, pickle.loads)
        try:
            yield from map_in_order(submit, calls, num_submitted, functools.partial(_wait, client, check))
        finally:
            executor.shutdown(wait=False)  # takes back what nobody waits for


def _make_calls(heartbeat: Path, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[bytes]:
    """Yield the call of each task, pickled; the tasks are of one kind, so the first tells which code they need."""
    terms = None
    for task in tasks:
        work = pickle.dumps((function, task))
        if terms is None:
            modules = _list_modules(work)
            terms = _Terms(Path.cwd(), heartbeat, modules, _list_versions(modules))
        yield pickle.dumps(_Call(terms, work))


def _list_modules(work: bytes) -> tuple[str, ...]:
    """Return what may be the modules that a pickle names."""
    words = {word for _, word, _ in pickletools.genops(work) if isinstance(word, str)}
    return tuple(sorted(word for word in words if word.startswith("landscribe.")))


@dataclass(frozen=True)
class _Call:
    """What becomes, where it is unpickled, the result of a task.

    A worker closes silently when it cannot unpickle what it is sent: measured, Dask 2026.8. So it is sent bytes
    and `pickle.loads`, and a worker without our code says so as an error of the task.
    """

    terms: _Terms
    work: bytes

    def __reduce__(self) -> tuple[Any, ...]:
        return _work, (self.terms, self.work)


def _work(terms: _Terms, work: bytes) -> Any:
    """Do a task, in a worker."""
    with _ONE_AT_A_TIME:
        _check_terms(terms)
        function, task = pickle.loads(work)  # noqa: S301  # of the client that the scheduler let in
        with contextlib.chdir(terms.folder):
            return function(task)


def _check_terms(terms: _Terms) -> None:
    """Raise `WorkerError` unless this worker computes the same bytes as the process that sent the task."""
    host, own = socket.gethostname(), _list_versions(terms.modules)
    differing = [
        f"{name} {own[name]} instead of {expected}"
        for name, expected in terms.versions.items()
        if own[name] != expected
    ]
    if differing:
        raise WorkerError(
            f"a worker on {host} has {', '.join(differing)}; expected what runs here, so that its bytes are the same."
            " Install the same checkout and lock there, and start the workers again."
        )
    if not terms.heartbeat.exists():
        raise WorkerError(
            f"a worker on {host} does not see {terms.heartbeat.parent}; expected a file system that this machine and"
            " all workers share, under the same path."
        )


@contextlib.contextmanager
def _show_heartbeat() -> Iterator[Path]:
    """Yield a file that exists as long as the block runs, for workers to check; those of dead processes are removed."""
    for other in find_scratch().glob(f"{_HEARTBEAT}*"):
        with contextlib.suppress(LockHeldError), hold_lock(other, "", wait=False):  # held: by a process at work
            other.unlink()
    heartbeat = find_scratch() / f"{_HEARTBEAT}{socket.gethostname()}-{os.getpid()}-{threading.get_ident()}"
    with hold_lock(heartbeat, "works on the cluster", wait=True):
        try:
            yield heartbeat
        finally:
            heartbeat.unlink(missing_ok=True)


@contextlib.contextmanager
def _connect(address: str) -> Iterator[Any]:
    """Yield a `distributed.Client`, which says nothing by itself."""
    try:
        import distributed
    except ImportError as error:
        raise WorkerError(
            f"{ADDRESS_VARIABLE} is {address}, yet Dask is not installed; expected the extra `cluster`. Run"
            " pip install 'landscribe[cluster]', or unset the variable to work on this machine."
        ) from error
    for name in ("distributed", "distributed.client", "tornado.application"):  # each has a level of its own
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)  # `_check_terms` says it better
        try:
            _check_address(address)
            client = distributed.Client(address, timeout=_CONNECT_WITHIN_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise WorkerError(
                f"{ADDRESS_VARIABLE}={address}: expected a Dask scheduler that answers within {_CONNECT_WITHIN_S} s;"
                f" received: {error}. Start it, or unset the variable to work on this machine."
            ) from error
    with client:
        yield client


def _check_address(address: str) -> None:
    """Raise `ValueError` or `OSError` for what no client should begin with: one that fails takes 30 s to close."""
    from distributed import Security
    from distributed.comm.addressing import resolve_address

    is_encrypted = resolve_address(address).startswith("tls://")
    if is_encrypted and not Security().get_connection_args("client")["ssl_context"]:
        raise ValueError("tls:// without certificates; name them in Dask's configuration, distributed.comm.tls")


@contextlib.contextmanager
def _translate_errors(address: str) -> Iterator[None]:
    """Convert Dask's errors about lost processes into one sentence; errors of the tasks are unchanged."""
    from distributed import KilledWorker

    try:
        yield
    except ImportError as error:
        raise WorkerError(
            f"a worker of the cluster cannot do its task: {error}. Install the same checkout and lock there, and start"
            " the workers again."
        ) from error
    except KilledWorker as error:
        raise WorkerError(
            "a task has ended several workers of the cluster, most often for want of memory; give them more, and run"
            " the same command again."
        ) from error
    except CancelledError as error:
        raise WorkerError(
            f"the Dask scheduler at {address} was lost; start it, and run the same command again."
        ) from error


@contextlib.contextmanager
def _note_interrupts() -> Iterator[Callable[[], None]]:
    """Note Ctrl-C; yield what raises it."""
    with note_interrupts(lambda: None) as interrupts:

        def check() -> None:
            if interrupts:
                raise KeyboardInterrupt

        yield check
        check()


def _wait(client: Any, check: Callable[[], None], future: Future[Any]) -> Any:
    """Return what a call returns; meanwhile `check` is called often, and a cluster without workers is said at times."""
    check()
    looked = time.monotonic()
    while not wait([future], _CHECK_EVERY_S).done:
        check()
        if time.monotonic() - looked > _LOOK_EVERY_S:
            looked = time.monotonic()
            _warn_if_idle(client)
    return future.result()


def _warn_if_idle(client: Any) -> None:
    if not client.nthreads():
        make_logger("cluster").warning("the cluster has no worker yet; waiting for one (Ctrl-C ends this)")
