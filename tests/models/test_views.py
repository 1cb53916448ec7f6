"""A model with test-time augmentation agrees with the mean of its views."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landscribe.models.artifact import read_model, write_model
from landscribe.models.card import ModelCard
from landscribe.models.classifier import ClassifierSpec, build_classifier
from landscribe.models.preprocess import BandInput
from landscribe.models.views import average_views, find_network
from landscribe.pipeline.backend import keras

pytestmark = pytest.mark.slow(9)

SIZES = {"R": (32, "uint8"), "B05": (16, "uint16"), "VV": (32, "float32")}
SIDES = {name: size for name, (size, _) in SIZES.items()}


@pytest.fixture(scope="module")
def one_view() -> Any:
    bands = [BandInput(name, size, dtype, 100.0, 50.0) for name, (size, dtype) in SIZES.items()]
    keras.utils.set_random_seed(1)
    return build_classifier(ClassifierSpec(bands=bands, num_classes=3, backbone="SmallResNet", dropout=0.5))


def draw_patches(enlarged: float = 1.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    patches = {}
    for name, (size, dtype) in SIZES.items():
        side = round(enlarged * size)
        patches[name] = rng.integers(0, 250, (4, side, side)).astype(dtype)
    return patches


def test_the_logits_are_the_mean_of_eight_looks_and_survive_saving(one_view: Any, tmp_path: Path) -> None:
    patches = draw_patches()
    views = []
    for turns in range(4):
        turned = {name: np.rot90(band, turns, axes=(1, 2)) for name, band in patches.items()}
        mirrored = {name: band[:, :, ::-1] for name, band in turned.items()}
        views += [one_view.predict_on_batch(turned), one_view.predict_on_batch(mirrored)]
    assert np.ptp([view[0, 0] for view in views]) > 1e-3  # they differ
    card = ModelCard(bands={}, classes=("a", "b", "c"), nomenclature="n", backbone="b", resamples=False)
    write_model(average_views(one_view, SIDES), card, tmp_path / "model.keras")
    model = read_model(tmp_path / "model.keras")
    np.testing.assert_allclose(model.predict_on_batch(patches), np.mean(views, axis=0), rtol=1e-4, atol=1e-5)
    assert list(model.input) == list(SIZES)
    for kept, weight in zip(find_network(model).get_weights(), one_view.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, weight)
    assert find_network(one_view) is one_view
    assert model.count_params() == one_view.count_params()


def test_larger_patches_are_looked_at_in_their_corners_and_in_the_middle(one_view: Any, tmp_path: Path) -> None:
    patches = draw_patches(1.25)
    whole, views = average_views(one_view, SIDES), []
    for row, column in ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2)):  # pixels of the coarsest band
        window = {}
        for name, size in SIDES.items():
            rows, columns = (slice(first * size // 16, first * size // 16 + size) for first in (row, column))
            window[name] = patches[name][:, rows, columns]
        views.append(whole.predict_on_batch(window))
    card = ModelCard(bands={}, classes=("a", "b", "c"), nomenclature="n", backbone="b", resamples=False)
    write_model(
        average_views(one_view, {name: size * 5 // 4 for name, size in SIDES.items()}), card, tmp_path / "m.keras"
    )
    model = read_model(tmp_path / "m.keras")
    np.testing.assert_allclose(model.predict_on_batch(patches), np.mean(views, axis=0), rtol=1e-4, atol=1e-5)
    assert model.count_params() == find_network(model).count_params() == one_view.count_params()
