"""Batches from records, as `tf.data`: parsed by the batch, native resolution, native dtype.

The order of a training epoch is a function of (seed, epoch), so that a resumed training sees what it would have seen.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from landscribe.backend import tf
from landscribe.pipeline.augmentation import augment_batch
from landscribe.pipeline.config import PipelineConfig
from landscribe.records.schema import Manifest, check_subset

_READ_SHARDS = 4  # shards read in turn; enough to mix them and to hide the latency of a network disk


def make_eval_dataset(
    manifest: Manifest, records_dir: Path, split: str, bands: Sequence[str], batch_size_patches: int
) -> Any:
    """Return a dataset of (patch_id [batch], {band: [batch, row, column]}, multi_hot float32 [batch, class]).

    Every record once, in the order of the shards; the last batch may be smaller.

    Raises:
        RecordsError: a band is not stored.
    """
    check_subset(bands, manifest, "train.bands")
    records = tf.data.TFRecordDataset(_list_shards(manifest, records_dir, split), num_parallel_reads=1)
    parse = _make_parser(manifest, bands)
    return records.batch(batch_size_patches).map(parse, tf.data.AUTOTUNE).prefetch(2)


def make_train_dataset(
    manifest: Manifest,
    records_dir: Path,
    bands: Sequence[str],
    config: PipelineConfig,
    *,
    seed: int,
    first_epoch: int,
    epochs: int,
) -> Any:
    """Return a dataset of ({band: [batch, row, column]}, multi_hot float32 [batch, class]) over all epochs.

    Shards, then records within a buffer, are shuffled anew each epoch; each epoch has `steps_per_epoch` full batches.

    Args:
        manifest: of the records under `records_dir`.
        records_dir: folder of the records.
        bands: bands to read; any subset of the stored ones, in any order.
        config: batch size, shuffle buffer and augmentation.
        seed: of order and augmentation.
        first_epoch: the first epoch to yield, from 0; `epochs` the number after the last.
        epochs: as above.

    Raises:
        RecordsError: a band is not stored.
    """
    check_subset(bands, manifest, "train.bands")
    shards = _list_shards(manifest, records_dir, "train")
    parse = _make_parser(manifest, bands)
    steps = steps_per_epoch(manifest, config.batch_size_patches)

    def make_epoch(epoch: Any) -> Any:
        # Of the graph of this function alone; `shuffle` would mix in whatever global seed is set.
        tf.random.set_seed(seed)
        order = tf.random.experimental.stateless_shuffle(tf.constant(shards), seed=tf.stack([seed, epoch]))
        records = tf.data.Dataset.from_tensor_slices(order).interleave(
            tf.data.TFRecordDataset, cycle_length=_READ_SHARDS
        )
        shuffled = records.shuffle(config.shuffle_buffer_patches, seed=seed * 1_000_003 + epoch)
        batches = shuffled.batch(config.batch_size_patches).take(steps)
        return batches.enumerate().map(lambda step, batch: (epoch * steps + step, batch))

    def make_batch(step: Any, records: Any) -> Any:
        _, values, multi_hot = parse(records)
        return augment_batch(values, multi_hot, tf.stack([tf.constant(seed, tf.int64), step]), config.augmentation)

    epochs_left = tf.data.Dataset.range(first_epoch, epochs)
    return epochs_left.flat_map(make_epoch).map(make_batch, tf.data.AUTOTUNE, deterministic=True).prefetch(4)


def steps_per_epoch(manifest: Manifest, batch_size_patches: int) -> int:
    """Return the full batches of an epoch, at least one: a batch of a few patches upsets batch normalisation."""
    return max(1, manifest.num_records("train") // batch_size_patches)


def _list_shards(manifest: Manifest, records_dir: Path, split: str) -> list[str]:
    return [str(records_dir / split / shard.name) for shard in manifest.splits[split]]


def _make_parser(manifest: Manifest, bands: Sequence[str]) -> Any:
    """Return serialized [batch] -> (patch_id, {band: values}, multi_hot), reading only the groups that are needed."""
    groups = [group for group in manifest.groups if set(group.bands) & set(bands)]
    features = {group.key: tf.io.FixedLenFeature([], tf.string) for group in groups}
    features["multi_hot"] = tf.io.FixedLenFeature([len(manifest.classes)], tf.int64)
    features["patch_id"] = tf.io.FixedLenFeature([], tf.string)

    def parse(records: Any) -> Any:
        parsed = tf.io.parse_example(records, features)
        values: dict[str, Any] = {}
        for group in groups:
            flat = tf.io.decode_raw(parsed[group.key], tf.as_dtype(group.dtype), little_endian=True)
            stack = tf.reshape(flat, [-1, len(group.bands), group.size_px, group.size_px])
            values |= {name: stack[:, number] for number, name in enumerate(group.bands) if name in bands}
        return parsed["patch_id"], values, tf.cast(parsed["multi_hot"], tf.float32)

    return parse
