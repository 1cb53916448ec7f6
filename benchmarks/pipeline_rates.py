"""`python -m benchmarks.pipeline_rates FOLDER PASSES`: patches/s of each way to read the patches of a folder."""

import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.other_readers import SIZE_PX, Statistics, TiffSequence, make_official_dataset, write_official_records
from landscribe.models.preprocess import BandInput, build_features, build_inputs
from landscribe.pipeline.backend import keras, tf
from landscribe.pipeline.config import NO_AUGMENTATION, ONLY_REPLICA, AugmentationConfig, PipelineConfig, Replica
from landscribe.pipeline.dataset import make_train_dataset
from landscribe.records.reader import iter_split
from landscribe.records.schema import Manifest, read_manifest

BATCH_SIZE_PATCHES = 32
BUFFER_PATCHES = 256  # an eighth of the patches: of an archive the buffer, 2,000 or 20,000, is a smaller part still
_NUM_REPLICAS = 4
_EPOCHS = 4  # in a pass of ours: tf.data needs a few tenths of a second to find how many batches to make at a time
_NUM_OPENED_BATCHES = 3  # of the Sequence in each pass: it takes 20 times as long


def main(folder: Path, num_passes: int) -> None:
    """Read the patches in every way, in turn, and print the medians as JSON."""
    manifest = read_manifest(folder / "records/manifest.json")
    ways = _make_ways(folder, manifest)
    for batches, _ in ways.values():  # the first pass of a dataset traces and sizes its buffers
        _count(batches)
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _, (way, (batches, factor)) in itertools.product(range(num_passes), ways.items()):
        began = time.perf_counter()
        num_patches = _count(batches)
        rates[way].append(factor * num_patches / (time.perf_counter() - began))
    sys.stdout.write(f"{json.dumps({way: statistics.median(values) for way, values in rates.items()})}\n")


def _make_ways(folder: Path, manifest: Manifest) -> dict[str, tuple[Iterable[Any], int]]:
    """Return each way to read, and how many patches stand for one that it yields."""
    numbers: Statistics = dict.fromkeys(manifest.bands, (2000.0, 1150.0))
    official = folder / "official.tfrecord"
    write_official_records(iter_split(manifest, folder / "records", "train"), official)
    sizes = (BATCH_SIZE_PATCHES, BUFFER_PATCHES)
    native = _read_native(folder, manifest, NO_AUGMENTATION, ONLY_REPLICA)
    opened = sorted((folder / "S2").iterdir())[: _NUM_OPENED_BATCHES * BATCH_SIZE_PATCHES]
    return {
        "official": (make_official_dataset(official, numbers, sizes, with_coarse=False), 1),
        "native": (native, 1),
        "augmented": (
            _read_native(folder, manifest, NO_AUGMENTATION.model_copy(update={"dihedral": True}), ONLY_REPLICA),
            1,
        ),
        "replica": (_read_native(folder, manifest, NO_AUGMENTATION, Replica(0, _NUM_REPLICAS)), _NUM_REPLICAS),
        "official, 12 bands": (make_official_dataset(official, numbers, sizes, with_coarse=True), 1),
        "resampled": (native.map(_build_resampler(manifest, numbers), tf.data.AUTOTUNE).prefetch(2), 1),
        "sequence": (TiffSequence(opened, numbers, BATCH_SIZE_PATCHES), 1),
    }


def _read_native(folder: Path, manifest: Manifest, augmentation: AugmentationConfig, replica: Replica) -> Any:
    config = PipelineConfig(
        batch_size_patches=BATCH_SIZE_PATCHES, shuffle_buffer_patches=BUFFER_PATCHES, augmentation=augmentation
    )
    records, bands = folder / "records", manifest.bands
    return make_train_dataset(manifest, records, bands, config, seed=1, first_step=0, epochs=_EPOCHS, replica=replica)


def _build_resampler(manifest: Manifest, numbers: Statistics) -> Callable[[Any, Any], Any]:
    """Return the first layers of a classifier: to the 10 m grid, normalised, stacked."""
    groups = {name: manifest.group_of(name) for name in manifest.bands}
    bands = [BandInput(name, group.size_px, group.dtype, *numbers[name]) for name, group in groups.items()]
    inputs = build_inputs(bands)
    layers = keras.Model(inputs, build_features(inputs, bands))
    return lambda values, multi_hot: (layers(values), multi_hot)


def _count(batches: Iterable[Any]) -> int:
    """Take every batch; return the number of patches, after a look at the shape of a stacked one."""
    num_patches = 0
    for features, multi_hot in itertools.islice(batches, len(batches) if isinstance(batches, TiffSequence) else None):
        num_patches += len(multi_hot)
        if not isinstance(features, dict) and features.shape[1:3] != (SIZE_PX, SIZE_PX):
            raise RuntimeError(f"expected [batch, {SIZE_PX}, {SIZE_PX}, band]; received {features.shape}")
    return num_patches


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
