"""Test-time augmentation: the logits of a patch are the mean over the eight symmetries of the square.

The ground has no preferred heading, so a flipped or turned patch has the same labels, and the mean of eight looks errs
less than one (Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012, section 4.1,
average ten such looks). Built from Keras' own operations: the saved model carries it to wherever it is loaded.
"""

import itertools
from typing import Any

from landscribe.backend import keras


def average_symmetries(model: Any) -> Any:
    """Return a model of the same inputs and outputs that looks at each patch eight times.

    Args:
        model: Keras model {band: [batch, row, column]} -> logits [batch, class]; its weights are shared.
    """
    inputs = {name: keras.Input(band.shape[1:], name=name, dtype=band.dtype) for name, band in model.input.items()}
    looks = [model(_turn(inputs, *turns)) for turns in itertools.product((False, True), repeat=3)]
    return keras.Model(inputs, keras.layers.Average(name="mean_of_symmetries")(looks), name=model.name)


def find_network(model: Any) -> Any:
    """Return the network that a model of `average_symmetries` looks with; any other model is returned as it is."""
    return next((layer for layer in model.layers if isinstance(layer, keras.Model) and layer.name == model.name), model)


def _turn(bands: dict[str, Any], flips_rows: bool, flips_columns: bool, transposes: bool) -> dict[str, Any]:
    """Return the bands flipped and transposed: the eight choices are the eight symmetries."""
    axes = [axis for axis, flips in ((1, flips_rows), (2, flips_columns)) if flips]
    turned = {name: keras.ops.flip(band, axes) for name, band in bands.items()} if axes else bands
    return {name: keras.ops.transpose(band, (0, 2, 1)) for name, band in turned.items()} if transposes else turned
