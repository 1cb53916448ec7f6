"""Batches hold what the records hold, and their order is a function of (seed, epoch)."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from landscribe.core.errors import RecordsError
from landscribe.pipeline.backend import tf
from landscribe.pipeline.config import NO_AUGMENTATION, ONLY_REPLICA, AugmentationConfig, PipelineConfig, Replica
from landscribe.pipeline.dataset import make_eval_dataset, make_train_dataset, steps_per_epoch
from landscribe.records.reader import iter_split
from tests.support.model_fixtures import STORED_BANDS, TinyRecords

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(23)

DIHEDRAL = NO_AUGMENTATION.model_copy(update={"dihedral": True})
ON = DIHEDRAL.model_copy(update={"shift_fraction": 0.2, "zoom_fraction": 0.2, "gain_fraction": 0.2, "mixup_alpha": 0.4})


def read_train(
    records: TinyRecords,
    augmentation: AugmentationConfig,
    *,
    seed: int = 5,
    first_step: int = 0,
    replica: Replica = ONLY_REPLICA,
    buffer_patches: int = 20,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return B01 and multi_hot of the batches of three epochs of four steps, from `first_step` on."""
    config = PipelineConfig(batch_size_patches=8, shuffle_buffer_patches=buffer_patches, augmentation=augmentation)
    batches = make_train_dataset(
        records.manifest,
        records.folder,
        ["B01"],
        config,
        seed=seed,
        first_step=first_step,
        epochs=3,
        replica=replica,
    )
    return [(bands["B01"], multi_hot) for bands, multi_hot in batches.as_numpy_iterator()]


def collect_epochs(
    records: TinyRecords, augmentation: AugmentationConfig = NO_AUGMENTATION, *, seed: int = 5
) -> list[list[tuple[bytes, bytes]]]:
    """Return for each of three epochs the bytes of each patch's B01 and multi_hot, in order."""
    patches = [
        (values.tobytes(), multi_hot.tobytes())
        for bands, labels in read_train(records, augmentation, seed=seed)
        for values, multi_hot in zip(bands, labels, strict=True)
    ]
    size = 8 * steps_per_epoch(records.manifest, 8)
    return [patches[start : start + size] for start in range(0, len(patches), size)]


def assert_same_batches(left: Sequence[tuple[np.ndarray, ...]], right: Sequence[tuple[np.ndarray, ...]]) -> None:
    """Compare pixels and labels bit for bit."""
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        for values, expected in zip(one, other, strict=True):
            np.testing.assert_array_equal(values, expected, strict=True)


def read_batches(records: TinyRecords, split: str, bands: Sequence[str], batch_size_patches: int) -> list[Any]:
    """Return the evaluation batches as NumPy."""
    batches = make_eval_dataset(records.manifest, records.folder, split, bands, batch_size_patches)
    return list(batches.as_numpy_iterator())


def test_the_tiny_records_have_several_shards(records: TinyRecords) -> None:
    assert len(records.manifest.splits["train"]) > 4  # otherwise the order of shards would not be tested


@pytest.mark.parametrize("bands", [STORED_BANDS, ("B05", "VV", "B02"), ("B01",)])
@pytest.mark.parametrize("split", ["train", "test"])
def test_evaluation_yields_every_stored_value_once_in_stored_order(
    records: TinyRecords, split: str, bands: Sequence[str]
) -> None:
    stored = list(iter_split(records.manifest, records.folder, split))
    batches = read_batches(records, split, bands, 5)
    assert [name.decode() for names, _, _ in batches for name in names] == [record.patch_id for record in stored]
    np.testing.assert_array_equal(
        np.concatenate([multi_hot for _, _, multi_hot in batches]), [record.multi_hot for record in stored]
    )
    assert set(batches[0][1]) == set(bands)
    for band in bands:
        values = np.concatenate([bands_of_batch[band] for _, bands_of_batch, _ in batches])
        assert values.dtype == stored[0].bands[band].dtype
        np.testing.assert_array_equal(values, np.stack([record.bands[band] for record in stored]))


def test_the_last_evaluation_batch_is_kept(records: TinyRecords) -> None:
    assert [len(names) for names, _, _ in read_batches(records, "val", ["B01"], 5)] == [5, 5, 2]


def test_a_training_epoch_holds_stored_patches_without_repetition(records: TinyRecords) -> None:
    stored = {
        (record.bands["B01"].tobytes(), record.multi_hot.astype(np.float32).tobytes())
        for record in iter_split(records.manifest, records.folder, "train")
    }
    epochs = collect_epochs(records)
    assert len(epochs) == 3
    for epoch in epochs:
        assert len(epoch) == len(set(epoch)) == 32  # 4 full batches of 36 patches
        assert set(epoch) <= stored


def test_each_epoch_has_an_order_of_its_own(records: TinyRecords) -> None:
    first, second, third = collect_epochs(records)
    assert first != second != third != first


@pytest.mark.parametrize("augmentation", [NO_AUGMENTATION, ON])
def test_batches_are_a_function_of_seed_and_epoch(records: TinyRecords, augmentation: AugmentationConfig) -> None:
    tf.random.set_seed(1)
    epochs = collect_epochs(records, augmentation)
    tf.random.set_seed(2)
    assert collect_epochs(records, augmentation) == epochs
    assert collect_epochs(records, augmentation, seed=6) != epochs


@pytest.mark.parametrize("first_step", [1, 3, 4, 6, 11, 12])
def test_a_resumed_training_sees_the_rest_of_the_uninterrupted_one(records: TinyRecords, first_step: int) -> None:
    whole = read_train(records, ON)
    assert len(whole) == 12  # three epochs of four steps: resumed within each, and at the borders
    assert_same_batches(read_train(records, ON, first_step=first_step), whole[first_step:])


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("first_step", [0, 5])
def test_replicas_together_see_the_batches_of_one(records: TinyRecords, count: int, first_step: int) -> None:
    shares = [read_train(records, ON, first_step=first_step, replica=Replica(index, count)) for index in range(count)]
    assert {len(pixels) for share in shares for pixels, _ in share} == {8 // count}
    joined = [tuple(map(np.concatenate, zip(*batch, strict=True))) for batch in zip(*shares, strict=True)]
    assert_same_batches(joined, read_train(records, ON)[first_step:])


@pytest.mark.parametrize(
    ("replica", "batch_size_patches", "message"),
    [
        (Replica(2, 2), 8, "index from 0 to 1; received 2"),
        (Replica(0, 4), 12, "4 replicas share batches of a multiple of 8 patches"),
        (Replica(0, 2), 40, "at most the 36 of train; received 40"),
    ],
)
def test_a_batch_that_cannot_be_shared_is_refused(
    records: TinyRecords, replica: Replica, batch_size_patches: int, message: str
) -> None:
    config = PipelineConfig(
        batch_size_patches=batch_size_patches, shuffle_buffer_patches=20, augmentation=NO_AUGMENTATION
    )
    with pytest.raises(RecordsError, match=message):
        make_train_dataset(
            records.manifest, records.folder, ["B01"], config, seed=5, first_step=0, epochs=1, replica=replica
        )


def test_records_of_several_shards_alternate_before_the_buffer(records: TinyRecords) -> None:
    shards: dict[bytes, str] = {}
    for shard in records.manifest.splits["train"]:
        alone = dataclasses.replace(records.manifest, splits={"train": (shard,)})
        shards |= {record.bands["B01"].tobytes(): shard.name for record in iter_split(alone, records.folder, "train")}
    pixels, _ = read_train(records, NO_AUGMENTATION, buffer_patches=1)[0]
    assert len({shards[values.tobytes()] for values in pixels[:4]}) == 4


def test_augmentation_draws_anew_in_each_epoch(records: TinyRecords) -> None:
    stored = np.stack([record.bands["B01"] for record in iter_split(records.manifest, records.folder, "train")])
    symmetries = [np.rot90(side, turns, axes=(1, 2)) for side in (stored, stored.swapaxes(1, 2)) for turns in range(4)]
    numbers = {patch.tobytes(): number for number, patches in enumerate(symmetries) for patch in patches}
    draws = [[numbers[values] for values, _ in epoch] for epoch in collect_epochs(records, DIHEDRAL)]
    assert draws[0] != draws[1] != draws[2] != draws[0]


def test_an_epoch_has_at_least_one_step(records: TinyRecords) -> None:
    assert steps_per_epoch(records.manifest, 36) == 1
    assert steps_per_epoch(records.manifest, 1000) == 1
    assert steps_per_epoch(records.manifest, 10) == 3


def test_a_train_split_smaller_than_a_batch_is_one_batch(records: TinyRecords) -> None:
    config = PipelineConfig(batch_size_patches=100, shuffle_buffer_patches=20, augmentation=ON)
    batches = make_train_dataset(
        records.manifest, records.folder, ["B01"], config, seed=5, first_step=1, epochs=3, replica=ONLY_REPLICA
    )
    assert [len(multi_hot) for _, multi_hot in batches] == [36, 36]


def test_an_empty_split_is_refused(records: TinyRecords) -> None:
    empty = dataclasses.replace(records.manifest, splits={"train": (), "val": ()})
    config = PipelineConfig(batch_size_patches=8, shuffle_buffer_patches=20, augmentation=NO_AUGMENTATION)
    with pytest.raises(RecordsError, match="the split val is empty"):
        make_eval_dataset(empty, records.folder, "val", ["B01"], 4)
    with pytest.raises(RecordsError, match="the split train is empty"):
        make_train_dataset(empty, records.folder, ["B01"], config, seed=5, first_step=0, epochs=1, replica=ONLY_REPLICA)


def test_a_band_that_is_not_stored_is_refused_with_both_lists(records: TinyRecords) -> None:
    with pytest.raises(RecordsError, match=r"train.bands needs B12; the records have B04, B02, B03, B05, B01, VV"):
        make_eval_dataset(records.manifest, records.folder, "val", ["B02", "B12"], 4)
