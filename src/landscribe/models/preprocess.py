"""From raw digital numbers by band name to one float tensor: normalise, resample to a common grid, stack.

Built from Keras' own layers alone, so that a saved model reloads where this package is not installed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from landscribe.backend import keras


@dataclass(frozen=True)
class BandInput:
    """A band as the model receives it: [batch, size_px, size_px] of `dtype`; mean and std of the train split."""

    name: str
    size_px: int
    dtype: str
    mean: float
    std: float


def build_inputs(bands: Sequence[BandInput]) -> dict[str, Any]:
    """Return one symbolic input a band, [batch, row, column], named as the band."""
    return {band.name: keras.Input((band.size_px, band.size_px), name=band.name, dtype=band.dtype) for band in bands}


def build_features(inputs: dict[str, Any], bands: Sequence[BandInput]) -> Any:
    """Return float32 [batch, row, column, band], standardised, on the grid of the finest band, in the order given."""
    size_px = max(band.size_px for band in bands)
    stacked, order = [], []
    for size in dict.fromkeys(band.size_px for band in bands):
        group = [band for band in bands if band.size_px == size]
        stacked.append(_build_group(inputs, group, size, size_px))
        order += [band.name for band in group]
    features = stacked[0] if len(stacked) == 1 else keras.layers.Concatenate(name="stack_bands")(stacked)
    wanted = [order.index(band.name) for band in bands]
    # Pretrained weights know their channels by position: grouping by resolution must not reorder them.
    return features if wanted == sorted(wanted) else keras.ops.take(features, np.array(wanted), axis=-1)


def _build_group(inputs: dict[str, Any], group: Sequence[BandInput], size: int, size_px: int) -> Any:
    """Return the bands of one native size, standardised and resampled to `size_px`."""
    # Cast first: stacking keeps one dtype, and float32 holds every uint16 exactly.
    bands = [keras.ops.expand_dims(keras.ops.cast(inputs[band.name], "float32"), -1) for band in group]
    values = bands[0] if len(bands) == 1 else keras.ops.concatenate(bands, axis=-1)
    means = [band.mean for band in group]
    variances = [max(band.std, 1e-6) ** 2 for band in group]  # a constant band has no spread to divide by
    values = keras.layers.Normalization(mean=means, variance=variances, name=f"standardise_{size}px")(values)
    if size == size_px:
        return values
    return keras.layers.Resizing(size_px, size_px, interpolation="bilinear", name=f"resample_{size}px")(values)
