"""The maps of a network's resolutions: halving sides, the last map first, the weights in their order."""

import itertools
from typing import Any

import numpy as np
import pytest

from landscribe.core.errors import TrainingError
from landscribe.models.applications import build_application
from landscribe.models.backbones import build_backbone
from landscribe.models.scales import list_scales
from landscribe.pipeline.backend import keras

pytestmark = pytest.mark.slow(20)

SIZE_PX = 75  # the smallest that InceptionV3 takes, and odd
LARGE = ["ConvNeXtTiny", "DenseNet121", "EfficientNetV2B0", "InceptionV3", "NASNetMobile", "ResNet50V2", "VGG16"]
LARGE += ["MobileNet", "ResNet50", "Xception"]
LARGE_NAMES = [pytest.param(name, marks=pytest.mark.drill) for name in LARGE]
NAMES = ["SmallResNet", "EfficientNetB0"]


def build(name: str, num_scales: int) -> Any:
    """Return a model from features to the maps of so many resolutions."""
    keras.backend.clear_session()
    features = keras.Input((SIZE_PX, SIZE_PX, 3))
    return keras.Model(features, build_backbone(name, features, None, num_scales))


@pytest.mark.parametrize("name", [*NAMES, *LARGE_NAMES])
def test_each_map_has_about_twice_the_side_and_the_last_is_that_of_the_network(name: str) -> None:
    one, four = build(name, 1), build(name, 4)  # the most that `train.head_scales` allows
    sides = [shape[1] for shape in four.output_shape]
    assert all(1.4 < finer / coarser <= 3 for coarser, finer in itertools.pairwise(sides))
    assert [weight.shape for weight in one.weights] == [weight.shape for weight in four.weights]
    four.set_weights(one.get_weights())
    patches = np.random.default_rng(0).normal(size=(1, SIZE_PX, SIZE_PX, 3))
    last, *others = four.predict_on_batch(patches)
    np.testing.assert_allclose(last, one.predict_on_batch(patches), rtol=1e-4, atol=1e-5)
    assert all(np.ptp(each) > 0 for each in others)


def test_the_map_of_a_resolution_is_the_last_one_before_the_network_reduces_it() -> None:
    network = build_application("MobileNet", (224, 224, 3))
    layers = [each._keras_history.operation.name for each in list_scales(network)]
    expected = ["conv_pw_13_relu", "conv_pw_11_relu", "conv_pw_5_relu", "conv_pw_3_relu", "conv_pw_1_relu"]
    assert layers == expected


def test_more_resolutions_than_there_are_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"train\.head_scales: expected at most 4.*SmallResNet.*received 5"):
        build("SmallResNet", 5)
