"""Writing one shard, the task of a worker: it reads, stores and measures each patch once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from landscribe.archive.protocol import Archive
from landscribe.conversion.journal import Journal, JournalEntry
from landscribe.core.bands import Band
from landscribe.core.errors import PatchError, RecordsError
from landscribe.core.files import compute_digest, replacing
from landscribe.core.quarantine import LeftOut, check_signal
from landscribe.core.tfrecord import decode_example, encode_example, iter_records, write_record
from landscribe.records.masks import encode_masks
from landscribe.records.schema import NODATA_KEY, BandGroup
from landscribe.records.statistics import compute_moments, find_kind, make_statistics

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
    """One shard to write: `name` is that of its file, `max_nodata_fraction` as in `convert`."""

    archive: Archive
    bands: tuple[Band, ...]
    groups: tuple[BandGroup, ...]
    split: str
    name: str
    rows: tuple[Row, ...]
    max_nodata_fraction: float


@dataclass(frozen=True)
class _Stored:
    """A patch as it is stored: the bytes of each band group, the feature `nodata` (empty: none) and its share."""

    row: Row
    parts: list[bytes]
    masks: bytes
    nodata_fraction: float
    values: dict[str, np.ndarray]


class _Measures:
    """Means and deviations of each patch and, of the train split, statistics of each band."""

    def __init__(self, task: ShardTask) -> None:
        self._groups = task.groups
        self._moments: list[np.ndarray] = []
        kinds = {band.name: find_kind(band) for band in task.bands} if task.split == "train" else {}
        self.statistics = {name: make_statistics(kind) for name, kind in kinds.items()}

    def add(self, patch: _Stored) -> None:
        """Take in a patch."""
        if patch.masks:
            self._add_valid(patch.values)
            return
        found = []
        for group, part in zip(self._groups, patch.parts, strict=True):
            values = np.frombuffer(part, group.stored_dtype).reshape(len(group.bands), -1)
            if values.dtype.kind in "iu":
                values = values.astype(np.int64)  # here, once for both: it takes as long as a third of counting
            found.append(compute_moments(values))
            if self.statistics:
                for name, band in zip(group.bands, values, strict=True):
                    self.statistics[name].add(band)
        self._moments.append(np.concatenate(found, axis=1))

    def _add_valid(self, bands: Mapping[str, np.ndarray]) -> None:
        """Take in the pixels of a patch that are not nodata; a band without any has NaN for moments."""
        found = []
        for name in (name for group in self._groups for name in group.bands):
            values = np.ma.MaskedArray(bands[name]).compressed()
            found.append(compute_moments(values[None]) if values.size else np.full((2, 1), np.nan))
            if self.statistics:
                self.statistics[name].add(values)
        self._moments.append(np.concatenate(found, axis=1))

    def stack_moments(self) -> np.ndarray:
        """Return float64 [patch, mean or std, band]."""
        num_bands = sum(len(group.bands) for group in self._groups)
        return np.array(self._moments).reshape(len(self._moments), 2, num_bands)


def write_shard(journal: Journal, task: ShardTask) -> int:
    """Write one shard and then its entry into the journal; return the number of its patches, good and bad."""
    path = journal.find_shard(task.name)
    measures = _Measures(task)
    digests, patch_ids, pixels, nodata = [], [], [], []
    quarantined: list[LeftOut] = []
    with replacing(path) as beside, beside.open("wb", buffering=_BUFFER_BYTES) as stream:
        for patch in _read_patches(task, quarantined):
            row = patch.row
            write_record(stream, _encode(patch, task.groups))
            patch_ids.append(row.patch_id)
            pixels.append(compute_digest(*patch.parts, *([patch.masks] if patch.masks else [])))
            digests.append(_digest_record(row.patch_id, row.labels, row.multi_hot, pixels[-1]))
            nodata.append(patch.nodata_fraction)
            measures.add(patch)
    moments = measures.stack_moments()
    entry = JournalEntry(
        digest=compute_digest(*digests),
        patch_ids=patch_ids,
        pixels=pixels,
        means=moments[:, 0],
        stds=moments[:, 1],
        nodata=np.array(nodata),
        quarantined=quarantined,
        statistics=measures.statistics,
    )
    journal.write(task.name, entry)
    return len(task.rows)


def _read_patches(task: ShardTask, quarantined: list[LeftOut]) -> Iterator[_Stored]:
    """Yield each valid patch as it is stored; the others are quarantined."""
    for row in task.rows:
        try:
            values = task.archive.read_patch(row.path, row.s1_path, task.bands)
            nodata_fraction = check_signal(values, task.max_nodata_fraction)
        except PatchError as error:
            quarantined.append(LeftOut(row.patch_id, str(error)))
            continue
        # Joined as bytes: np.stack and tobytes would copy every pixel twice.
        stored = {
            name: band.filled(0) if isinstance(band, np.ma.MaskedArray) else band for name, band in values.items()
        }
        parts = [
            b"".join([np.ascontiguousarray(stored[name], group.stored_dtype).data for name in group.bands])
            for group in task.groups
        ]
        yield _Stored(row, parts, encode_masks(values, task.groups), nodata_fraction, values)


def _encode(patch: _Stored, groups: Sequence[BandGroup]) -> bytes:
    row = patch.row
    features: dict[str, bytes | list[bytes] | np.ndarray] = {
        "patch_id": row.patch_id.encode(),
        "labels": [label.encode() for label in row.labels],
        "multi_hot": row.multi_hot.astype(np.int64),
        **{group.key: part for group, part in zip(groups, patch.parts, strict=True)},
        **({NODATA_KEY: patch.masks} if patch.masks else {}),
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
    masks = [bytes(features[NODATA_KEY][0])] if NODATA_KEY in features else []
    pixels = compute_digest(*(bytes(features[group.key][0]) for group in groups), *masks)
    return _digest_record(names[0][0], names[1], np.asarray(features["multi_hot"]), pixels)
