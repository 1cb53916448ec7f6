"""Every loss is its formula, is cross-entropy at its neutral values, and stays finite where a formula would not."""

from typing import Any

import numpy as np
import pytest

from landscribe.pipeline.backend import keras, tf
from landscribe.training.losses import MultiLabelLoss, build_loss, compute_positive_weights
from tests.support.model_fixtures import make_train_config

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 4, (40, 6)).astype(np.float32)
HARD = (RNG.random((40, 6)) < 0.3).astype(np.float32)
SOFT = RNG.random((40, 6)).astype(np.float32)  # as mixup makes them
NUM_POSITIVES = np.array([1, 10, 25, 50, 0, 100])
NUM_PATCHES = 100
POSITIVE_WEIGHTS = [99**0.5, 3.0, 3**0.5, 1.0, 1.0, 1.0]  # of the power 0.5; a class that none or all have weighs 1


def build(name: str, label_smoothing: float = 0.0, **values: Any) -> MultiLabelLoss:
    """Return the loss of a section `train`."""
    loss = make_train_config().loss.model_dump()
    loss["name"] = name
    if values:
        loss[name] |= values
    config = make_train_config(loss=loss, label_smoothing=label_smoothing)
    return build_loss(config, NUM_POSITIVES, NUM_PATCHES)


def brute_force(name: str, target: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Return the loss of every patch, decision by decision, in float64."""
    losses = []
    for row, values in zip(target, logits.astype(np.float64), strict=True):
        terms = []
        for number, (y, x) in enumerate(zip(row.astype(np.float64), values, strict=True)):
            p = 1 / (1 + np.exp(-x))
            match name:
                case "bce":
                    terms.append(-(y * np.log(p) + (1 - y) * np.log(1 - p)))
                case "weighted_bce":
                    terms.append(-(POSITIVE_WEIGHTS[number] * y * np.log(p) + (1 - y) * np.log(1 - p)))
                case "focal":
                    easy, hard = y * (1 - p) ** 2 * np.log(p), (1 - y) * p**2 * np.log(1 - p)
                    terms.append(-(0.25 * easy + 0.75 * hard))
                case "asymmetric":
                    q = max(p - 0.05, 0.0)
                    terms.append(-(y * (1 - p) * np.log(p) + (1 - y) * q**4 * np.log(1 - q)))
        losses.append(np.mean(terms))
    return np.array(losses)


VALUES: dict[str, dict[str, float]] = {
    "bce": {},
    "weighted_bce": {"power": 0.5},
    "focal": {"gamma": 2.0, "alpha": 0.25},
    "asymmetric": {"positive_gamma": 1.0, "negative_gamma": 4.0, "margin": 0.05},
}
NEUTRAL: dict[str, dict[str, float | None]] = {
    "weighted_bce": {"power": 0.0},
    "focal": {"gamma": 0.0, "alpha": None},
    "asymmetric": {"positive_gamma": 0.0, "negative_gamma": 0.0, "margin": 0.0},
}


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("target", [HARD, SOFT], ids=["hard", "soft"])
@pytest.mark.parametrize("name", VALUES)
def test_a_loss_equals_its_formula(name: str, target: np.ndarray, smoothing: float) -> None:
    loss = build(name, smoothing, **VALUES[name])
    smoothed = target * (1 - smoothing) + smoothing / 2
    np.testing.assert_allclose(loss.call(target, LOGITS), brute_force(name, smoothed, LOGITS), rtol=2e-5)
    np.testing.assert_allclose(loss(target, LOGITS), brute_force(name, smoothed, LOGITS).mean(), rtol=2e-5)


@pytest.mark.parametrize("name", NEUTRAL)
def test_at_its_neutral_values_a_loss_is_cross_entropy(name: str) -> None:
    neutral, plain = build(name, 0.1, **NEUTRAL[name]), build("bce", 0.1)
    np.testing.assert_array_equal(neutral.call(SOFT, LOGITS), plain.call(SOFT, LOGITS))
    reference = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1)
    np.testing.assert_allclose(plain(SOFT, LOGITS), reference(SOFT, LOGITS), rtol=1e-5)


@pytest.mark.parametrize("name", VALUES)
def test_losses_and_gradients_are_finite_where_scores_are_0_or_1(name: str) -> None:
    logits = tf.constant([[-200.0, -30.0, -1e-9, 0.0, 30.0, 200.0]])
    for target in (np.zeros((1, 6), np.float32), np.ones((1, 6), np.float32), SOFT[:1]):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = build(name, **VALUES[name])(target, logits)
        assert np.isfinite(loss)
        assert np.isfinite(tape.gradient(loss, logits)).all()


def test_a_negative_below_the_margin_costs_and_teaches_nothing() -> None:
    logits = tf.constant([[-4.0, -3.5, -2.0]])  # scores 0.018, 0.029, 0.12
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = build("asymmetric").call(np.zeros((1, 3), np.float32), logits)
    gradient = np.asarray(tape.gradient(loss, logits))[0]
    assert gradient[0] == gradient[1] == 0
    assert gradient[2] > 0


def test_full_power_gives_positives_and_negatives_the_same_weight() -> None:
    weights = compute_positive_weights(NUM_POSITIVES, NUM_PATCHES, power=1.0)
    known = (NUM_POSITIVES > 0) & (NUM_POSITIVES < NUM_PATCHES)
    np.testing.assert_allclose((weights * NUM_POSITIVES)[known], (NUM_PATCHES - NUM_POSITIVES)[known])
    assert (weights[~known] == 1).all()
