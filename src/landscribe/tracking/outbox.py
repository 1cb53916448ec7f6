"""The outbox of a run: entries are written to disk first, then a thread sends them in order until the store has them.

The thread that trains never waits for the store. Each point carries the time at which it was logged, and MLflow keeps
equal points once: to send them again after an answer was lost does no harm. What a process leaves behind, because it
was killed or the store did not come back, the next one that opens the store delivers.
"""

import contextlib
import json
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, RunTag
from mlflow.exceptions import MlflowException

from landscribe.core.errors import LockHeldError, RegistryError, StoreDownError
from landscribe.core.files import compute_digest
from landscribe.core.params import find_scratch
from landscribe.runtime.lock import hold_lock
from landscribe.runtime.progress import make_logger
from landscribe.tracking import outage

OutboxLine = Mapping[str, Any]
"""A line of the file: `metrics` with `step` and `time_ms`, or `inputs`, or `tags`, or `status` with `time_ms`."""

_MAX_ENTRIES = 50  # of a request: some hundred points
_HURRIED_S = 5.0  # how long the end of a run that failed, or of one whose store is given up, waits


class Outbox:
    """The entries of one run that the store has not yet.

    Attributes:
        run_id: of the run, which the store has.
        status: in which the run is to end if nothing fails.
    """

    def __init__(self, run_id: str) -> None:
        self.run_id, self.status = run_id, "FINISHED"
        self._entries: deque[OutboxLine] = deque()
        self._changed = threading.Condition()
        self._ending = self._abandoned = False
        self._refusal: Exception | None = None
        self._path = _find_folder() / f"{run_id}.jsonl"
        self._lock = contextlib.ExitStack()
        self._lock.enter_context(hold_lock(_find_lock(self._path), f"logs to run {run_id}", wait=False))
        self._stream = self._path.open("ab", buffering=0)
        threading.Thread(target=self._work, name="outbox", daemon=True).start()

    def put_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Add metrics with the present time."""
        numbers = {name: float(value) for name, value in metrics.items()}
        self._put({"metrics": numbers, "step": step, "time_ms": read_clock_ms()})

    def put_inputs(self, inputs: Sequence[Mapping[str, Any]]) -> None:
        """Add the datasets that the run reads, in the form that `make_inputs` takes."""
        self._put({"inputs": list(inputs)})

    def put_tags(self, tags: Mapping[str, str]) -> None:
        """Add tags."""
        self._put({"tags": dict(tags)})

    def flush(self) -> None:
        """Wait until the store has all entries, or has not answered for `outage.PATIENCE_S`."""
        self._wait(outage.PATIENCE_S)

    def close(self, status: str, *, is_failed: bool) -> None:
        """End the run, wait as `flush` does, and leave what is not sent to the next process; say so.

        Args:
            status: of MLflow.
            is_failed: an error or an interrupt ended the run: the wait is short, and a refusal is a warning.

        Raises:
            RegistryError: the store refused an entry.
        """
        self._put({"status": status, "time_ms": read_clock_ms()})
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        hurried = is_failed or outage.is_given_up()
        self._wait(_HURRIED_S if hurried else outage.PATIENCE_S)
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()
            if not self._entries:
                self._path.unlink(missing_ok=True)
            elif self._refusal is None:
                make_logger("mlflow").warning(
                    "mlflow: run %s is not complete at %s; %d entries of its log wait in %s, and the next stage that"
                    " reaches MLflow sends them",
                    *(self.run_id, outage.find_address(), len(self._entries), self._path.parent),
                )
            self._stream.close()
            _find_lock(self._path).unlink()
            self._lock.close()
        if self._refusal is not None:
            refused = _describe_refusal(self.run_id, self._refusal)
            if not is_failed:
                raise RegistryError(refused) from self._refusal
            make_logger("mlflow").warning(refused)

    def _put(self, entry: OutboxLine) -> None:
        with self._changed:
            self._stream.write(json.dumps(entry).encode() + b"\n")
            self._entries.append(entry)
            self._changed.notify_all()

    def _wait(self, patience_s: float) -> None:
        """Wait until nothing is left, or nothing was sent for this time."""
        with self._changed:
            while (left := len(self._entries)) and self._refusal is None:
                if not self._changed.wait_for(partial(self._has_moved, left), patience_s):
                    return

    def _has_moved(self, left: int) -> bool:
        return len(self._entries) < left or self._refusal is not None

    def _work(self) -> None:
        """Send entries until the run ends; the thread's only method."""
        pauses = outage.make_pauses()
        while chunk := self._take():
            try:
                outage.attempt(_send, self.run_id, chunk)
            except StoreDownError:
                with self._changed:
                    self._changed.wait_for(lambda: self._abandoned, next(pauses))
                continue
            except Exception as error:  # whatever it is, `close` raises it where it is seen
                with self._changed:
                    self._refusal = error
                    self._changed.notify_all()
                return
            pauses = outage.make_pauses()
            self._drop(len(chunk))

    def _take(self) -> list[OutboxLine]:
        """Return the next entries, once there are some; none when the run has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._entries or self._ending or self._abandoned)
            return [] if self._abandoned else list(islice(self._entries, _MAX_ENTRIES))

    def _drop(self, count: int) -> None:
        """Remove entries that the store has."""
        with self._changed:
            if self._abandoned:  # the file is another's now; it holds them once more, which does no harm
                return
            for _ in range(count):
                self._entries.popleft()
            if not self._entries:
                os.ftruncate(self._stream.fileno(), 0)
            self._changed.notify_all()


def deliver() -> None:
    """Send the entries that ended processes have left for this store.

    Raises:
        StoreDownError: the store does not answer.
    """
    for path in sorted(_find_folder().glob("*.jsonl")):
        lock = _find_lock(path)
        with contextlib.suppress(LockHeldError), hold_lock(lock, "", wait=False):
            if entries := list(_read(path)):
                _deliver(path.stem, entries)
            path.unlink(missing_ok=True)
            lock.unlink()


def make_inputs(inputs: Sequence[Mapping[str, Any]]) -> list[DatasetInput]:
    """Return MLflow's form of datasets: name, digest, source (a path), num_patches and context of each."""
    made = []
    for item in inputs:
        source, profile = json.dumps({"uri": item["source"]}), json.dumps({"num_patches": item["num_patches"]})
        dataset = Dataset(item["name"], item["digest"], "local", source, profile=profile)
        made.append(DatasetInput(dataset, [InputTag("mlflow.data.context", item["context"])]))
    return made


def read_clock_ms() -> int:
    """Return the time as MLflow counts it: milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _deliver(run_id: str, entries: Sequence[OutboxLine]) -> None:
    try:
        outage.patiently(_send, run_id, entries)
    except MlflowException as error:  # the run was deleted meanwhile: there is no place for them any more
        make_logger("mlflow").warning(_describe_refusal(run_id, error))
    else:
        make_logger("mlflow").info("mlflow: %d entries that waited for run %s are sent", len(entries), run_id)


def _send(run_id: str, entries: Sequence[OutboxLine]) -> None:
    """Log entries to a run: metrics, tags, inputs, and at the end its status."""
    client = MlflowClient()
    points = [
        Metric(name, value, entry["time_ms"], entry["step"])
        for entry in entries
        for name, value in entry.get("metrics", {}).items()
    ]
    tags = [RunTag(name, value) for entry in entries for name, value in entry.get("tags", {}).items()]
    if points or tags:
        client.log_batch(run_id, points, tags=tags, synchronous=True)
    if inputs := [item for entry in entries for item in entry.get("inputs", [])]:
        client.log_inputs(run_id, make_inputs(inputs))
    for entry in entries:
        if "status" in entry:
            client.set_terminated(run_id, entry["status"], entry["time_ms"])


def _read(path: Path) -> Iterator[OutboxLine]:
    """Yield the entries of a file, if it is there; a kill may have torn the last one."""
    for line in path.read_bytes().splitlines() if path.exists() else ():
        with contextlib.suppress(json.JSONDecodeError):
            yield json.loads(line)


def _find_lock(path: Path) -> Path:
    """Return the lock of a file of entries."""
    return path.with_suffix(".lock")


def _find_folder() -> Path:
    """Return the folder of the entries for the present store: each store has its own runs."""
    return find_scratch() / "outbox" / compute_digest(mlflow.get_tracking_uri())


def _describe_refusal(run_id: str, error: Exception) -> str:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return f"MLflow at {outage.find_address()} refused what run {run_id} logs: {reason}"
