"""Batches from records, as `tf.data`: parsed by the batch, native resolution, native dtype.

The order of a training epoch is a function of (seed, epoch), so that a resumed training, from any step on, and several
replicas together see the same batches as one uninterrupted reader. See docs/input_pipeline.md.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from landscribe.core.errors import RecordsError
from landscribe.pipeline.augmentation import augment_batch
from landscribe.pipeline.backend import tf
from landscribe.pipeline.config import PipelineConfig, Replica
from landscribe.pipeline.modality import SensorDropout, drop_sensors
from landscribe.records.schema import NODATA_KEY, Manifest, check_not_empty, check_subset

_READ_SHARDS = 4  # shards read in turn; enough to mix them and to hide the latency of a network disk
# TensorFlow's read buffer is as large as a record of 14 bands: without it a record is copied once instead of twice,
# and reading takes a sixth less of the processor.
_NO_BUFFER = 0


def make_eval_dataset(
    manifest: Manifest, records_dir: Path, split: str, bands: Sequence[str], batch_size_patches: int
) -> Any:
    """Return a dataset of (patch_id [batch], {band: [batch, row, column]}, multi_hot float32 [batch, class]).

    Every record once, in the order of the shards; the last batch may be smaller.

    Raises:
        RecordsError: a band is not stored, or the split is empty.
    """
    check_subset(bands, manifest, "train.bands")
    check_not_empty(manifest, split)
    shards = _list_shards(manifest, records_dir, split)
    records = tf.data.TFRecordDataset(shards, buffer_size=_NO_BUFFER, num_parallel_reads=1)
    parse = _make_parser(manifest, bands)
    return _run_batches_side_by_side(records.batch(batch_size_patches).map(parse, tf.data.AUTOTUNE).prefetch(2))


def make_train_dataset(
    manifest: Manifest,
    records_dir: Path,
    bands: Sequence[str],
    config: PipelineConfig,
    *,
    seed: int,
    first_step: int,
    epochs: int,
    replica: Replica,
    dropout: SensorDropout | None = None,
) -> Any:
    """Return a dataset of ({band: [batch, row, column]}, multi_hot float32 [batch, class]) over all epochs.

    Shards, then records within a buffer, are shuffled in each epoch; each epoch has `steps_per_epoch` batches.

    Args:
        manifest: of the records under `records_dir`.
        records_dir: folder of the records.
        bands: bands to read; any subset of the stored ones, in any order.
        config: batch size, of all replicas together, shuffle buffer and augmentation.
        seed: of order and augmentation.
        first_step: the first batch to yield, counted from 0 over all epochs: the optimizer's iterations when a training
            was interrupted. The batches are those of an uninterrupted training.
        epochs: the number of epochs, those before `first_step` included.
        replica: which share of each batch to yield. The shares of all replicas, in the order of their index, are the
            batch of `ONLY_REPLICA`.
        dropout: which patches lose a sensor, after augmentation; None: none do, and nothing is drawn.

    Raises:
        RecordsError: a band is not stored, train is empty, or a batch cannot be shared.
    """
    check_subset(bands, manifest, "train.bands")
    check_not_empty(manifest, "train")
    share_size_patches = _compute_share(manifest, config.batch_size_patches, replica)
    parse = _make_parser(manifest, bands)
    steps = steps_per_epoch(manifest, config.batch_size_patches)
    first_epoch, num_skipped = divmod(first_step, steps)

    def make_epoch(epoch: Any) -> Any:
        records = _shuffle_records(_list_shards(manifest, records_dir, "train"), config, seed, epoch)
        # Shared and skipped while still strings: the records of other replicas are read, but never parsed.
        shares = records.batch(share_size_patches).shard(replica.count, replica.index).take(steps)
        first = tf.where(epoch == first_epoch, tf.constant(num_skipped, tf.int64), 0)
        return shares.enumerate().skip(first).map(lambda step, share: (epoch * steps + step, share))

    def make_batch(step: Any, records: Any) -> Any:
        _, values, multi_hot = parse(records)
        draw = tf.stack([tf.constant(seed, tf.int64), step])
        values, multi_hot = augment_batch(values, multi_hot, draw, config.augmentation, replica)
        return values if dropout is None else drop_sensors(values, draw, dropout, replica), multi_hot

    epochs_left = tf.data.Dataset.range(first_epoch, epochs)
    batches = epochs_left.flat_map(make_epoch).map(make_batch, tf.data.AUTOTUNE, deterministic=True)
    return _run_batches_side_by_side(batches.prefetch(4))


def steps_per_epoch(manifest: Manifest, batch_size_patches: int) -> int:
    """Return the number of full batches per epoch, at least one: a small batch would disturb batch normalisation."""
    return max(1, manifest.num_records("train") // batch_size_patches)


def _compute_share(manifest: Manifest, batch_size_patches: int, replica: Replica) -> int:
    """Return the number of patches of one replica in each batch: whole pairs, because mixup mixes pairs."""
    count, num_records = replica.count, manifest.num_records("train")
    if not 0 <= replica.index < count:
        raise RecordsError(f"replica: expected an index from 0 to {count - 1}; received {replica.index}.")
    if count > 1 and (batch_size_patches % (2 * count) or num_records < batch_size_patches):
        raise RecordsError(
            f"train.batch_size_patches: {count} replicas share batches of a multiple of {2 * count} patches, and at"
            f" most the {num_records} of train; received {batch_size_patches}. Change it or the number of replicas."
        )
    return batch_size_patches // count


def _shuffle_records(shards: Sequence[str], config: PipelineConfig, seed: int, epoch: Any) -> Any:
    """Return the serialized records of one epoch, in an order that depends only on (seed, epoch)."""
    # The seed of this graph only; `shuffle` would otherwise combine it with the global seed.
    tf.random.set_seed(seed)
    order = tf.random.experimental.stateless_shuffle(tf.constant(shards), seed=tf.stack([seed, epoch]))
    # Read at the same time, yielded in turn: the order of a single reader.
    records = tf.data.Dataset.from_tensor_slices(order).interleave(
        lambda shard: tf.data.TFRecordDataset(shard, buffer_size=_NO_BUFFER),
        cycle_length=_READ_SHARDS,
        num_parallel_calls=_READ_SHARDS,
        deterministic=True,
    )
    return records.shuffle(config.shuffle_buffer_patches, seed=seed * 1_000_003 + epoch)


def _run_batches_side_by_side(batches: Any) -> Any:
    """Return the dataset with one thread per operation, because whole batches run in parallel.

    With flips and turns 38 % more patches/s on two cores.
    """
    options = tf.data.Options()
    options.threading.max_intra_op_parallelism = 1
    return batches.with_options(options)


def _list_shards(manifest: Manifest, records_dir: Path, split: str) -> list[str]:
    return [str(records_dir / split / shard.name) for shard in manifest.splits[split]]


def _make_parser(manifest: Manifest, bands: Sequence[str]) -> Any:
    """Return serialized [batch] -> (patch_id, {band: values}, multi_hot), reading only the groups that are needed."""
    groups = [group for group in manifest.groups if set(group.bands) & set(bands)]
    features = {group.key: tf.io.FixedLenFeature([], tf.string) for group in groups}
    features["multi_hot"] = tf.io.FixedLenFeature([len(manifest.classes)], tf.int64)
    features["patch_id"] = tf.io.FixedLenFeature([], tf.string)
    fill_nodata = _make_filler(manifest)
    if fill_nodata:
        features[NODATA_KEY] = tf.io.FixedLenFeature([], tf.string, default_value="")

    def parse(records: Any) -> Any:
        parsed = tf.io.parse_example(records, features)
        values: dict[str, Any] = {}
        for group in groups:
            flat = tf.io.decode_raw(parsed[group.key], tf.as_dtype(group.dtype), little_endian=True)
            stack = tf.reshape(flat, [-1, len(group.bands), group.size_px, group.size_px])
            values |= {name: stack[:, number] for number, name in enumerate(group.bands) if name in bands}
        if fill_nodata:
            values = fill_nodata(values, parsed[NODATA_KEY])
        return parsed["patch_id"], values, tf.cast(parsed["multi_hot"], tf.float32)

    return parse


def _make_filler(manifest: Manifest) -> Any:
    """Return ({band: [batch, row, column]}, masks) -> the bands with the train mean for nodata; None without any."""
    if manifest.nodata is None or not manifest.nodata.occurs:
        return None
    fills, places, end = manifest.nodata.fills, {}, 0
    for group in manifest.groups:
        for name in group.bands:
            places[name] = slice(end, end := end + group.size_px**2)
    weights = tf.constant([128, 64, 32, 16, 8, 4, 2, 1], tf.uint8)

    def fill(values: dict[str, Any], masks: Any) -> dict[str, Any]:
        # A record without the feature decodes to zeros of this length: no pixel is masked.
        packed = tf.io.decode_raw(masks, tf.uint8, fixed_length=-(-end // 8))
        bits = tf.reshape(tf.bitwise.bitwise_and(packed[..., tf.newaxis], weights) > 0, [tf.shape(packed)[0], -1])
        filled = {}
        for name, band in values.items():
            mask = tf.reshape(bits[:, places[name]], tf.shape(band))
            filled[name] = tf.ensure_shape(tf.where(mask, tf.cast(fills[name], band.dtype), band), band.shape)
        return filled

    return fill
