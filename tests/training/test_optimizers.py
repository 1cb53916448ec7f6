"""Optimizers learn, decay spares what it should, schedules rise and fall as their names say."""

from typing import Any

import numpy as np
import pytest

from landscribe.pipeline.backend import keras
from landscribe.training.optimizers import build_optimizer, build_schedule
from tests.support.model_fixtures import make_train_config

pytestmark = pytest.mark.slow(6)

STEPS = 10


def build_model() -> Any:
    """Return a linear model with seeded weights."""
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, bias_initializer="ones")])


def build(optimizer: str, model: Any, **changed: Any) -> Any:
    """Return the optimizer of a section `train`."""
    decay = 0.1 if optimizer == "AdamW" else 0.0
    config = make_train_config(**{"optimizer": optimizer, "weight_decay": decay, "learning_rate": 0.05} | changed)
    return build_optimizer(config, model, STEPS)


@pytest.mark.parametrize("name", ["AdamW", "Adam", "RMSprop", "SGD"])
def test_every_optimizer_is_what_it_is_called_and_learns(name: str) -> None:
    model = build_model()
    optimizer = build(name, model)
    assert type(optimizer).__name__ == name
    model.compile(optimizer=optimizer, loss=keras.losses.BinaryCrossentropy(from_logits=True))
    features = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    labels = (features[:, :2] > 0).astype(np.float32)
    before = model.evaluate(features, labels, verbose=0)
    model.fit(features, labels, epochs=5, batch_size=16, verbose=0)
    assert model.evaluate(features, labels, verbose=0) < 0.8 * before


@pytest.mark.parametrize(("name", "decays"), [("AdamW", True), ("Adam", False), ("RMSprop", False), ("SGD", False)])
def test_decay_pulls_kernels_alone_and_with_adamw_alone(name: str, decays: bool) -> None:
    model = build_model()
    kernel, bias = (weight.numpy() for weight in model.trainable_variables)
    zeros = [np.zeros_like(kernel), np.zeros_like(bias)]
    build(name, model).apply(zeros, model.trainable_variables)
    shrunk = kernel * (1 - 0.05 * 0.1) if decays else kernel
    np.testing.assert_allclose(model.trainable_variables[0].numpy(), shrunk, rtol=1e-6)
    np.testing.assert_array_equal(model.trainable_variables[1].numpy(), bias)


@pytest.mark.parametrize("name", ["AdamW", "SGD"])
@pytest.mark.parametrize("clip_norm", [0.0, 1e6])
def test_the_rate_rises_by_the_same_factor_from_layer_to_layer(name: str, clip_norm: float) -> None:
    """A weight with the share f moves as if its rate were f times the rate of all, in the step and in the decay."""

    def move(learning_rate: float, first: float) -> list[np.ndarray]:
        keras.utils.set_random_seed(1)
        layers = [keras.layers.Dense(3, bias_initializer="ones") for _ in range(3)]
        model = keras.Sequential([keras.Input((4,)), *layers])
        options = {"learning_rate": learning_rate, "first_layer_rate_factor": first, "clip_norm": clip_norm}
        optimizer = build(name, model, **options)
        before = [weight.numpy() for weight in model.trainable_variables]
        for _ in range(2):
            optimizer.apply([np.full(w.shape, 0.5, np.float32) for w in before], model.trainable_variables)
        return [weight.numpy() for weight in model.trainable_variables]

    rated = move(0.05, 0.04)
    for layer, share in enumerate((0.04, 0.2, 1.0)):
        for number in (2 * layer, 2 * layer + 1):
            np.testing.assert_allclose(rated[number], move(0.05 * share, 1.0)[number], rtol=1e-5)


def list_rates(**changed: Any) -> np.ndarray:
    """Return the learning rate of every step of four epochs."""
    config = make_train_config(**{"epochs": 4, "learning_rate": 0.5} | changed)
    schedule = build_schedule(config, STEPS)
    return np.array([float(schedule(step)) if callable(schedule) else schedule for step in range(4 * STEPS + 1)])


def test_cosine_falls_from_the_rate_to_nothing() -> None:
    rates = list_rates(schedule="cosine")
    assert rates[0] == 0.5
    assert (np.diff(rates) < 0).all()
    assert rates[2 * STEPS] == pytest.approx(0.25)  # half-way down half-way through
    assert rates[-1] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("warmup_epochs", [1, 1.5])
def test_warm_up_rises_linearly_from_nothing_then_cosine_ends_at_nothing(warmup_epochs: float) -> None:
    rates = list_rates(schedule="cosine", warmup_epochs=warmup_epochs)
    top = round(warmup_epochs * STEPS)
    np.testing.assert_allclose(rates[: top + 1], np.linspace(0, 0.5, top + 1), atol=1e-6)
    assert (np.diff(rates[top:]) < 0).all()
    assert rates[-1] == pytest.approx(0, abs=1e-6)


def test_a_constant_rate_stays_also_after_a_warm_up() -> None:
    assert set(list_rates(schedule="constant")) == {0.5}
    rates = list_rates(schedule="constant", warmup_epochs=1)
    np.testing.assert_allclose(rates[STEPS:], 0.5)
    assert rates[0] == 0


def test_a_gradient_is_shortened_as_a_whole() -> None:
    model = build_model()
    before = [weight.numpy() for weight in model.trainable_variables]
    gradients = [np.full(weight.shape, 3.0, np.float32) for weight in before]
    optimizer = build("SGD", model, learning_rate=1.0, clip_norm=0.5)
    optimizer.apply(gradients, model.trainable_variables)
    steps = [old - new.numpy() for old, new in zip(before, model.trainable_variables, strict=True)]
    length = np.sqrt(sum((gradient**2).sum() for gradient in gradients))
    for step, gradient in zip(steps, gradients, strict=True):  # Nesterov: (1 + 0.9) times the gradient at first
        np.testing.assert_allclose(step, 1.9 * gradient * 0.5 / length, rtol=1e-5)
