"""From raw digital numbers by band name to one float tensor: normalise, resample to a common grid, stack.

Built from Keras' own layers alone, so that a saved model reloads where this package is not installed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from landscribe.pipeline.backend import keras


@dataclass(frozen=True)
class BandInput:
    """A band as the model receives it: [batch, size_px, size_px] of `dtype`; mean and std of the train split."""

    name: str
    size_px: int
    dtype: str
    mean: float
    std: float


def build_inputs(bands: Sequence[BandInput]) -> dict[str, Any]:
    """Return one symbolic input per band, [batch, row, column], named as the band."""
    return {band.name: keras.Input((band.size_px, band.size_px), name=band.name, dtype=band.dtype) for band in bands}


def build_features(inputs: dict[str, Any], bands: Sequence[BandInput]) -> Any:
    """Return float32 [batch, row, column, band], standardised, on the grid of the finest band, in the order given."""
    size_px = max(band.size_px for band in bands)
    planes = [_build_plane(inputs[band.name], band, size_px) for band in bands]
    # Bands first: whole planes are copied, and transposed once. Stacked as the last axis, pixel by pixel, 32 patches of
    # 12 bands took twice the processor time.
    return keras.ops.transpose(keras.ops.stack(planes), (1, 2, 3, 0))


def _build_plane(pixels: Any, band: BandInput, size_px: int) -> Any:
    """Return a band, float32 [batch, size_px, size_px], standardised and resampled bilinearly."""
    std = max(band.std, 1e-6)  # a constant band has no spread to divide by
    # float32 whatever the policy: 16 bits cannot hold a digital number of five digits.
    plane = (keras.ops.cast(pixels, "float32") - band.mean) / std
    if band.size_px == size_px:
        return plane
    resample = keras.layers.Resizing(
        size_px, size_px, interpolation="bilinear", name=f"resample_{band.name}", dtype="float32"
    )
    return keras.ops.squeeze(resample(keras.ops.expand_dims(plane, -1)), -1)
