"""A state comes back as it was written or not at all, belongs to one process, and goes away when no one is at it."""

from pathlib import Path

import numpy as np
import pytest

from landscribe.core.errors import LockHeldError
from landscribe.training.state import Snapshot, TrainState, open_state, remove_states

HISTORY = [{"epoch": 1, "loss": 0.1 + 0.2, "val_macro_ap": float("nan")}, {"epoch": 2, "loss": 1e-300}]
SNAPSHOT = Snapshot(
    variables=[np.arange(12, dtype=np.float32).reshape(3, 4), np.array(7, np.int64), np.array([1, 2], np.uint32)],
    kept_weights=[np.full(number, number / 3, np.float32) for number in range(12)],  # more than ten: order by number
    history=HISTORY,
)


def test_a_snapshot_comes_back_bit_by_bit(tmp_path: Path) -> None:
    state = TrainState(tmp_path / "state")
    assert state.read() is None
    state.write(SNAPSHOT)
    state.write(SNAPSHOT)
    back = state.read()
    assert back is not None
    for kind in ("variables", "kept_weights"):
        wrote, read = getattr(SNAPSHOT, kind), getattr(back, kind)
        assert [(array.dtype, array.tobytes()) for array in wrote] == [(array.dtype, array.tobytes()) for array in read]
    assert repr(back.history) == repr(HISTORY)
    assert [path.name for path in state.folder.iterdir()] == ["snapshot.npz"]


@pytest.mark.parametrize("kept_share", [0.0, 0.5, 0.99])
def test_a_damaged_snapshot_is_none(tmp_path: Path, kept_share: float) -> None:
    state = TrainState(tmp_path)
    state.write(SNAPSHOT)
    content = (tmp_path / "snapshot.npz").read_bytes()
    (tmp_path / "snapshot.npz").write_bytes(content[: int(kept_share * len(content))])
    assert state.read() is None


def test_a_run_id_comes_back(tmp_path: Path) -> None:
    state = TrainState(tmp_path)
    assert state.read_run_id() is None
    state.write_run_id("a" * 32)
    assert state.read_run_id() == "a" * 32


def test_a_training_belongs_to_one_process_and_others_stay_possible(tmp_path: Path) -> None:
    with open_state(tmp_path, "one") as state:
        state.write(SNAPSHOT)
        with pytest.raises(LockHeldError, match="is at this training"), open_state(tmp_path, "one"):
            pass
        with open_state(tmp_path, "other") as other:
            assert other.read() is None
        remove_states(tmp_path)
        assert state.read() is not None
        assert not other.folder.exists()
    with open_state(tmp_path, "one") as again:
        assert again.read() is not None
    remove_states(tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_was_half_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one/.snapshot-half.npz").write_bytes(b"half")
    with open_state(tmp_path, "one") as state:
        assert [path.name for path in state.folder.iterdir()] == ["lock"]


def test_the_states_of_finished_trainings_can_go_alone(tmp_path: Path) -> None:
    for name in ("finished", "killed"):
        with open_state(tmp_path, name) as state:
            state.write(SNAPSHOT)
            if name == "finished":
                state.finish()
    remove_states(tmp_path, finished=True)
    assert [folder.name for folder in tmp_path.iterdir()] == ["killed"]
