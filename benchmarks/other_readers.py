"""What others read patches with: the archive authors' TFRecord reader, and a Keras `Sequence` that opens TIFFs.

Both are rewritten from the originals; the authors' reader is that of bigearthnet-models-tf: one int64 per pixel, parsed
and normalised patch by patch, coarser bands resampled to 10 m by bicubic interpolation.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import Image

from landscribe.core.bands import S2_BANDS
from landscribe.core.tfrecord import encode_example, write_record
from landscribe.pipeline.backend import keras, tf
from landscribe.records.reader import Record

SIZE_PX = 120
_PARALLEL_CALLS = _PREFETCHED_BATCHES = 10  # as in the authors' code
_NUM_CLASSES = 19
# The authors' model takes the bands at 10 m and 20 m; those at 60 m are parsed and dropped.
_FINE = tuple(name for name, band in S2_BANDS.items() if band.resolution_m == 10)
_MIDDLE = tuple(name for name, band in S2_BANDS.items() if band.resolution_m == 20)
_COARSE = tuple(name for name, band in S2_BANDS.items() if band.resolution_m == 60)

Statistics = dict[str, tuple[float, float]]
"""Band -> mean and standard deviation."""


def write_official_records(records: Iterable[Record], path: Path) -> None:
    """Write one TFRecord file in the authors' schema."""
    with path.open("wb") as stream:
        for record in records:
            features: dict[str, Any] = {name: values.ravel() for name, values in record.bands.items()}
            features["BigEarthNet-19_labels"] = [label.encode() for label in record.labels]
            features["BigEarthNet-19_labels_multi_hot"] = record.multi_hot
            features["patch_name"] = record.patch_id.encode()
            write_record(stream, encode_example(features))


def make_official_dataset(path: Path, statistics: Statistics, sizes: tuple[int, int], *, with_coarse: bool) -> Any:
    """Return a dataset of (float32 [batch, 120, 120, band], multi_hot float32 [batch, class]).

    Args:
        path: records in the authors' schema.
        statistics: mean and standard deviation of each band.
        sizes: of the batch and of the shuffle buffer, in patches.
        with_coarse: resample the two bands at 60 m as well, so that the output has all twelve.
    """
    batch_size_patches, buffer_patches = sizes
    features: dict[str, Any] = {
        name: tf.io.FixedLenFeature([(band.size_px or 0) ** 2], tf.int64) for name, band in S2_BANDS.items()
    }
    features["BigEarthNet-19_labels"] = tf.io.VarLenFeature(tf.string)
    features["BigEarthNet-19_labels_multi_hot"] = tf.io.FixedLenFeature([_NUM_CLASSES], tf.int64)
    features["patch_name"] = tf.io.VarLenFeature(tf.string)

    def parse(record: Any) -> Any:
        parsed = tf.io.parse_single_example(record, features)
        sides = {name: S2_BANDS[name].size_px for name in S2_BANDS}
        bands = {name: tf.reshape(tf.cast(parsed[name], tf.float32), [side, side]) for name, side in sides.items()}
        return bands, tf.cast(parsed["BigEarthNet-19_labels_multi_hot"], tf.float32)

    def normalise(bands: Any, multi_hot: Any) -> Any:
        scaled = {name: (values - statistics[name][0]) / statistics[name][1] for name, values in bands.items()}
        stacks = [tf.stack([scaled[name] for name in _FINE], axis=2)]
        for coarser in (_MIDDLE, _COARSE) if with_coarse else (_MIDDLE,):
            stack = tf.stack([scaled[name] for name in coarser], axis=2)
            stacks.append(tf.image.resize(stack, [SIZE_PX, SIZE_PX], method="bicubic"))
        return tf.concat(stacks, axis=2), multi_hot

    records = tf.data.TFRecordDataset(str(path)).shuffle(buffer_patches)
    patches = records.map(parse, num_parallel_calls=_PARALLEL_CALLS).map(normalise, num_parallel_calls=_PARALLEL_CALLS)
    return patches.batch(batch_size_patches).prefetch(_PREFETCHED_BATCHES)


class TiffSequence(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches float32 [batch, 120, 120, 12] and their labels, every band opened with rasterio when it is asked for."""

    def __init__(self, folders: Sequence[Path], statistics: Statistics, batch_size_patches: int) -> None:
        super().__init__()
        self._folders, self._statistics, self._batch_size_patches = folders, statistics, batch_size_patches

    def __len__(self) -> int:
        """Return the number of full batches."""
        return len(self._folders) // self._batch_size_patches

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return one batch."""
        first = index * self._batch_size_patches
        patches = [self._read_patch(folder) for folder in self._folders[first : first + self._batch_size_patches]]
        return np.stack(patches), np.zeros((len(patches), _NUM_CLASSES), np.float32)

    def _read_patch(self, folder: Path) -> np.ndarray:
        bands = []
        for name, (mean, std) in self._statistics.items():
            with rasterio.open(folder / f"{folder.name}_{name}.tif") as dataset:
                image = Image.fromarray(dataset.read(1).astype(np.float32))
            resized = image.resize((SIZE_PX, SIZE_PX), Image.Resampling.BICUBIC)
            bands.append((np.asarray(resized) - mean) / std)
        return np.stack(bands, axis=-1).astype(np.float32)
