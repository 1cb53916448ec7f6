"""TensorFlow and Keras, imported without their noise: `from landscribe.pipeline.backend import keras, tf`.

Their C++ layers write a dozen lines to file descriptor 2 while they load (CPU features, missing CUDA drivers) that no
log level silences; users would take them for an error.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # later lines of the same kind; errors are still exceptions

# Convolutions by oneDNN on every CPU; TensorFlow's default uses it only on CPUs with 512-bit vectors. On another CPU a
# training step of the small network took 0.36 s of CPU time instead of 0.55, of MobileNetV2 1.05 instead of 1.39.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

with _silent_stderr():
    import keras
    import tensorflow as tf

    tf.config.list_physical_devices()  # the first search for a GPU writes lines too

__all__ = ["keras", "tf"]
