"""Every name is one of Keras; a backbone takes any bands and any side, and random weights see features as they are."""

import inspect
from typing import Any

import numpy as np
import pytest

from landscribe.models.backbones import build_backbone
from landscribe.models.config import APPLICATIONS, BACKBONES
from landscribe.pipeline.backend import keras

pytestmark = pytest.mark.slow(25)

FAMILIES = ["SmallResNet", "ConvNeXtTiny", "EfficientNetB0", "MobileNetV2", "MobileNetV3Small", "ResNet50", "VGG16"]
# These take seconds to build.
LARGE = ["DenseNet121", "EfficientNetV2B0", "InceptionResNetV2", "InceptionV3", "MobileNet", "NASNetMobile"]
LARGE += ["ResNet50V2", "Xception"]
LARGE_FAMILIES = [pytest.param(name, marks=pytest.mark.drill) for name in LARGE]
SIZE_PX = 61  # odd, and less than InceptionV3 takes


def build(name: str, num_bands: int = 5, size_px: int = SIZE_PX, ranges: Any = None) -> Any:
    """Return a model from features to the last feature map."""
    keras.backend.clear_session()
    features = keras.Input((size_px, size_px, num_bands))
    return keras.Model(features, build_backbone(name, features, ranges)[0])


def list_layers(model: Any) -> list[Any]:
    """Return the layers, those of nested models included."""
    return [inner for layer in model.layers for inner in (list_layers(layer) if hasattr(layer, "layers") else [layer])]


def test_the_names_are_all_that_keras_offers() -> None:
    offered = {name for name, member in inspect.getmembers(keras.applications, inspect.isfunction)}
    assert set(APPLICATIONS) == offered
    assert len(set(BACKBONES)) == len(offered) + 1


@pytest.mark.parametrize("name", [*FAMILIES, *LARGE_FAMILIES])
def test_a_backbone_takes_any_number_of_bands_as_they_are(name: str) -> None:
    model = build(name)
    batch, rows, columns, channels = model.output_shape
    assert batch is None
    assert rows == columns >= 1
    assert channels > 32
    layers = list_layers(model)
    first = next(layer for layer in layers if layer.weights)
    assert isinstance(first, keras.layers.Conv2D)
    assert model.weights[0] is first.weights[0]  # where pretrained weights are inflated
    assert model.weights[0].shape[2] == 5
    assert not any(isinstance(layer, keras.layers.Rescaling | keras.layers.Normalization) for layer in layers)
    momenta = [layer.momentum for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert all(momentum <= 0.9 for momentum in momenta)  # 0.99 scores near the prior after a few hundred steps
    assert momenta or name.startswith(("VGG", "ConvNeXt"))


def test_a_patch_that_is_too_small_is_enlarged() -> None:
    model = build("MobileNetV3Small", num_bands=2, size_px=17)
    enlarged = model.get_layer("enlarge")
    assert enlarged.output.shape == (None, 32, 32, 2)
    assert model.output_shape[1:3] == (1, 1)
    constant = keras.ops.convert_to_numpy(enlarged(np.full((1, 17, 17, 2), 0.5, np.float32)))
    np.testing.assert_allclose(constant, 0.5)


def test_the_small_network_takes_small_patches_as_they_are() -> None:
    model = build("SmallResNet", size_px=17)
    assert not any(isinstance(layer, keras.layers.Resizing) for layer in model.layers)
    assert model.output_shape[1:3] == (1, 1)


def test_pretrained_weights_see_each_band_in_its_range() -> None:
    model = build("SmallResNet", num_bands=2, ranges=[(2.0, 1.0), (0.5, -1.0)])
    seen = model.get_layer("imagenet_range")(np.ones((1, 4, 4, 2), np.float32))
    np.testing.assert_allclose(seen[0, 0, 0], [3.0, -0.5])
