"""Reading records back without TensorFlow: checks, examples, other tools."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from landscribe.core.tfrecord import decode_example, iter_records
from landscribe.records.schema import Manifest, check_subset


@dataclass(frozen=True)
class Record:
    """One decoded record: `bands` maps a name to [row, column] in native size and dtype."""

    patch_id: str
    labels: tuple[str, ...]
    multi_hot: np.ndarray
    bands: dict[str, np.ndarray]


def iter_split(manifest: Manifest, records_dir: Path, split: str) -> Iterator[Record]:
    """Yield the records of a split in stored order.

    Raises:
        RecordsError: a shard is truncated or corrupt.
    """
    for shard in manifest.splits[split]:
        for record in iter_records(records_dir / split / shard.name):
            yield _decode(manifest, record)


def read_example(manifest: Manifest, records_dir: Path, split: str, bands: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the first record of a split as a batch of one: {band: [1, row, column]}.

    Raises:
        RecordsError: a band is not stored, or a shard is corrupt.
    """
    check_subset(bands, manifest, "the model")
    record = next(iter_split(manifest, records_dir, split))
    return {name: record.bands[name][None] for name in bands}


def _decode(manifest: Manifest, record: bytes) -> Record:
    features = decode_example(record)
    bands: dict[str, np.ndarray] = {}
    for group in manifest.groups:
        flat = np.frombuffer(features[group.key][0], group.stored_dtype)
        stack = flat.reshape(len(group.bands), group.size_px, group.size_px)
        bands |= dict(zip(group.bands, stack, strict=True))
    return Record(
        patch_id=bytes(features["patch_id"][0]).decode(),
        labels=tuple(bytes(label).decode() for label in features["labels"]),
        multi_hot=np.asarray(features["multi_hot"]),
        bands={name: bands[name] for name in manifest.bands},
    )
