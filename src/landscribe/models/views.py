"""Test-time augmentation: the logits of a patch are the mean over several views of it.

The ground has no preferred direction, so a flipped or rotated patch has the same labels, and the mean of eight views
has a smaller error than one view. A network that was trained on windows of the patches scores five of them, the corners
and the middle (Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012, section 4.1,
average ten views of both kinds). Built from Keras' own operations, so that it is part of the saved model.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from landscribe.pipeline.backend import keras

SYMMETRIES = tuple(itertools.product((False, True), repeat=3))
"""Of a square: arguments of `turn_bands`, the identity first."""


def average_views(model: Any, sides: Mapping[str, int]) -> Any:
    """Return a model that averages eight views of each patch, or of each of five windows of it.

    Args:
        model: Keras model {band: [batch, row, column]} -> logits [batch, class]; its weights are shared.
        sides: rows and columns of a patch, by band: those that `model` takes, or larger ones, by the same factor for
            every band. The windows then have the size that `model` takes.
    """
    inputs = {name: keras.Input((sides[name],) * 2, name=name, dtype=band.dtype) for name, band in model.input.items()}
    windows, num_windows = _stack_windows(inputs, {name: band.shape[1] for name, band in model.input.items()})
    views = [model(turn_bands(windows, *turns)) for turns in SYMMETRIES]
    logits = keras.layers.Average(name="mean_of_symmetries")(views)
    if num_windows > 1:
        by_window = keras.ops.reshape(logits, (num_windows, -1, logits.shape[-1]))
        logits = keras.ops.mean(by_window, axis=0)
    return keras.Model(inputs, logits, name=model.name)


def find_network(model: Any) -> Any:
    """Return the network inside a model of `average_views`; any other model is returned as it is."""
    return next((layer for layer in model.layers if isinstance(layer, keras.Model) and layer.name == model.name), model)


def _stack_windows(patches: dict[str, Any], window_sides: Mapping[str, int]) -> tuple[dict[str, Any], int]:
    """Return all first windows of a batch, then all second ones and so on, and the number of windows per patch."""
    if all(band.shape[1] == window_sides[name] for name, band in patches.items()):
        return patches, 1
    coarsest_px = min(band.shape[1] for band in patches.values())
    places = list(_iter_places(coarsest_px, min(window_sides.values())))
    stacked = {}
    for name, band in patches.items():
        pitch = band.shape[1] // coarsest_px  # windows begin at whole pixels of every band
        channel = keras.ops.expand_dims(band, -1)
        cut = [_cut(channel, row * pitch, column * pitch, window_sides[name]) for row, column in places]
        stacked[name] = keras.ops.squeeze(keras.ops.concatenate(cut, axis=0), -1)
    return stacked, len(places)


def _iter_places(side_px: int, window_px: int) -> Iterator[tuple[int, int]]:
    """Yield first row and first column of the four corners and of the middle, in pixels of the coarsest band."""
    slack = side_px - window_px
    yield from itertools.product((0, slack), repeat=2)
    yield slack // 2, slack // 2


def _cut(band: Any, row: int, column: int, window_px: int) -> Any:
    """Return [batch, window_px, window_px, 1] of [batch, row, column, 1]."""
    below, right = band.shape[1] - row - window_px, band.shape[2] - column - window_px
    return keras.layers.Cropping2D(((row, below), (column, right)))(band)


def turn_bands(bands: dict[str, Any], flips_rows: bool, flips_columns: bool, transposes: bool) -> dict[str, Any]:
    """Return the bands, [batch, row, column] each, flipped and transposed: the eight choices are the symmetries."""
    axes = [axis for axis, flips in ((1, flips_rows), (2, flips_columns)) if flips]
    turned = {name: keras.ops.flip(band, axes) for name, band in bands.items()} if axes else bands
    return {name: keras.ops.transpose(band, (0, 2, 1)) for name, band in turned.items()} if transposes else turned
