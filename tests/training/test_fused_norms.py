"""Fused layers compute what Keras' do: features, gradients, statistics."""

from typing import Any

import numpy as np
import pytest

from landscribe.models.classifier import list_batch_norm
from landscribe.pipeline.backend import keras, tf
from landscribe.training.fused_norms import fuse_norms

PIXELS = np.random.default_rng(0).normal(3, 2, (5, 6, 6, 4)).astype(np.float32)


def build(scale: bool = True) -> Any:
    """Return a model with seeded weights: a normalisation of its inputs and another in a nested model."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    inner = keras.Sequential(
        [keras.Input((6, 6, 4)), layers.Conv2D(3, 3), layers.BatchNormalization(momentum=0.9, scale=scale)]
    )
    inputs = keras.Input((6, 6, 4))
    return keras.Model(inputs, inner(layers.BatchNormalization(momentum=0.8)(inputs)))


def run(model: Any) -> list[np.ndarray]:
    """Return features and gradients of two steps in training mode, then all weights."""
    found = []
    for _ in range(2):
        with tf.GradientTape() as tape:
            features = model(PIXELS, training=True)
            loss = tf.reduce_sum(features**3)
        found += [np.asarray(features), *map(np.asarray, tape.gradient(loss, model.trainable_variables))]
    return [*found, *model.get_weights()]


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_features_gradients_and_statistics_are_those_of_keras(scale: bool, frozen: bool) -> None:
    plain, fused = build(scale), build(scale)
    fuse_norms(fused)
    for model in (plain, fused):
        list_batch_norm(model)[0].trainable = not frozen
    for expected, value in zip(run(plain), run(fused), strict=True):
        np.testing.assert_allclose(value, expected, rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(fused(PIXELS), plain(PIXELS), rtol=1e-4, atol=1e-4)


def test_weights_stay() -> None:
    model = build()
    before = model.get_weights()
    fuse_norms(model)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
