"""`python -m benchmarks.pipeline_steps FOLDER BLOCKS`: milliseconds of a MobileNetV2 step, as its batches come.

Blocks of steps take turns. Of each the first steps do not count: the prefetched batches were made before the clock ran.
"""

import itertools
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from landscribe.models.classifier import ClassifierSpec, build_classifier
from landscribe.models.preprocess import BandInput
from landscribe.pipeline.backend import keras, tf
from landscribe.pipeline.config import NO_AUGMENTATION, ONLY_REPLICA, AugmentationConfig, PipelineConfig
from landscribe.pipeline.dataset import make_train_dataset
from landscribe.records.schema import Manifest, read_manifest

BATCH_SIZE_PATCHES = 32
BUFFER_PATCHES = 1_000
NUM_SKIPPED, NUM_TIMED = 8, 12  # steps of a block
_AUGMENTATIONS = {
    "flips and turns": NO_AUGMENTATION.model_copy(update={"dihedral": True}),  # as in params.yaml
    "all augmentation": NO_AUGMENTATION.model_copy(
        update={"dihedral": True, "shift_fraction": 0.125, "mixup_alpha": 0.3}
    ),
}


class _Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes when each step ends."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())


def main(folder: Path, num_blocks: int) -> None:
    """Train with each kind of batches, in turn, and print the medians over blocks as JSON."""
    manifest = read_manifest(folder / "records/manifest.json")
    model = _build_model(manifest)
    kinds = {name: _make_batches(folder, manifest, augmentation) for name, augmentation in _AUGMENTATIONS.items()}
    kinds["cached"] = tf.data.Dataset.from_tensors(next(iter(kinds["flips and turns"]))).repeat()
    for batches in kinds.values():
        model.fit(batches, steps_per_epoch=2, verbose=0, shuffle=False)
    blocks: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _, (kind, batches) in itertools.product(range(num_blocks), kinds.items()):
        clock = _Clock()
        model.fit(batches, steps_per_epoch=NUM_SKIPPED + NUM_TIMED, callbacks=[clock], verbose=0, shuffle=False)
        blocks[kind].append(1e3 * (clock.ends[-1] - clock.ends[NUM_SKIPPED - 1]) / NUM_TIMED)
    sys.stdout.write(f"{json.dumps({kind: statistics.median(values) for kind, values in blocks.items()})}\n")


def _build_model(manifest: Manifest) -> Any:
    groups = {name: manifest.group_of(name) for name in manifest.bands}
    spec = ClassifierSpec(
        bands=[BandInput(name, group.size_px, group.dtype, 2000.0, 1150.0) for name, group in groups.items()],
        num_classes=len(manifest.classes),
        backbone="MobileNetV2",
        dropout=0.1,
    )
    model = build_classifier(spec)
    optimizer = keras.optimizers.AdamW(1e-3)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True))
    return model


def _make_batches(folder: Path, manifest: Manifest, augmentation: AugmentationConfig) -> Any:
    """Return more batches than a block takes."""
    config = PipelineConfig(
        batch_size_patches=BATCH_SIZE_PATCHES, shuffle_buffer_patches=BUFFER_PATCHES, augmentation=augmentation
    )
    records, bands = folder / "records", manifest.bands
    return make_train_dataset(
        manifest, records, bands, config, seed=1, first_step=0, epochs=1_000, replica=ONLY_REPLICA
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
