"""The digest of everything that a training depends on: the key of its snapshot and of its run."""

from importlib.metadata import version

from landscribe.core.files import compute_digest
from landscribe.runtime.code_digest import compute_code_digest

TRAINING = "landscribe.training.recipe"
"""The module whose code, with all that it reaches, makes one training."""


def identify(entry: str, *shaping: object) -> str:
    """Return the digest of values that shape trainings, of the code that does, and of the versions of Keras.

    Args:
        entry: module whose code counts, with all that it reaches.
        shaping: plain values whose `repr` says all: params, digests of data, the device.
    """
    return compute_digest(repr(shaping), version("tensorflow"), version("keras"), compute_code_digest(entry))
