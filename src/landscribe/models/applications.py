"""The networks of `keras.applications` without their head and their preprocessing, and what their weights expect."""

import warnings
from typing import Any

import numpy as np

from landscribe.core.errors import TrainingError
from landscribe.pipeline.backend import keras

# Per colour, red first, of ImageNet in [0, 1]: https://github.com/keras-team/keras imagenet_utils.py, mode "torch".
_MEAN = np.array([0.485, 0.456, 0.406])
_STD = np.array([0.229, 0.224, 0.225])
_CAFFE_MEAN = np.array([123.68, 116.779, 103.939])  # same file, mode "caffe", there blue first

_WITH_SWITCH = ("MobileNetV3", "EfficientNetV2", "ConvNeXt")  # constructors with `include_preprocessing`
# Smallest sides: `min_size` in the source of each family; 32 elsewhere.
_SMALLEST_PX = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}


def find_smallest_side(name: str) -> int:
    """Return the smallest side that a network takes, in pixels."""
    return _SMALLEST_PX.get(name, 32)


def find_value_range(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (scale, offset), float64 [colour], red first, from standardised colours to the input of the weights.

    That is what `keras.applications.<family>.preprocess_input`, or the layers built in, make of pixels of 0 to 255.
    """
    if reads_blue_first(name):  # 0 to 255 less the mean
        return 255 * _STD, 255 * _MEAN - _CAFFE_MEAN
    if name.startswith(("DenseNet", "ConvNeXt", "EfficientNetB", "EfficientNetV2B")):
        return np.ones(3), np.zeros(3)
    largest = 255 / 128 if name.startswith("EfficientNetV2") else 2.0  # others -1 to 1, EfficientNetV2 S, M, L to 0.992
    return largest * _STD, largest * _MEAN - 1


def reads_blue_first(name: str) -> bool:
    """Return whether the weights come from Caffe, whose first channel is blue."""
    return name.startswith("VGG") or (name.startswith("ResNet") and not name.endswith("V2"))


def build_application(name: str, input_shape: tuple[int, int, int], weights: str | None = None) -> Any:
    """Return the network from features to the last feature map.

    Its first weight is the kernel of the first convolution, [row, column, channel, filter].

    Args:
        name: one of `models.config.APPLICATIONS`.
        input_shape: rows, columns, channels.
        weights: "imagenet" or the path of a Keras weights file, both of three channels; None for random ones.

    Raises:
        TrainingError: the weights are not available, or are those of another network.
    """
    options = {"include_preprocessing": False} if name.startswith(_WITH_SWITCH) else {}
    constructor = getattr(keras.applications, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "usually expects 1 or 3 input channels": meant
            # Without a name: EfficientNetV2 finds its blocks by its own name.
            network = constructor(include_top=False, weights=weights, input_shape=input_shape, **options)
    except Exception as error:
        if sentence := _explain(error, name, weights):
            raise TrainingError(sentence) from error
        raise
    if name.startswith("EfficientNetB"):
        # No switch: cut off before the stem. What is left out makes "torch" of 0 to 255, and of our features nothing.
        network = keras.Model(network.get_layer("stem_conv_pad").input, network.output, name=network.name)
    return network


def _explain(error: Exception, name: str, weights: str | None) -> str:
    """Return the message for an error of a constructor; an empty one if the user did not cause it."""
    if "URL fetch failure" in str(error):
        return (
            f"train.weights: the ImageNet weights of {name} are not in the Keras cache and cannot be fetched offline."
            " Run once with network access, copy the file into ~/.keras/models, or set train.weights: null."
        )
    if weights in (None, "imagenet"):
        return ""
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return (
        f"train.weights: expected {weights} to contain the weights of {name} without its head, for three channels, as"
        f" keras.applications writes them; {reason}"
    )
