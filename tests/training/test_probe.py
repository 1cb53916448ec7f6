"""The linear probe: the optimum of ridge regression on standardised features, as logits of raw ones."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from landscribe.models.classifier import HEAD, ClassifierSpec, build_classifier
from landscribe.models.preprocess import BandInput
from landscribe.models.views import SYMMETRIES, turn_bands
from landscribe.pipeline.backend import keras
from landscribe.training import probe
from landscribe.training.probe import fit_head

pytestmark = pytest.mark.slow(8)

NUM, PENALTY = 40, 0.3


@pytest.fixture
def model() -> Any:
    keras.utils.set_random_seed(1)
    bands = [BandInput("R", 32, "uint8", 100.0, 50.0), BandInput("B05", 16, "uint16", 100.0, 50.0)]
    spec = ClassifierSpec(bands=bands, num_classes=4, backbone="SmallResNet", dropout=0.5, num_scales=2)
    return build_classifier(spec)


def make_batches() -> tuple[list[Any], dict[str, np.ndarray], np.ndarray]:
    """Return batches of eight patches, all patches, and labels: two that brightness shows, none and all."""
    rng = np.random.default_rng(0)
    bands: dict[str, np.ndarray] = {
        "R": (rng.random((NUM, 32, 32)) * rng.uniform(20, 250, (NUM, 1, 1))).astype(np.uint8),
        "B05": (rng.random((NUM, 16, 16)) * rng.uniform(20, 900, (NUM, 1, 1))).astype(np.uint16),
    }
    bright = [bands[name].mean(axis=(1, 2)) > np.median(bands[name]) for name in ("R", "B05")]
    labels = np.stack([*bright, np.zeros(NUM), np.ones(NUM)], axis=1).astype(np.float32)
    places = [slice(first, first + 8) for first in range(0, NUM, 8)]
    return (
        [(np.arange(8), {name: band[at] for name, band in bands.items()}, labels[at]) for at in places],
        bands,
        labels,
    )


def read_features(model: Any, bands: dict[str, Any]) -> np.ndarray:
    return np.asarray(keras.Model(model.input, model.get_layer(HEAD).input).predict_on_batch(bands))


@pytest.mark.parametrize("turns", [True, False])
def test_a_logit_orders_patches_as_ridge_regression_does(model: Any, turns: bool) -> None:
    batches, bands, labels = make_batches()
    backbone = [weight.numpy() for weight in model.weights[:-2]]
    fit_head(model, batches, NUM, PENALTY, turns)
    views = SYMMETRIES if turns else SYMMETRIES[:1]
    features = np.concatenate([read_features(model, turn_bands(bands, *view)) for view in views])
    constant = np.ptp(features, axis=0) == 0
    scaled = (features - features.mean(axis=0)) / np.where(constant, 1, features.std(axis=0))
    ridge = Ridge(alpha=PENALTY * len(scaled)).fit(scaled, np.tile(labels, (len(views), 1)))
    ours = np.concatenate([model.predict_on_batch(turn_bands(bands, *view)) for view in views])
    for column in (0, 1):
        theirs = ridge.predict(scaled)[:, column]
        slope, offset = np.polyfit(theirs, ours[:, column], 1)
        assert slope > 0
        np.testing.assert_allclose(slope * theirs + offset, ours[:, column], rtol=1e-3, atol=1e-3)
        assert roc_auc_score(np.tile(labels[:, column], len(views)), ours[:, column]) > 0.9
    for before, after in zip(backbone, model.weights[:-2], strict=True):
        np.testing.assert_array_equal(before, after.numpy())


def test_a_logit_is_that_of_a_probability(model: Any) -> None:
    batches, bands, labels = make_batches()
    fit_head(model, batches, NUM, PENALTY, turns=False)
    scores = 1 / (1 + np.exp(-model.predict_on_batch(bands)))
    np.testing.assert_allclose(scores.mean(axis=0)[:2], labels.mean(axis=0)[:2], atol=0.02)
    np.testing.assert_allclose(scores[:, 2], 0.5 / (NUM + 1), rtol=1e-4)
    np.testing.assert_allclose(scores[:, 3], (NUM + 0.5) / (NUM + 1), rtol=1e-4)


def test_the_same_patches_give_the_same_head(model: Any) -> None:
    batches, _, _ = make_batches()
    heads = []
    for _ in range(2):
        fit_head(model, batches, NUM, PENALTY, turns=True)
        heads.append(model.get_layer(HEAD).get_weights())
    for one, other in zip(*heads, strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_more_patches_are_read_than_memory_holds(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MAX_VIEWS", 16)
    batches, _, _ = make_batches()
    read: list[int] = []

    def watch() -> Any:
        for number, batch in enumerate(batches):
            read.append(number)
            yield batch

    fit_head(model, watch(), NUM, PENALTY, turns=True)
    assert read == [0, 1]
