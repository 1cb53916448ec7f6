"""From the archive to sharded records: the same bytes whatever the number of workers.

Which patch goes into which shard, and in which order, is a function of (patch names, splits, params). A worker writes
whole shards, so nothing depends on who was first. Bad patches are quarantined with a reason. Workers never import
TensorFlow.
"""

import dataclasses
import math
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import Field

from landscribe.archive.protocol import Archive
from landscribe.bands import Band, check_bands
from landscribe.errors import PatchError
from landscribe.files import compute_file_digest, replacing
from landscribe.labels import encode_multi_hot
from landscribe.params import Section
from landscribe.progress import track
from landscribe.quarantine import LeftOut, check_bad_fraction
from landscribe.records.codec import encode_example, write_record
from landscribe.records.schema import BandGroup, Manifest, Shard, make_groups
from landscribe.splits import SPLITS, rank_by_digest
from landscribe.statistics import BandStatistics


class ConvertConfig(Section):
    """Section `convert`."""

    bands: list[str]
    image_size_px: int = Field(ge=8)
    shard_size_mb: float = Field(gt=0, allow_inf_nan=False)
    max_bad_fraction: float = Field(ge=0, le=1)
    seed: int


@dataclass(frozen=True)
class _Row:
    """What a worker needs to know of a patch."""

    patch_id: str
    path: str
    s1_path: str | None
    labels: tuple[str, ...]
    multi_hot: np.ndarray


@dataclass(frozen=True)
class _Task:
    """One shard to write."""

    archive: Archive
    bands: tuple[Band, ...]
    groups: tuple[BandGroup, ...]
    split: str
    path: Path
    rows: tuple[_Row, ...]


@dataclass
class _Written:
    """One shard written: its manifest entry, and what its patches add up to."""

    split: str
    shard: Shard
    statistics: dict[str, BandStatistics]
    patch_rows: list[dict[str, object]]
    quarantined: list[LeftOut]


@dataclass
class Conversion:
    """The outcome of a conversion.

    Attributes:
        manifest: what was written.
        statistics: band -> statistics of the train split.
        patch_statistics: one row a patch: patch_id, split, `<band>_mean` and `<band>_std` in the band's own unit.
        quarantined: bad patches.
        num_resampled: images whose native size was another than `convert.image_size_px`.
    """

    manifest: Manifest
    statistics: dict[str, BandStatistics]
    patch_statistics: pd.DataFrame
    quarantined: list[LeftOut]
    num_resampled: int


def convert(
    archive: Archive,
    index: pd.DataFrame,
    splits: pd.DataFrame,
    nomenclature: tuple[str, Sequence[str]],
    config: ConvertConfig,
    records_dir: Path,
    num_workers: int | None = None,
) -> Conversion:
    """Write the records of every split under `records_dir`.

    Args:
        archive: reader of the patches.
        index: as `labels.read_index`; `splits` as `splits.read_splits`.
        splits: patch_id and split.
        nomenclature: its name and its classes in order.
        config: section `convert`.
        records_dir: receives `<split>/<archive>-<split>.tfrecord-00000-of-0000N`.
        num_workers: processes; None: the cores of this machine. The bytes do not depend on it.

    Raises:
        ParamsError: a band of `convert.bands` is not in the archive.
        ArchiveError: more than `max_bad_fraction` of the patches are bad.
    """
    check_bands(config.bands, dict(archive.bands), "convert.bands")
    bands = resolve_bands(archive, index, config)
    groups = make_groups(bands)
    rows = splits.merge(index, on="patch_id", validate="one_to_one")
    tasks = _plan(archive, bands, groups, rows, nomenclature[1], config, records_dir)
    written = _run(tasks, num_workers or os.cpu_count() or 1)
    quarantined = [patch for result in written for patch in result.quarantined]
    check_bad_fraction(quarantined, len(rows), config.max_bad_fraction, "convert")
    manifest = Manifest(
        archive=archive.name,
        nomenclature=nomenclature[0],
        classes=tuple(nomenclature[1]),
        bands=tuple(band.name for band in bands),
        groups=groups,
        splits={split: tuple(result.shard for result in written if result.split == split) for split in SPLITS},
    )
    patch_rows = [row for result in written for row in result.patch_rows]
    resized = (rows["rows_px"].notna()) & (
        (rows["rows_px"] != config.image_size_px) | (rows["columns_px"] != config.image_size_px)
    )
    return Conversion(
        manifest, _merge_train(written, manifest.bands), pd.DataFrame(patch_rows), quarantined, int(resized.sum())
    )


def resolve_bands(archive: Archive, index: pd.DataFrame, config: ConvertConfig) -> tuple[Band, ...]:
    """Return the bands to store with size and dtype; an archive of images has the dtype that most of them have."""
    dtypes = Counter(index["dtype"].dropna()).most_common(1)
    dtype = dtypes[0][0] if dtypes else None
    chosen = [archive.bands[name] for name in config.bands]
    return tuple(
        dataclasses.replace(band, size_px=band.size_px or config.image_size_px, dtype=band.dtype or dtype)
        for band in chosen
    )


def _plan(
    archive: Archive,
    bands: tuple[Band, ...],
    groups: tuple[BandGroup, ...],
    rows: pd.DataFrame,
    classes: Sequence[str],
    config: ConvertConfig,
    records_dir: Path,
) -> list[_Task]:
    """Return one task a shard: sizes, members and order depend on names and params alone."""
    tasks = []
    record_bytes = sum(group.num_bytes for group in groups)
    for split in SPLITS:
        members = rows[rows["split"] == split].set_index("patch_id")
        ranked = rank_by_digest(members.index, config.seed, "shard")
        num_shards = min(len(ranked), math.ceil(len(ranked) * record_bytes / (config.shard_size_mb * 1e6)))
        for number in range(num_shards):
            chosen = ranked[len(ranked) * number // num_shards : len(ranked) * (number + 1) // num_shards]
            name = f"{archive.name}-{split}.tfrecord-{number:05d}-of-{num_shards:05d}"
            shard_rows = _make_rows(members.loc[chosen], classes)
            tasks.append(_Task(archive, bands, groups, split, records_dir / split / name, shard_rows))
    return tasks


def _make_rows(members: pd.DataFrame, classes: Sequence[str]) -> tuple[_Row, ...]:
    multi_hot = encode_multi_hot([list(labels) for labels in members["labels"]], classes)
    return tuple(
        _Row(str(row.Index), row.path, row.s1_path if isinstance(row.s1_path, str) else None, tuple(row.labels), hot)
        for row, hot in zip(members.itertuples(), multi_hot, strict=True)
    )


def _run(tasks: Sequence[_Task], num_workers: int) -> list[_Written]:
    """Write all shards; results come back in the order of the tasks."""
    total = sum(len(task.rows) for task in tasks)
    if num_workers == 1 or len(tasks) < 2:
        results = map(_write_shard, tasks)
        return list(_track_shards(results, total))
    # Spawned, not forked: a fork copies the threads' locks of pyarrow and GDAL in whatever state they are.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(num_workers, len(tasks)), mp_context=context) as executor:
        return list(_track_shards(executor.map(_write_shard, tasks), total))


def _track_shards(results: Iterable[_Written], total: int) -> Iterator[_Written]:
    """Yield the results and show the patches done."""
    progress = track(range(total), total=total, what="converting")
    for result in results:
        for _ in range(result.shard.num_records + len(result.quarantined)):
            next(progress)
        yield result


def _write_shard(task: _Task) -> _Written:
    """Write one shard beside and rename it; return its entry and statistics."""
    statistics = {band.name: BandStatistics() for band in task.bands}
    patch_rows: list[dict[str, object]] = []
    quarantined = []
    with replacing(task.path) as beside:
        with beside.open("wb") as stream:
            for row in task.rows:
                try:
                    values = task.archive.read_patch(row.path, row.s1_path, task.bands)
                except PatchError as error:
                    quarantined.append(LeftOut(row.patch_id, str(error)))
                    continue
                write_record(stream, _encode(row, values, task.groups))
                patch_rows.append({"patch_id": row.patch_id, "split": task.split, **_measure(values, statistics)})
        digest = compute_file_digest(beside)
    return _Written(task.split, Shard(task.path.name, len(patch_rows), digest), statistics, patch_rows, quarantined)


def _encode(row: _Row, values: dict[str, np.ndarray], groups: Sequence[BandGroup]) -> bytes:
    features: dict[str, bytes | list[bytes] | np.ndarray] = {
        "patch_id": row.patch_id.encode(),
        "labels": [label.encode() for label in row.labels],
        "multi_hot": row.multi_hot.astype(np.int64),
    }
    for group in groups:
        stacked = np.stack([values[name] for name in group.bands])
        features[group.key] = stacked.astype(np.dtype(group.dtype).newbyteorder("<"), copy=False).tobytes()
    return encode_example(features)


def _measure(values: dict[str, np.ndarray], statistics: dict[str, BandStatistics]) -> dict[str, float]:
    """Add a patch to the running statistics; return its own mean and standard deviation a band."""
    row: dict[str, float] = {}
    for name, pixels in values.items():
        own = BandStatistics.from_values(pixels)
        statistics[name] = statistics[name].merge(own)
        row |= {f"{name}_mean": own.mean, f"{name}_std": own.std}
    return row


def _merge_train(written: Sequence[_Written], bands: Sequence[str]) -> dict[str, BandStatistics]:
    """Return band -> statistics of the train split, merged in the order of the shards: the same sum every time."""
    merged = {name: BandStatistics() for name in bands}
    for result in written:
        if result.split == "train":
            merged = {name: merged[name].merge(result.statistics[name]) for name in bands}
    return merged
