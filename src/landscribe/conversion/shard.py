"""Writing one shard, the task of a worker: it reads, stores and measures each patch once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from landscribe.archive.protocol import Archive
from landscribe.conversion.journal import Journal, JournalEntry
from landscribe.core.bands import Band
from landscribe.core.errors import PatchError, RecordsError
from landscribe.core.files import compute_digest, replacing
from landscribe.core.quarantine import LeftOut, check_signal
from landscribe.core.tfrecord import decode_example, encode_example, iter_records, write_record
from landscribe.records.schema import BandGroup
from landscribe.records.statistics import compute_moments, make_statistics

_BUFFER_BYTES = 1 << 20  # a record written alone takes 10 us longer, a tenth of the time to read it


@dataclass(frozen=True)
class Row:
    """The patch as a worker needs it."""

    patch_id: str
    path: str
    s1_path: str | None
    labels: tuple[str, ...]
    multi_hot: np.ndarray


@dataclass(frozen=True)
class ShardTask:
    """One shard to write: `name` is that of its file."""

    archive: Archive
    bands: tuple[Band, ...]
    groups: tuple[BandGroup, ...]
    split: str
    name: str
    rows: tuple[Row, ...]


class _Measures:
    """Means and deviations of each patch and, of the train split, statistics of each band."""

    def __init__(self, task: ShardTask) -> None:
        self._groups = task.groups
        self._moments: list[np.ndarray] = []
        dtypes = {name: group.dtype for group in task.groups for name in group.bands} if task.split == "train" else {}
        self.statistics = {name: make_statistics(dtype) for name, dtype in dtypes.items()}

    def add(self, parts: Sequence[bytes]) -> None:
        """Add a patch: the stored bytes of each band group."""
        found = []
        for group, part in zip(self._groups, parts, strict=True):
            values = np.frombuffer(part, group.stored_dtype).reshape(len(group.bands), -1)
            if values.dtype.kind == "u":
                values = values.astype(np.int64)  # here, once for both: it takes as long as a third of counting
            found.append(compute_moments(values))
            if self.statistics:
                for name, band in zip(group.bands, values, strict=True):
                    self.statistics[name].add(band)
        self._moments.append(np.concatenate(found, axis=1))

    def stack_moments(self) -> np.ndarray:
        """Return float64 [patch, mean or std, band]."""
        num_bands = sum(len(group.bands) for group in self._groups)
        return np.array(self._moments).reshape(len(self._moments), 2, num_bands)


def write_shard(journal: Journal, task: ShardTask) -> int:
    """Write one shard and then its entry into the journal; return the number of its patches, good and bad."""
    path = journal.find_shard(task.name)
    measures = _Measures(task)
    digests, patch_ids, pixels = [], [], []
    quarantined: list[LeftOut] = []
    with replacing(path) as beside, beside.open("wb", buffering=_BUFFER_BYTES) as stream:
        for row, parts in _read_patches(task, quarantined):
            write_record(stream, _encode(row, task.groups, parts))
            patch_ids.append(row.patch_id)
            pixels.append(compute_digest(*parts))
            digests.append(_digest_record(row.patch_id, row.labels, row.multi_hot, pixels[-1]))
            measures.add(parts)
    moments = measures.stack_moments()
    entry = JournalEntry(
        digest=compute_digest(*digests),
        patch_ids=patch_ids,
        pixels=pixels,
        means=moments[:, 0],
        stds=moments[:, 1],
        quarantined=quarantined,
        statistics=measures.statistics,
    )
    journal.write(task.name, entry)
    return len(task.rows)


def _read_patches(task: ShardTask, quarantined: list[LeftOut]) -> Iterator[tuple[Row, list[bytes]]]:
    """Yield each valid patch with the stored bytes of each band group; the others are quarantined."""
    for row in task.rows:
        try:
            values = task.archive.read_patch(row.path, row.s1_path, task.bands)
            check_signal(values)
        except PatchError as error:
            quarantined.append(LeftOut(row.patch_id, str(error)))
            continue
        # Joined as bytes: np.stack and tobytes would copy every pixel twice.
        yield (
            row,
            [
                b"".join([np.ascontiguousarray(values[name], group.stored_dtype).data for name in group.bands])
                for group in task.groups
            ],
        )


def _encode(row: Row, groups: Sequence[BandGroup], parts: Sequence[bytes]) -> bytes:
    features: dict[str, bytes | list[bytes] | np.ndarray] = {
        "patch_id": row.patch_id.encode(),
        "labels": [label.encode() for label in row.labels],
        "multi_hot": row.multi_hot.astype(np.int64),
        **{group.key: part for group, part in zip(groups, parts, strict=True)},
    }
    return encode_example(features)


def _digest_record(patch_id: str, labels: Sequence[str], multi_hot: np.ndarray, pixels: str) -> str:
    """Return the digest of a record; its pixels enter by their own digest, so that they are hashed only once."""
    return compute_digest(patch_id, *labels, multi_hot.astype("<i8").tobytes(), pixels)


def verify_shard(journal: Journal, task: ShardTask) -> int:
    """Read a finished shard back and compare it with its entry; return the number of its patches.

    Raises:
        RecordsError: checksum, count, names, labels or pixels differ; the shard is then unfinished.
    """
    entry = journal.read(task.name, {})
    try:
        digests = [_digest_stored(record, task.groups) for record in iter_records(journal.find_shard(task.name))]
    except (RecordsError, KeyError, IndexError, UnicodeDecodeError):
        digests = []
    if len(digests) != len(entry.patch_ids) or compute_digest(*digests) != entry.digest:
        journal.forget(task.name)
        raise RecordsError(
            f"{task.name}: its content is no longer what was written; check the disk. Run the same command again:"
            " only this shard is written again."
        )
    return len(task.rows)


def _digest_stored(record: bytes, groups: Sequence[BandGroup]) -> str:
    features = decode_example(record)
    names = [[bytes(word).decode() for word in features[key]] for key in ("patch_id", "labels")]
    pixels = compute_digest(*(bytes(features[group.key][0]) for group in groups))
    return _digest_record(names[0][0], names[1], np.asarray(features["multi_hot"]), pixels)
