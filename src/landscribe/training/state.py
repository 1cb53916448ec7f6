"""Snapshots of a training: after each epoch, everything that the next one depends on.

DVC deletes the outputs of a stage before it runs, so the state lies in a scratch folder of its own, one for each
training (`<scratch>/<digest of all that shapes it>`). A snapshot is one file that is whole or absent; it replaces the
one of the epoch before. The run's id stands beside it, so that the same MLflow run goes on.

A state stays until `make repro` is through, for DVC may be killed while it takes the model into its cache; where DVC is
called by other means (`dvc exp run`), until the next training has begun. Without a run under way it may be deleted at
any time.
"""

import contextlib
import json
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from landscribe.core.errors import LockHeldError
from landscribe.core.files import replacing
from landscribe.runtime.lock import hold_lock

_LOCK, _SNAPSHOT, _RUN, _FINISHED = "lock", "snapshot.npz", "run_id", "finished"


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A training after an epoch.

    Attributes:
        variables: of model and optimizer in their order: weights, statistics, dropout seeds, moments, averages, step.
        kept_weights: of the evaluated model after the epoch that `train.keep` names so far.
        history: rows of the epochs so far, as `fit.FitResult.history`.
    """

    variables: Sequence[np.ndarray]
    kept_weights: Sequence[np.ndarray]
    history: Sequence[dict[str, float]]


@dataclass(frozen=True)
class TrainState:
    """The folder of one training."""

    folder: Path

    def read(self) -> Snapshot | None:
        """Return the snapshot; None where it is absent or damaged."""
        try:
            with (self.folder / _SNAPSHOT).open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                history = json.loads(str(arrays["history"]))
                return Snapshot(_take(arrays, "variable"), _take(arrays, "kept"), history)
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
            return None

    def write(self, snapshot: Snapshot) -> None:
        """Replace the snapshot."""
        arrays = {f"variable {number}": value for number, value in enumerate(snapshot.variables)}
        arrays |= {f"kept {number}": value for number, value in enumerate(snapshot.kept_weights)}
        with replacing(self.folder / _SNAPSHOT) as beside, beside.open("wb") as stream:
            np.savez(stream, allow_pickle=False, history=np.array(json.dumps(list(snapshot.history))), **arrays)

    def read_run_id(self) -> str | None:
        """Return the id of the training's run; None before it has one."""
        path = self.folder / _RUN
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def write_run_id(self, run_id: str) -> None:
        """Keep the id of the training's run."""
        with replacing(self.folder / _RUN) as beside:
            beside.write_text(run_id, encoding="utf-8")

    def finish(self) -> None:
        """Mark the training as finished: its state is no longer needed after the stage has ended."""
        (self.folder / _FINISHED).touch()


def _take(arrays: np.lib.npyio.NpzFile, kind: str) -> list[np.ndarray]:
    """Return the arrays of a kind in their order."""
    return [arrays[f"{kind} {number}"] for number in range(sum(name.startswith(f"{kind} ") for name in arrays.files))]


@contextlib.contextmanager
def open_state(scratch_dir: Path, digest: str) -> Iterator[TrainState]:
    """Yield the state of a training, for this process alone; half-written files are removed.

    Args:
        scratch_dir: folder of all states.
        digest: of all that shapes the training.

    Raises:
        LockHeldError: another process is at the same training.
    """
    folder = scratch_dir / digest
    with hold_lock(folder / _LOCK, "is at this training", wait=False):
        for half in folder.glob(".*"):
            half.unlink(missing_ok=True)
        yield TrainState(folder)


def remove_states(scratch_dir: Path, *, finished: bool = False) -> None:
    """Remove the states of all trainings that no process is at, once DVC holds their models.

    Args:
        scratch_dir: folder of all states.
        finished: those of finished trainings alone.
    """
    for lock in scratch_dir.glob(f"*/{_FINISHED if finished else _LOCK}"):
        lock = lock.with_name(_LOCK)
        with contextlib.suppress(LockHeldError), hold_lock(lock, "", wait=False):
            shutil.rmtree(lock.parent)
