"""Backbones by name: the small residual network and those of `keras.applications`.

ImageNet weights expect three channels, red first, in the value range they were trained on; `_SCALINGS` undoes our
standardisation for them. Built-in preprocessing layers are switched off.
"""

import warnings
from typing import Any

import numpy as np

from landscribe.backend import keras
from landscribe.errors import TrainingError
from landscribe.models.residual import build_small_resnet

# Per channel, red first, of ImageNet in [0, 1]: https://github.com/keras-team/keras imagenet_utils.py, mode "torch".
_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
_IMAGENET_STD = np.array([0.229, 0.224, 0.225])
_CAFFE_MEAN_BGR = np.array([103.939, 116.779, 123.68])  # same file, mode "caffe"

# Value range of the weights, as `keras.applications.<family>.preprocess_input` produces it.
_SCALINGS = {
    "VGG16": "caffe",
    "VGG19": "caffe",
    "ResNet50": "caffe",
    "ResNet101": "caffe",
    "ResNet152": "caffe",
    "DenseNet121": "torch",
    "ConvNeXtTiny": "torch",
    "EfficientNetV2B0": "torch",
    "EfficientNetV2B1": "torch",
    "EfficientNetV2B2": "torch",
    "EfficientNetV2B3": "torch",
}
_SWITCHED_OFF = ("MobileNetV3", "EfficientNetV2", "ConvNeXt")  # constructors with `include_preprocessing`

# keras.applications sets 0.99 or 0.999: after a few hundred steps the moving statistics are still those of the
# initial weights, and the model scores near the prior. 0.9 settles within 50 steps.
_BATCH_NORM_MOMENTUM = 0.9


def build_backbone(name: str, features: Any, *, imagenet: bool, trainable: bool) -> Any:
    """Return the last feature map, [batch, row, column, channel].

    Args:
        name: one of `models.config.BACKBONES`.
        features: float32 [batch, row, column, band], standardised.
        imagenet: start from ImageNet weights; three bands only, red first.
        trainable: False freezes the backbone, batch normalisation included.

    Raises:
        TrainingError: ImageNet weights do not fit or cannot be had, or the patch is too small for the backbone.
    """
    if name == "SmallResNet":
        if imagenet or not trainable:
            raise TrainingError(
                "train.backbone SmallResNet has no pretrained weights; set train.weights to null and"
                " train.trainable_backbone to true, or choose a backbone of keras.applications."
            )
        return build_small_resnet(features)
    if imagenet:
        features = _to_imagenet_range(features, _SCALINGS.get(name, "tf"))
    network = _build_application(name, tuple(features.shape[1:]), "imagenet" if imagenet else None)
    network.trainable = trainable
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization) and not imagenet:
            layer.momentum = min(layer.momentum, _BATCH_NORM_MOMENTUM)
    return network(features)


def _build_application(name: str, input_shape: tuple[int, ...], weights: str | None) -> Any:
    if weights and input_shape[-1] != 3:
        raise TrainingError(
            f"train.weights: imagenet takes three bands, red first; received {input_shape[-1]}. Choose three in"
            " train.bands, e.g. [B04, B03, B02], or set train.weights to null."
        )
    options = {"include_preprocessing": False} if name.startswith(_SWITCHED_OFF) else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "usually expects 1 or 3 input channels": meant
            constructor = getattr(keras.applications, name)
            # No name of our own: EfficientNetV2 looks its blocks up by it.
            return constructor(include_top=False, weights=weights, input_shape=input_shape, **options)
    except ValueError as error:
        reason = str(error).splitlines()[0][:200]
        raise TrainingError(f"train.backbone {name} does not take patches of {input_shape}: {reason}") from error
    except Exception as error:
        if "URL fetch failure" not in str(error):
            raise
        raise TrainingError(
            f"train.weights: the ImageNet weights of {name} are not in the Keras cache and cannot be fetched"
            " offline. Run once with network access, copy the file into ~/.keras/models, or set train.weights: null."
        ) from error


def _to_imagenet_range(features: Any, scaling: str) -> Any:
    """Return standardised red, green, blue as the weights saw them."""
    if scaling == "torch":
        return features
    if scaling == "tf":  # [-1, 1]
        scale, offset = 2 * _IMAGENET_STD, 2 * _IMAGENET_MEAN - 1
    else:  # caffe: 0 to 255, blue first, mean subtracted
        features = keras.ops.flip(features, axis=-1)
        scale, offset = 255 * _IMAGENET_STD[::-1], 255 * _IMAGENET_MEAN[::-1] - _CAFFE_MEAN_BGR
    return keras.layers.Rescaling(scale.tolist(), offset.tolist(), name="imagenet_range")(features)
