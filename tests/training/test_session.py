"""The same training finds its state and its run again; another value that shapes it, and it is another training."""

import contextlib
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from landscribe.training.session import open_session
from landscribe.training.state import Snapshot, TrainState
from tests.support.model_fixtures import MODEL_BANDS, TinyRecords, make_train_config

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(4)

HISTORY = [{"epoch": 1, "loss": 0.5, "val_macro_ap": 0.25}]
CHANGES: dict[str, dict[str, Any]] = {
    "param": {"learning_rate": 0.5},
    "loss": {"loss": make_train_config().loss.model_dump() | {"name": "focal"}},
    "seed": {"seed": 4},
}


def open_once(
    records: TinyRecords, device: str = "CPU", weights: str = "", scale: float = 1.0, **changed: Any
) -> tuple[str, TrainState]:
    """Open a session, write a snapshot and end it; return run id and state."""
    tags = {"device": device, "weights_digest": weights}
    statistics = {band: {"mean": row["mean"], "std": row["std"] * scale} for band, row in records.statistics.items()}
    config = make_train_config(bands=list(MODEL_BANDS), **changed)
    with open_session("train", config, records.manifest, statistics, tags) as (run_id, state):
        state.write(Snapshot([np.zeros(1)], [np.zeros(1)], HISTORY))
    return run_id, state


def test_the_same_training_goes_on_with_state_and_run(store: Path, records: TinyRecords) -> None:
    run_id, state = open_once(records)
    assert state.folder.parent == store / ".landscribe/train"
    assert open_once(records) == (run_id, state)
    points = MlflowClient().get_metric_history(run_id, "loss")  # written to the state, and then to the log
    assert [(point.step, point.value) for point in points] == [(1, 0.5)]
    assert len(mlflow.get_run(run_id).data.tags["training_digest"]) == 32


@pytest.mark.parametrize(
    "changed", [*CHANGES.values(), {"device": "GPU: x"}, {"weights": "another file"}, {"scale": 2.0}], ids=str
)
def test_another_value_is_another_training(store: Path, records: TinyRecords, changed: dict[str, Any]) -> None:
    first, state = open_once(records)
    second, other = open_once(records, **changed)
    assert first != second
    assert state.folder != other.folder


def test_a_training_that_fails_leaves_its_state(store: Path, records: TinyRecords) -> None:
    config, seen = make_train_config(seed=99), []
    for _ in range(2):
        with (
            contextlib.suppress(KeyboardInterrupt),
            open_session("train", config, records.manifest, records.statistics, {"device": "CPU"}) as (run_id, _),
        ):
            seen.append(run_id)
            raise KeyboardInterrupt
    assert seen[0] == seen[1]


def test_a_training_that_begins_removes_what_finished_ones_have_left(store: Path, records: TinyRecords) -> None:
    _, finished = open_once(records)
    with contextlib.suppress(KeyboardInterrupt):
        interrupt(records)
    (killed,) = (store / ".landscribe/train").glob("*/snapshot.npz")
    assert not finished.folder.exists()
    open_once(records, seed=6)
    assert killed.exists()


def interrupt(records: TinyRecords) -> None:
    """Begin a training that ends early."""
    config, tags = make_train_config(bands=list(MODEL_BANDS), seed=5), {"device": "CPU"}
    with open_session("train", config, records.manifest, records.statistics, tags) as (_, state):
        state.write(Snapshot([np.zeros(1)], [np.zeros(1)], HISTORY))
        raise KeyboardInterrupt
