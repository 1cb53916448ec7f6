"""The digest of all that shapes a training: under it lies what a killed one left behind."""

from importlib.metadata import version
from pathlib import Path

from landscribe.files import compute_digest

_HERE = Path(__file__).parents[1]
_SHAPING_CODE = ("models", "pipeline", "training")


def identify(*shaping: object) -> str:
    """Return the digest of values that shape trainings, of the code that does, and of the versions of Keras.

    Args:
        shaping: plain values whose `repr` says all: params, digests of data, the device.
    """
    code = [path.read_bytes() for package in _SHAPING_CODE for path in sorted((_HERE / package).glob("*.py"))]
    return compute_digest(repr(shaping), version("tensorflow"), version("keras"), *code)
