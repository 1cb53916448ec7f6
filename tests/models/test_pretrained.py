"""A trained model gives its weights to another by name: the same bands and classes, the same model, in any order."""

import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landscribe.core.errors import TrainingError
from landscribe.models.artifact import write_model
from landscribe.models.card import CARD_NAME, ModelCard
from landscribe.models.classifier import ClassifierSpec, build_classifier
from landscribe.models.preprocess import BandInput
from landscribe.models.pretrained import Pretrained, read_classifier
from landscribe.pipeline.backend import keras

pytestmark = pytest.mark.slow(10)

BANDS, CLASSES = ("B05", "B02", "VV"), ("forest", "water", "rock")
RANGES = [(2.0, 0.5), (1.0, -1.0), (0.25, 0.0)]
SIZE_PX = 16


def build(bands: Sequence[str], num_classes: int, ranges: Any, seed: int) -> Any:
    """Return a classifier with seeded weights."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    inputs = [BandInput(name, SIZE_PX, "float32", 0.0, 1.0) for name in bands]
    spec = ClassifierSpec(bands=inputs, num_classes=num_classes, backbone="SmallResNet", dropout=0.0, ranges=ranges)
    return build_classifier(spec)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose weights expect a range, as one that began with those of ImageNet."""
    card = ModelCard(
        bands={name: {"size_px": SIZE_PX, "dtype": "float32"} for name in BANDS},
        classes=CLASSES,
        nomenclature="discovered",
        backbone="SmallResNet",
        resamples=False,
    )
    path = tmp_path_factory.mktemp("pretrained") / "model.keras"
    write_model(build(BANDS, 3, RANGES, seed=1), card, path)
    return path


def start(path: Path, bands: Sequence[str], classes: Sequence[str]) -> tuple[Any, Pretrained]:
    """Return another classifier that starts from the model."""
    pretrained = read_classifier(path, bands, classes)
    model = build(bands, len(classes), pretrained.ranges, seed=2)
    pretrained.give_to(model)
    return model, pretrained


def predict(model: Any, bands: Sequence[str]) -> np.ndarray:
    """Return the logits of two patches, the same for the same bands."""
    patches = np.random.default_rng(0).normal(size=(len(BANDS), 2, SIZE_PX, SIZE_PX)).astype(np.float32)
    values = dict(zip(BANDS, patches, strict=True))
    logits: np.ndarray = model.predict_on_batch({name: values[name] for name in bands})
    return logits


def test_the_same_bands_and_classes_are_the_same_model_in_any_order(path: Path) -> None:
    expected = predict(keras.saving.load_model(path, compile=False), BANDS)
    same, pretrained = start(path, BANDS, CLASSES)
    np.testing.assert_array_equal(predict(same, BANDS), expected)
    assert pretrained.recipe == {"bands": {name: name for name in BANDS}, "head": "kept"}
    bands, classes = ("VV", "B05", "B02"), ("water", "rock", "forest")
    other, _ = start(path, bands, classes)
    np.testing.assert_allclose(predict(other, bands), expected[:, [1, 2, 0]], rtol=1e-4, atol=1e-5)


def test_other_classes_begin_with_a_new_head_and_a_new_band_with_the_mean(path: Path) -> None:
    source = keras.saving.load_model(path, compile=False).get_weights()
    model, pretrained = start(path, ("B02", "B08"), ("forest", "water"))
    stem, *rest = model.get_weights()[:-2]
    np.testing.assert_array_equal(stem[:, :, 0], source[0][:, :, 1])
    np.testing.assert_allclose(stem[:, :, 1], source[0].mean(axis=2), rtol=1e-6)
    for one, other in zip(rest, source[1:-2], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(pretrained.ranges, [RANGES[1], np.mean(RANGES, axis=0)])
    assert pretrained.recipe == {"bands": {"B02": "B02", "B08": "mean"}, "head": "new"}
    untouched = build(("B02", "B08"), 2, pretrained.ranges, seed=2)
    np.testing.assert_array_equal(model.get_weights()[-2], untouched.get_weights()[-2])


def test_a_network_of_another_shape_is_one_sentence(path: Path) -> None:
    pretrained = read_classifier(path, BANDS, CLASSES)
    for wrong in (pretrained.backbone[:-1], [*pretrained.backbone[:-1], np.zeros(7)]):
        with pytest.raises(TrainingError, match=r"train\.weights: expected the \d+ weights") as caught:
            replace(pretrained, backbone=wrong).give_to(build(BANDS, 3, RANGES, seed=2))
        assert "\n" not in str(caught.value)


def test_a_damaged_model_is_one_sentence(path: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(tmp_path / "model.keras", "w") as target:
        target.writestr(CARD_NAME, source.read(CARD_NAME))
        target.writestr("config.json", "{}")
    with pytest.raises(TrainingError, match=r"model\.keras cannot be loaded") as caught:
        read_classifier(tmp_path / "model.keras", BANDS, CLASSES)
    assert "\n" not in str(caught.value)
