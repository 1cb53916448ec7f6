"""From raw digital numbers by band name to one float tensor: normalise, resample to a common grid, stack.

Built from Keras' own layers alone, so that a saved model reloads where this package is not installed.
"""

import itertools
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
    # Neighbours of one size together, so that the order is kept: reordering channels takes as long as all else here.
    runs = [list(run) for _, run in itertools.groupby(bands, key=lambda band: band.size_px)]
    stacked = [_build_run(inputs, run, size_px) for run in runs]
    return stacked[0] if len(stacked) == 1 else keras.layers.Concatenate(name="stack_bands", dtype="float32")(stacked)


def _build_run(inputs: dict[str, Any], run: Sequence[BandInput], size_px: int) -> Any:
    """Return bands of one native size, standardised and resampled to `size_px`."""
    size, first = run[0].size_px, run[0].name
    # Cast first: stacking keeps one dtype, and float32 holds every uint16 exactly.
    bands = [keras.ops.expand_dims(keras.ops.cast(inputs[band.name], "float32"), -1) for band in run]
    values = bands[0] if len(bands) == 1 else keras.ops.concatenate(bands, axis=-1)
    means = [band.mean for band in run]
    variances = [max(band.std, 1e-6) ** 2 for band in run]  # a constant band has no spread to divide by
    # float32 whatever the policy: 16 bits cannot hold a digital number of five digits.
    standardise = keras.layers.Normalization(
        mean=means, variance=variances, name=f"standardise_from_{first}", dtype="float32"
    )
    if size == size_px:
        return standardise(values)
    resample = keras.layers.Resizing(
        size_px, size_px, interpolation="bilinear", name=f"resample_from_{first}", dtype="float32"
    )
    return resample(standardise(values))
