"""With red, green and blue and the weights of Keras, a network is Keras' own, fed as Keras feeds it."""

import itertools
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landscribe.core.errors import TrainingError
from landscribe.models.applications import build_application, find_value_range, reads_blue_first
from landscribe.models.backbones import build_backbone
from landscribe.models.pretrained import read_imagenet
from landscribe.pipeline.backend import keras
from tests.models.test_backbones import FAMILIES, LARGE_FAMILIES

pytestmark = pytest.mark.slow(20)

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
STANDARDISED = ((PIXELS / 255 - MEAN) / STD).astype(np.float32)
WITHOUT_SWITCH = "EfficientNetB0"
PREPROCESSING = keras.layers.Rescaling | keras.layers.Normalization


def build_whole(name: str, weights: str | None = None) -> Any:
    """Return the network as Keras builds it, its preprocessing included."""
    keras.backend.clear_session()  # layers without a name of their own count up in a process
    keras.utils.set_random_seed(3)
    return getattr(keras.applications, name)(include_top=False, weights=weights, input_shape=(32, 32, 3))


def list_leading(network: Any) -> list[Any]:
    """Return the layers of preprocessing that a network begins with."""
    flat = [inner for layer in network.layers for inner in (getattr(layer, "layers", None) or [layer])]
    layers = [layer for layer in flat if not isinstance(layer, keras.layers.InputLayer)]
    return list(itertools.takewhile(lambda layer: isinstance(layer, PREPROCESSING), layers))


def write_weights(name: str, path: Path) -> Any:
    """Write random weights as Keras writes them; return the network that has them."""
    network = build_whole(name)
    if name == WITHOUT_SWITCH:  # its file holds these; the standard deviations stand in the place of variances
        network.get_layer("normalization").set_weights([MEAN, STD, np.array(0)])
    network.save_weights(path)
    return network


@pytest.mark.parametrize(
    "name",
    [*(name for name in FAMILIES if name not in ("SmallResNet", WITHOUT_SWITCH)), *LARGE_FAMILIES],
)
def test_the_range_is_that_of_keras(name: str) -> None:
    values = sys.modules[getattr(keras.applications, name).__module__].preprocess_input(PIXELS.copy())
    if name.startswith(("ConvNeXt", "EfficientNetV2", "MobileNetV3")):  # the others have nothing built in
        for layer in list_leading(build_whole(name)):
            values = layer(values)
    scale, offset = find_value_range(name)
    seen = scale * STANDARDISED + offset
    seen = seen[..., ::-1] if reads_blue_first(name) else seen
    np.testing.assert_allclose(seen, values, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["VGG16", "MobileNetV3Small"])
def test_red_green_and_blue_give_what_keras_gives(name: str, tmp_path: Path) -> None:
    whole = write_weights(name, tmp_path / "network.weights.h5")
    pretrained = read_imagenet(name, ["R", "G", "B"], 32, tmp_path / "network.weights.h5")
    features = keras.Input((32, 32, 3))
    ours = keras.Model(features, build_backbone(name, features, pretrained.ranges)[0])
    ours.set_weights(pretrained.backbone)
    preprocess = sys.modules[getattr(keras.applications, name).__module__].preprocess_input
    expected = whole(preprocess(PIXELS.copy()))
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(ours(STANDARDISED), expected, rtol=1e-3, atol=1e-4 * float(np.max(np.abs(expected))))


@pytest.mark.drill
def test_what_cannot_be_switched_off_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "network.weights.h5"
    write_weights(WITHOUT_SWITCH, path)
    monkeypatch.setattr("keras.src.applications.efficientnet.file_utils.get_file", lambda *_, **__: str(path))
    whole = build_whole(WITHOUT_SWITCH, "imagenet")
    values = PIXELS
    for layer in list_leading(whole):
        values = layer(values)
    np.testing.assert_allclose(values, STANDARDISED, rtol=1e-3, atol=1e-4)
    ours = build_application(WITHOUT_SWITCH, (32, 32, 3), "imagenet")
    assert not list_leading(ours)
    for one, other in zip(ours.weights, whole.get_weights()[3:], strict=True):
        np.testing.assert_array_equal(one, other)
    scale, offset = find_value_range(WITHOUT_SWITCH)
    assert (scale.tolist(), offset.tolist()) == ([1, 1, 1], [0, 0, 0])


def test_weights_that_cannot_be_fetched_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path))  # KERAS_HOME is read at import
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(TrainingError, match=r"ImageNet weights of MobileNetV2.*train\.weights: null") as caught:
        read_imagenet("MobileNetV2", ["B04", "B03", "B02"], 32)
    assert "\n" not in str(caught.value)


def test_weights_of_another_network_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "network.weights.h5"
    write_weights("MobileNetV3Small", path)
    with pytest.raises(
        TrainingError, match=r"expected .*network\.weights\.h5 to contain the weights of MobileNet"
    ) as caught:
        read_imagenet("MobileNet", ["R", "G", "B"], 32, path)
    assert "\n" not in str(caught.value)
