"""Every backbone builds for any bands; pretrained weights see the value range that they were trained on."""

import inspect
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landscribe.backend import keras
from landscribe.errors import TrainingError
from landscribe.models import backbones
from landscribe.models.backbones import build_backbone
from landscribe.models.config import BACKBONES

APPLICATIONS = [name for name in BACKBONES if name != "SmallResNet"]
SIZE_PX = 64


def build(name: str, num_bands: int = 4, *, imagenet: bool = False, trainable: bool = True) -> Any:
    """Return a model from features to the last feature map."""
    keras.backend.clear_session()
    features = keras.Input((SIZE_PX, SIZE_PX, num_bands))
    return keras.Model(features, build_backbone(name, features, imagenet=imagenet, trainable=trainable))


def list_layers(model: Any) -> list[Any]:
    """Return the layers, those of nested models included."""
    return [inner for layer in model.layers for inner in (list_layers(layer) if hasattr(layer, "layers") else [layer])]


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_takes_any_number_of_bands_and_gives_a_feature_map(name: str) -> None:
    model = build(name)
    batch, rows, columns, channels = model.output_shape
    assert batch is None
    assert rows == columns == SIZE_PX // 32
    assert channels > 32
    assert model.trainable_weights
    momenta = [layer.momentum for layer in list_layers(model) if isinstance(layer, keras.layers.BatchNormalization)]
    assert all(momentum <= 0.9 for momentum in momenta)  # 0.99 scores near the prior after a few hundred steps
    assert momenta or name.startswith(("VGG", "ConvNeXt"))


def test_a_frozen_backbone_has_no_trainable_weights_and_no_moving_statistics() -> None:
    model = build("MobileNetV3Small", trainable=False)
    assert model.weights
    assert not model.trainable_weights
    before = model.get_weights()
    model(np.random.default_rng(0).normal(size=(2, SIZE_PX, SIZE_PX, 4)).astype(np.float32), training=True)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(("imagenet", "trainable"), [(True, True), (False, False)])
def test_small_resnet_has_no_weights_to_start_from(imagenet: bool, trainable: bool) -> None:
    with pytest.raises(TrainingError, match=r"train\.weights to null"):
        build("SmallResNet", 3, imagenet=imagenet, trainable=trainable)


def test_imagenet_takes_three_bands() -> None:
    with pytest.raises(TrainingError, match=r"train\.weights: imagenet takes three bands.*received 4"):
        build("MobileNetV2", imagenet=True)


def test_a_patch_too_small_is_one_sentence() -> None:
    features = keras.Input((16, 16, 3))
    with pytest.raises(TrainingError, match=r"train\.backbone VGG16 does not take patches of \(16, 16, 3\)") as caught:
        build_backbone("VGG16", features, imagenet=False, trainable=True)
    assert "\n" not in str(caught.value)


def test_weights_that_cannot_be_fetched_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path))  # KERAS_HOME is read at import
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(TrainingError, match=r"ImageNet weights of MobileNetV2.*train\.weights: null") as caught:
        build("MobileNetV2", 3, imagenet=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", APPLICATIONS)
def test_imagenet_weights_see_their_own_preprocessing(name: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 2, 2, 3)).astype(np.float32)
    standardised = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    seen = backbones._to_imagenet_range(standardised.astype(np.float32), backbones._SCALINGS.get(name, "tf"))
    # EfficientNetV2S divides by 128 where the others divide by 127.5.
    np.testing.assert_allclose(seen, preprocess_as_keras(name, pixels), rtol=1e-4, atol=0.01)


def preprocess_as_keras(name: str, pixels: np.ndarray) -> Any:
    """Return what `preprocess_input` and the built-in layers of an application make of red, green, blue in 0 to 255."""
    constructor = getattr(keras.applications, name)
    values = sys.modules[constructor.__module__].preprocess_input(pixels.copy())
    if "include_preprocessing" in inspect.signature(constructor).parameters:
        network = constructor(include_top=False, weights=None, input_shape=(SIZE_PX, SIZE_PX, 3))
        for layer in network.layers[1:]:
            leading = layer.layers if hasattr(layer, "layers") else [layer]
            if not all(
                isinstance(one, keras.layers.Rescaling | keras.layers.Normalization | keras.layers.InputLayer)
                for one in leading
            ):
                break
            values = layer(values)
    return values
