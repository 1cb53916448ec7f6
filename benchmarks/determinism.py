"""determinism: a training step of the small network with and without `train.deterministic`, in fresh processes.

The processes take turns and each says its quickest step in CPU time, so that a busy machine changes little.
"""

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from benchmarks import Figure

ROUNDS = 3
STEPS = 12
BATCH_SIZE_PATCHES, SIDE_PX, NUM_CLASSES = 32, 120, 19
BANDS = tuple(f"B{number:02d}" for number in range(10))


def run() -> list[Figure]:
    """Time the quickest step of some processes of each kind."""
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(ROUNDS):
        for deterministic, measured in seconds.items():
            with ProcessPoolExecutor(1, get_context("spawn")) as executor:
                measured.append(executor.submit(_time_step, deterministic).result())
    value, reference = min(seconds[True]), min(seconds[False])
    return [Figure("determinism: step on a CPU", value, "CPU s", reference, value / reference, None)]


def _time_step(deterministic: bool) -> float:
    """Return the CPU time of the quickest of some steps on random patches."""
    from landscribe.models.classifier import ClassifierSpec, build_classifier
    from landscribe.models.preprocess import BandInput
    from landscribe.pipeline.backend import keras, tf
    from landscribe.training.losses import MultiLabelLoss

    tf.config.set_visible_devices([], "GPU")
    keras.utils.set_random_seed(1)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    bands = [BandInput(name, SIDE_PX, "uint16", 1000.0, 500.0) for name in BANDS]
    model = build_classifier(
        ClassifierSpec(
            bands=bands,
            num_classes=NUM_CLASSES,
            backbone="SmallResNet",
            dropout=0.1,
        )
    )
    model.compile(optimizer=keras.optimizers.AdamW(1e-3), loss=MultiLabelLoss())
    rng = np.random.default_rng(0)
    shape = (BATCH_SIZE_PATCHES, SIDE_PX, SIDE_PX)
    values = {name: tf.constant(rng.integers(0, 3000, shape, np.uint16)) for name in BANDS}
    multi_hot = tf.constant((rng.random((BATCH_SIZE_PATCHES, NUM_CLASSES)) < 0.2).astype(np.float32))
    seconds = []
    for _ in range(STEPS):
        began = time.process_time()
        model.train_on_batch(values, multi_hot)
        seconds.append(time.process_time() - began)
    return min(seconds)
