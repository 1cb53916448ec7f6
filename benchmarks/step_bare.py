"""`python -m benchmarks.step_bare NETWORK`: steps of Keras alone, in turns.

The network that a training has, of stock layers, on one batch that stays in memory: bands are standardised already and
of one size, nothing is augmented, batch normalisation and AdamW are those of Keras, and nothing is deterministic. As in
a training, convolutions are oneDNN's.
"""

import sys
from typing import Any

import numpy as np

from benchmarks.step_clock import (
    BATCH_SIZE_PATCHES,
    DROPOUT,
    NUM_BANDS,
    NUM_CLASSES,
    SIDE_PX,
    StepClock,
    keep_cores,
)


def main(network: str) -> None:
    """Train for as many steps as the clock counts."""
    from benchmarks.step_profile import StepProfiler
    from landscribe.pipeline.backend import keras, tf

    clock = StepClock(network, StepProfiler())

    class Clocked(keras.callbacks.Callback):  # type: ignore[misc]
        """The clock and nothing else."""

        async_safe = True  # as the meter of a training: Keras need not wait for the logs

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            clock.begin_step()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            clock.end_step()

    tf.config.set_visible_devices([], "GPU")
    model = build_model(network)
    clock.num_parameters = sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
    batches = tf.data.Dataset.from_tensors(make_batch()).repeat()
    model.fit(batches, steps_per_epoch=clock.num_steps, callbacks=[Clocked()], verbose=0, shuffle=False)
    clock.answer()


def build_model(network: str) -> Any:
    """Return the compiled network from standardised bands to logits."""
    from landscribe.models.backbones import build_backbone
    from landscribe.pipeline.backend import keras

    inputs = keras.Input((SIDE_PX, SIDE_PX, NUM_BANDS))
    pooled = keras.layers.GlobalAveragePooling2D()(build_backbone(network, inputs)[0])
    logits = keras.layers.Dense(NUM_CLASSES)(keras.layers.Dropout(DROPOUT)(pooled))
    model = keras.Model(inputs, logits)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-3), loss, jit_compile=False)
    return model


def make_batch() -> tuple[np.ndarray, np.ndarray]:
    """Return random bands, float32 [batch, row, column, band], and labels, float32 [batch, class]."""
    rng = np.random.default_rng(0)
    bands = rng.normal(size=(BATCH_SIZE_PATCHES, SIDE_PX, SIDE_PX, NUM_BANDS))
    labels = rng.random((BATCH_SIZE_PATCHES, NUM_CLASSES)) < 0.2
    return bands.astype(np.float32), labels.astype(np.float32)


if __name__ == "__main__":
    keep_cores()
    main(sys.argv[1])
