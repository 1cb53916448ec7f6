"""Laws of modality dropout: a patch loses one sensor as a whole or nothing, never both, and nothing else changes."""

import numpy as np
import pytest

from landscribe.core.bands import group_by_sensor
from landscribe.pipeline.backend import tf
from landscribe.pipeline.config import NO_AUGMENTATION, ONLY_REPLICA, PipelineConfig, Replica
from landscribe.pipeline.dataset import make_train_dataset
from landscribe.pipeline.modality import SensorDropout, drop_sensors, make_fills, remove_sensor
from tests.support.model_fixtures import TinyRecords

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(3)

Bands = dict[str, np.ndarray]
FILLS = {"S1": {"VV": -12.5, "VH": -19.25}, "S2": {"B02": 700.0, "B05": 1100.0}}
SIDES = {"B02": 6, "B05": 3, "VV": 6, "VH": 6}


def draw_bands(num_patches: int) -> Bands:
    """Return patches of both sensors in which no pixel equals a fill."""
    rng = np.random.default_rng(0)
    return {
        name: rng.integers(2000, 3000, (num_patches, side, side)).astype(np.float32 if name[0] == "V" else np.uint16)
        for name, side in SIDES.items()
    }


def drop(bands: Bands, share: float, seed: int = 1, replica: Replica = ONLY_REPLICA) -> Bands:
    """Drop eagerly; NumPy in, NumPy out."""
    tensors = {name: tf.constant(values) for name, values in bands.items()}
    dropped = drop_sensors(tensors, tf.constant([seed, 2], tf.int64), SensorDropout(share, FILLS), replica)
    return {name: values.numpy() for name, values in dropped.items()}


def find_lost(dropped: Bands, whole: Bands) -> dict[str, np.ndarray]:
    """Return sensor -> bool [patch], whether it is lost; a band is filled or untouched, alike in its sensor."""
    lost = {}
    for sensor, fill in FILLS.items():
        filled = {name: (dropped[name] == value).all(axis=(1, 2)) for name, value in fill.items()}
        for name, is_filled in filled.items():
            np.testing.assert_array_equal(dropped[name][~is_filled], whole[name][~is_filled])
            assert dropped[name].dtype == whole[name].dtype
        first, *others = filled.values()
        assert all(np.array_equal(first, other) for other in others)
        lost[sensor] = first
    return lost


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_share_of_the_patches_loses_one_sensor_and_none_loses_both(share: float) -> None:
    whole = draw_bands(2000)
    lost = find_lost(drop(whole, share), whole)
    assert not (lost["S1"] & lost["S2"]).any()
    for is_lost in lost.values():  # half of the share each, within four standard errors
        assert abs(is_lost.mean() - share / 2) <= 4 * (share / 2 * (1 - share / 2) / 2000) ** 0.5


def test_the_draw_is_that_of_the_seed_and_its_shares_join_to_the_whole_batch() -> None:
    whole = draw_bands(24)
    dropped = drop(whole, 0.5)
    again, other = drop(whole, 0.5), drop(whole, 0.5, seed=2)
    assert any(not np.array_equal(dropped[name], other[name]) for name in dropped)
    shares = [
        drop({name: values[8 * index :][:8] for name, values in whole.items()}, 0.5, replica=Replica(index, 3))
        for index in range(3)
    ]
    for name, values in dropped.items():
        np.testing.assert_array_equal(again[name], values)
        np.testing.assert_array_equal(np.concatenate([share[name] for share in shares]), values)


def test_a_removed_sensor_is_lost_by_every_patch() -> None:
    whole = draw_bands(5)
    tensors = {name: tf.constant(values) for name, values in whole.items()}
    lost = find_lost({name: values.numpy() for name, values in remove_sensor(tensors, FILLS["S1"]).items()}, whole)
    assert lost["S1"].all()
    assert not lost["S2"].any()


def test_in_the_input_pipeline_it_leaves_order_labels_and_augmentation_as_they_are(records: TinyRecords) -> None:
    bands = ["B01", "VV"]
    fills = make_fills(records.manifest, records.statistics, bands)
    assert {sensor: list(fill) for sensor, fill in fills.items()} == group_by_sensor(bands)
    assert fills["S2"]["B01"] == round(records.statistics["B01"]["mean"])  # digital numbers are whole
    augmentation = NO_AUGMENTATION.model_copy(update={"dihedral": True, "shift_fraction": 0.2, "mixup_alpha": 0.4})
    config = PipelineConfig(batch_size_patches=8, shuffle_buffer_patches=20, augmentation=augmentation)

    def read(dropout: SensorDropout | None, first_step: int) -> list[tuple[Bands, np.ndarray]]:
        batches = make_train_dataset(
            records.manifest,
            records.folder,
            bands,
            config,
            seed=5,
            first_step=first_step,
            epochs=1,
            replica=ONLY_REPLICA,
            dropout=dropout,
        )
        return list(batches.as_numpy_iterator())

    dropout = SensorDropout(0.6, fills)
    whole, dropped, resumed = read(None, 0), read(dropout, 0), read(dropout, 2)
    is_lost = []
    for (before, labels), (after, same) in zip(whole, dropped, strict=True):
        np.testing.assert_array_equal(same, labels)
        for sensor, (name,) in {"S1": ["VV"], "S2": ["B01"]}.items():
            lost = (after[name] == np.array(fills[sensor][name], after[name].dtype)).all(axis=(1, 2))
            np.testing.assert_array_equal(after[name][~lost], before[name][~lost])
            is_lost.append(lost)
    assert 0 < np.mean(is_lost) < 0.6
    for (expected, _), (values, _) in zip(dropped[2:], resumed, strict=True):
        for name in bands:
            np.testing.assert_array_equal(values[name], expected[name])
