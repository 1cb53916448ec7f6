"""Statistics computed again are those of the data, whatever the batches, and leave everything else as it was."""

from typing import Any

import numpy as np
import pytest

from landscribe.models.classifier import list_batch_norm
from landscribe.pipeline.backend import keras
from landscribe.training.norms import NormEstimator

PIXELS = np.random.default_rng(0).normal(3, 2, (20, 8, 8, 4)).astype(np.float32)


def build(dropout: float = 0.0) -> Any:
    """Return a model with a normalisation of its inputs and another in a nested model."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    inner = keras.Sequential([keras.Input((8, 8, 4)), layers.Conv2D(3, 3), layers.BatchNormalization(name="inner")])
    inputs = keras.Input((8, 8, 4), name="pixels")
    features = layers.BatchNormalization(momentum=0.9, name="outer")(inputs)
    outputs = layers.Dropout(dropout)(layers.GlobalAveragePooling2D()(inner(features)))
    return keras.Model({"pixels": inputs}, outputs)


def split(*sizes: int) -> list[dict[str, np.ndarray]]:
    """Return the pixels in batches of these sizes."""
    return [{"pixels": part} for part in np.split(PIXELS, np.cumsum(sizes)[:-1])]


@pytest.mark.parametrize("sizes", [(20,), (10, 10), (4, 4, 4, 8)])
def test_statistics_are_those_of_the_data(sizes: tuple[int, ...]) -> None:
    model = build()
    NormEstimator(model).estimate(split(*sizes))
    outer = model.get_layer("outer")
    np.testing.assert_allclose(outer.moving_mean, PIXELS.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(outer.moving_variance, PIXELS.var(axis=(0, 1, 2)), rtol=1e-4)


def test_a_later_layer_sees_what_training_would_show_it() -> None:
    model = build()
    NormEstimator(model).estimate(split(20))
    outer, inner = list_batch_norm(model)
    standardised = (PIXELS - PIXELS.mean(axis=(0, 1, 2))) / np.sqrt(PIXELS.var(axis=(0, 1, 2)) + outer.epsilon)
    convolved = np.asarray(model.layers[2].layers[0](standardised))
    np.testing.assert_allclose(inner.moving_mean, convolved.mean(axis=(0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(inner.moving_variance, convolved.var(axis=(0, 1, 2)), rtol=1e-4)


def test_nothing_else_changes() -> None:
    model = build(dropout=0.5)
    before = {variable.path: variable.numpy() for variable in model.variables}
    momenta = [layer.momentum for layer in list_batch_norm(model)]
    estimator = NormEstimator(model)
    estimator.estimate(split(10, 10))
    changed = {name for name, value in before.items() if not np.array_equal(value, _find(model, name))}
    assert {name.rsplit("/", 1)[-1] for name in changed} == {"moving_mean", "moving_variance"}
    assert [layer.momentum for layer in list_batch_norm(model)] == momenta
    first = model.get_weights()
    estimator.estimate(split(10, 10))  # the same again, whatever the model saw in between
    for one, other in zip(first, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def _find(model: Any, path: str) -> np.ndarray:
    (found,) = [variable.numpy() for variable in model.variables if variable.path == path]
    return np.asarray(found)


def test_a_moving_average_has_settled_when_its_start_is_forgotten() -> None:
    model = build()
    model.layers[2].get_layer("inner").momentum = 0.5
    estimator = NormEstimator(model)
    assert estimator.is_due(43)  # 0.9^43 = 0.0108
    assert not estimator.is_due(44)


def test_frozen_layers_keep_their_statistics() -> None:
    model = build()
    model.get_layer("outer").trainable = False
    before = [weight.numpy() for weight in model.get_layer("outer").weights]
    NormEstimator(model).estimate(split(20))
    for old, new in zip(before, model.get_layer("outer").weights, strict=True):
        np.testing.assert_array_equal(old, new)
