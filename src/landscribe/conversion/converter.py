"""From the archive to sharded records: the same bytes for any number of workers and of interruptions.

Which patch goes into which shard, and in which order, is a function of (patch names, splits, params). A worker writes
whole shards, so nothing depends on the order in which they finish. Bad patches are quarantined with a reason. If a run
ends early, its finished shards are kept (`journal`). Workers never import TensorFlow.
"""

import dataclasses
import functools
import math
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from landscribe.archive.protocol import Archive
from landscribe.conversion.config import ConvertConfig
from landscribe.conversion.journal import Journal, JournalEntry, open_journal, publish
from landscribe.conversion.shard import Row, ShardTask, verify_shard, write_shard
from landscribe.core.bands import Band, check_bands, find_wavelength
from landscribe.core.errors import ArchiveError, RecordsError, WorkerError
from landscribe.core.files import compute_digest
from landscribe.core.multi_hot import encode_multi_hot
from landscribe.core.quarantine import LeftOut, check_bad_fraction
from landscribe.records.schema import Manifest, NodataRule, Shard, make_groups
from landscribe.records.statistics import BandStatistics, find_kind, make_statistics
from landscribe.runtime.code_digest import compute_code_digest
from landscribe.runtime.pool import map_in_workers
from landscribe.runtime.progress import make_logger, track
from landscribe.splits.config import SPLITS
from landscribe.splits.digest_order import rank_by_digest

# The code and the libraries that decide the bytes of a shard, beside the plan itself.
_CODE = (__name__, "landscribe.archive.layouts")
_LIBRARIES = ("numpy", "pillow", "protobuf", "rasterio")
_GB = 1_000_000_000


@dataclass
class Conversion:
    """The result of a conversion.

    Attributes:
        manifest: what was written.
        statistics: band -> statistics of the train split.
        patch_statistics: one row per patch: patch_id, split, `<band>_mean` and `<band>_std` in the band's own unit.
        pixels: one row per patch: patch_id, split and the digest of the bytes of its stored bands.
        nodata: patch_id, split and nodata_fraction, of the patches with nodata alone.
        quarantined: bad patches.
        num_resampled: images whose native size differs from `convert.image_size_px`.
    """

    manifest: Manifest
    statistics: dict[str, BandStatistics]
    patch_statistics: pd.DataFrame
    pixels: pd.DataFrame
    nodata: pd.DataFrame
    quarantined: list[LeftOut]
    num_resampled: int


@dataclass(frozen=True)
class ConversionSource:
    """The inputs of a conversion.

    Attributes:
        archive: reader of the patches.
        fingerprint: digest of the archive's content: shards of another content are never reused.
        index: as `labels.read_index`.
        splits: patch_id and split, as `splits.read_splits`.
        nomenclature: its name and its classes in order.
        prepare: called before patches are read, unless all shards are there: it unpacks a download.
    """

    archive: Archive
    fingerprint: str
    index: pd.DataFrame
    splits: pd.DataFrame
    nomenclature: tuple[str, Sequence[str]]
    prepare: Callable[[], object] = lambda: None


def convert(
    source: ConversionSource,
    config: ConvertConfig,
    records_dir: Path,
    scratch_dir: Path,
    num_workers: int | None = None,
) -> Conversion:
    """Write the records of every split under `records_dir`.

    Args:
        source: archive, index, splits and nomenclature.
        config: section `convert`.
        records_dir: receives `<split>/<archive>-<split>.tfrecord-00000-of-0000N`.
        scratch_dir: folder for the finished shards of a run that ends early, for the next run; best on the file system
            of `records_dir`, for hard links.
        num_workers: as `workers.map_in_workers` takes it. The bytes do not depend on it.

    Raises:
        ParamsError: a band of `convert.bands` is not in the archive.
        ArchiveError: more than `max_bad_fraction` of the patches are bad.
        RecordsError: another run is converting, or a shard is damaged.
        WorkerError: a worker died, or the cluster cannot be used.
    """
    check_bands(config.bands, dict(source.archive.bands), "convert.bands")
    bands = resolve_bands(source.archive, source.index, config)
    rows = source.splits.merge(source.index, on="patch_id", validate="one_to_one")
    tasks = _plan(source, bands, rows, config)
    with open_journal(scratch_dir, _digest_plan(source, tasks)) as journal:
        _write_shards(source, tasks, journal, config.verify, num_workers)
        statistics, entries = _read_entries(bands, tasks, journal)
        quarantined = [patch for entry in entries for patch in entry.quarantined]
        check_bad_fraction(quarantined, len(rows), config.max_bad_fraction, "convert")
        for task in tasks:
            publish(journal, task.name, records_dir / task.split / task.name)
    table = _tabulate(bands, tasks, entries)
    return Conversion(
        manifest=_make_manifest(source, bands, tasks, entries, _make_rule(bands, statistics, entries, config)),
        statistics=statistics,
        patch_statistics=table.drop(columns=["digest", "nodata_fraction"]),
        pixels=table[["patch_id", "split", "digest"]],
        nodata=table.loc[table["nodata_fraction"] > 0, ["patch_id", "split", "nodata_fraction"]],
        quarantined=quarantined,
        num_resampled=_count_resampled(rows, config.image_size_px),
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
    source: ConversionSource, bands: tuple[Band, ...], rows: pd.DataFrame, config: ConvertConfig
) -> list[ShardTask]:
    """Return one task per shard: sizes, members and order depend on names and params alone."""
    tasks = []
    groups = make_groups(bands)
    record_bytes = sum(group.num_bytes for group in groups)
    for split in SPLITS:
        members = rows[rows["split"] == split].set_index("patch_id")
        ranked = rank_by_digest(members.index, config.seed, "shard")
        num_shards = min(len(ranked), math.ceil(len(ranked) * record_bytes / (config.shard_size_mb * 1e6)))
        for number in range(num_shards):
            chosen = ranked[len(ranked) * number // num_shards : len(ranked) * (number + 1) // num_shards]
            name = f"{source.archive.name}-{split}.tfrecord-{number:05d}-of-{num_shards:05d}"
            shard_rows = _make_rows(members.loc[chosen], source.nomenclature[1])
            limit = config.max_nodata_fraction
            tasks.append(ShardTask(source.archive, bands, groups, split, name, shard_rows, limit))
    return tasks


def _make_rows(members: pd.DataFrame, classes: Sequence[str]) -> tuple[Row, ...]:
    multi_hot = encode_multi_hot([list(labels) for labels in members["labels"]], classes)
    return tuple(
        Row(str(row.Index), row.path, row.s1_path if isinstance(row.s1_path, str) else None, tuple(row.labels), hot)
        for row, hot in zip(members.itertuples(), multi_hot, strict=True)
    )


def _digest_plan(source: ConversionSource, tasks: Sequence[ShardTask]) -> str:
    """Return a digest of everything that decides the bytes of the shards, so without `max_bad_fraction`, `verify`."""
    return compute_digest(
        source.fingerprint,
        repr(source.archive),
        *(f"{name} {version(name)}" for name in _LIBRARIES),
        compute_code_digest(*_CODE),
        *(
            compute_digest(repr((task.bands, task.groups, task.max_nodata_fraction)), task.name, *_spell(task.rows))
            for task in tasks
        ),
    )


def _spell(rows: Sequence[Row]) -> Iterator[str | bytes]:
    for row in rows:
        yield repr((row.patch_id, row.path, row.s1_path, row.labels))
        yield row.multi_hot.tobytes()


def _write_shards(
    source: ConversionSource, tasks: Sequence[ShardTask], journal: Journal, verify: bool, num_workers: int | None
) -> None:
    """Write the shards that are not finished yet; read all of them back if `verify` is set."""
    unfinished = [task for task in tasks if not journal.is_finished(task.name)]
    if len(unfinished) < len(tasks):
        num_kept = len(tasks) - len(unfinished)
        make_logger("convert").info("convert: %d of %d shards kept", num_kept, len(tasks))
    if unfinished:
        _check_space(unfinished, journal.folder)
        source.prepare()
    try:
        _work(functools.partial(write_shard, journal), "converting", unfinished, num_workers)
        if verify:
            _work(functools.partial(verify_shard, journal), "verifying", tasks, num_workers)
    except WorkerError as error:
        kept = sum(journal.is_finished(task.name) for task in tasks)
        raise WorkerError(f"{error} {kept} of {len(tasks)} shards are kept.") from error


def _check_space(tasks: Sequence[ShardTask], folder: Path) -> None:
    """Say how much space the records need, and check that it is there.

    Raises:
        RecordsError: it is not.
    """
    num_patches = sum(len(task.rows) for task in tasks)
    need = sum(len(task.rows) * sum(group.num_bytes for group in task.groups) for task in tasks)
    free = shutil.disk_usage(folder).free
    words = (num_patches, need / _GB, free / _GB)
    make_logger("convert").info("convert: %d patches, about %.3g GB of records, %.3g GB are free", *words)
    if need > free:
        raise RecordsError(
            f"{folder}: expected {need / _GB:.3g} GB of free space for the records; {free / _GB:.3g} GB are free. Free"
            " some, or take bands out of convert.bands."
        )


def _work(function: Callable[[ShardTask], int], what: str, tasks: Sequence[ShardTask], num_workers: int | None) -> None:
    """Call `function` for every task; it returns the number of patches done."""
    results = map_in_workers(function, tasks, num_workers)
    for _ in track(results, total=sum(len(task.rows) for task in tasks), what=what, count=int):
        pass


def _read_entries(
    bands: Sequence[Band], tasks: Sequence[ShardTask], journal: Journal
) -> tuple[dict[str, BandStatistics], list[JournalEntry]]:
    """Return the statistics, merged in the order of the shards (the same sum every time), and each shard's entry."""
    kinds = {band.name: find_kind(band) for band in bands}
    merged = {name: make_statistics(kind) for name, kind in kinds.items()}
    entries = []
    for task in tasks:
        entry = journal.read(task.name, kinds)
        for name, statistics in entry.statistics.items():
            merged[name].merge(statistics)
        entries.append(dataclasses.replace(entry, statistics={}))  # for a thousand shards they would fill the memory
    return merged, entries


def _make_rule(
    bands: Sequence[Band],
    statistics: Mapping[str, BandStatistics],
    entries: Sequence[JournalEntry],
    config: ConvertConfig,
) -> NodataRule | None:
    """Return what stands for nodata; None for an archive that fixes the form of its bands: there every pixel counts."""
    if all(band.resolution_m is not None for band in bands):
        return None
    means = {name: found.summarise()["mean"] for name, found in statistics.items()}
    blank = [name for name, mean in means.items() if mean is None]
    if blank and len(blank) < len(means):
        raise ArchiveError(
            f"{', '.join(blank)}: expected pixels with a value in the train split; all are nodata. Take the band out of"
            " convert.bands and train.bands."
        )
    fills = {band.name: float(means[band.name] or 0.0) for band in bands}
    fills |= {band.name: float(round(fills[band.name])) for band in bands if band.dtype != "float32"}
    occurs = any(bool(entry.nodata.any()) for entry in entries)
    return NodataRule(fills=fills, max_fraction=config.max_nodata_fraction, occurs=occurs)


def _make_manifest(
    source: ConversionSource,
    bands: Sequence[Band],
    tasks: Sequence[ShardTask],
    entries: Sequence[JournalEntry],
    nodata: NodataRule | None,
) -> Manifest:
    splits: dict[str, tuple[Shard, ...]] = dict.fromkeys(SPLITS, ())
    for task, entry in zip(tasks, entries, strict=True):
        splits[task.split] += (Shard(task.name, len(entry.patch_ids), entry.digest),)
    return Manifest(
        archive=source.archive.name,
        nomenclature=source.nomenclature[0],
        classes=tuple(source.nomenclature[1]),
        bands=tuple(band.name for band in bands),
        groups=make_groups(bands),
        splits=splits,
        nodata=nodata,
        wavelengths_nm={
            band.name: band.wavelength_nm
            for band in bands
            if band.wavelength_nm is not None and band.wavelength_nm != find_wavelength(band.name)
        },
    )


def _tabulate(bands: Sequence[Band], tasks: Sequence[ShardTask], entries: Sequence[JournalEntry]) -> pd.DataFrame:
    """Return one row per record: patch_id, split, digest, share of nodata, and mean and std of each band."""
    stored = [name for group in make_groups(bands) for name in group.bands]
    none = np.empty((0, len(bands)))
    means, stds = (np.concatenate([none, *parts]) for parts in ([e.means for e in entries], [e.stds for e in entries]))
    columns: dict[str, Sequence[str] | np.ndarray] = {
        "patch_id": [name for entry in entries for name in entry.patch_ids],
        "split": [task.split for task, entry in zip(tasks, entries, strict=True) for _ in entry.patch_ids],
        "digest": [digest for entry in entries for digest in entry.pixels],
        "nodata_fraction": [fraction for entry in entries for fraction in entry.nodata.tolist()],
    }
    for band in bands:
        place = stored.index(band.name)
        columns |= {f"{band.name}_mean": means[:, place], f"{band.name}_std": stds[:, place]}
    return pd.DataFrame(columns)


def _count_resampled(rows: pd.DataFrame, size_px: int) -> int:
    """Return the number of images whose size differs from the records; in other archives the bands fix the size."""
    is_other = (rows["rows_px"] != size_px) | (rows["columns_px"] != size_px)
    return int((rows["rows_px"].notna() & is_other).sum())
