"""Reading records back without TensorFlow: checks, examples, other tools."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from landscribe.core.tfrecord import decode_example, iter_records
from landscribe.records.masks import decode_masks
from landscribe.records.schema import NODATA_KEY, Manifest, check_subset


@dataclass(frozen=True)
class Record:
    """One decoded record: `bands` maps a name to [row, column] in native size and dtype, nodata masked."""

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
    """Return the first record of a split as a model takes it, a batch of one: {band: [1, row, column]}.

    Raises:
        RecordsError: a band is not stored, or a shard is corrupt.
    """
    check_subset(bands, manifest, "the model")
    record = next(iter_split(manifest, records_dir, split))
    return {name: fill_nodata(record.bands[name], manifest, name)[None] for name in bands}


def fill_nodata(values: np.ndarray, manifest: Manifest, band: str) -> np.ndarray:
    """Return the values of a band with what stands for nodata, if any is masked."""
    if not isinstance(values, np.ma.MaskedArray) or manifest.nodata is None:
        return values
    filled: np.ndarray = values.filled(values.dtype.type(manifest.nodata.fills[band]))
    return filled


def _decode(manifest: Manifest, record: bytes) -> Record:
    features = decode_example(record)
    bands: dict[str, np.ndarray] = {}
    masks = decode_masks(bytes(features[NODATA_KEY][0]), manifest.groups) if NODATA_KEY in features else {}
    for group in manifest.groups:
        flat = np.frombuffer(features[group.key][0], group.stored_dtype)
        stack = flat.reshape(len(group.bands), group.size_px, group.size_px)
        bands |= dict(zip(group.bands, stack, strict=True))
    return Record(
        patch_id=bytes(features["patch_id"][0]).decode(),
        labels=tuple(bytes(label).decode() for label in features["labels"]),
        multi_hot=np.asarray(features["multi_hot"]),
        bands={
            name: np.ma.MaskedArray(bands[name], masks[name]) if name in masks else bands[name]
            for name in manifest.bands
        },
    )
