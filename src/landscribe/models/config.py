"""Section `machine` of params.yaml; names of backbones and of weights. Known without importing TensorFlow."""

import re
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator

from landscribe.core.params import Section

Device = Literal["auto", "cpu", "gpu"]

Application = Literal[
    "ConvNeXtBase",
    "ConvNeXtLarge",
    "ConvNeXtSmall",
    "ConvNeXtTiny",
    "ConvNeXtXLarge",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "EfficientNetB0",
    "EfficientNetB1",
    "EfficientNetB2",
    "EfficientNetB3",
    "EfficientNetB4",
    "EfficientNetB5",
    "EfficientNetB6",
    "EfficientNetB7",
    "EfficientNetV2B0",
    "EfficientNetV2B1",
    "EfficientNetV2B2",
    "EfficientNetV2B3",
    "EfficientNetV2L",
    "EfficientNetV2M",
    "EfficientNetV2S",
    "InceptionResNetV2",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Large",
    "MobileNetV3Small",
    "NASNetLarge",
    "NASNetMobile",
    "ResNet101",
    "ResNet101V2",
    "ResNet152",
    "ResNet152V2",
    "ResNet50",
    "ResNet50V2",
    "VGG16",
    "VGG19",
    "Xception",
]
Backbone = Literal["SmallResNet", Application]
APPLICATIONS: tuple[str, ...] = get_args(Application)
BACKBONES: tuple[str, ...] = get_args(Backbone)

WeightsKind = Literal["imagenet", "model", "keras_weights", "registered"]


def find_kind(weights: str) -> WeightsKind:
    """Return what a value of `train.weights` names: ImageNet's weights, a file of either kind or a registered model.

    Raises:
        ValueError: it is none of these.
    """
    if weights == "imagenet":
        return "imagenet"
    if re.fullmatch(r"models:/[^/@]+(/\d+|@[^/@]+)", weights):
        return "registered"
    if not weights.startswith("models:/") and weights.endswith(".keras"):
        return "model"
    if not weights.startswith("models:/") and weights.endswith(".h5"):
        return "keras_weights"
    raise ValueError(
        "expected null, imagenet, a file (.keras of the stage train, or .h5 of keras.applications), models:/NAME@ALIAS"
        f" or models:/NAME/VERSION; received '{weights}'"
    )


def _check(weights: str) -> str:
    find_kind(weights)
    return weights


Weights = Annotated[str, AfterValidator(_check)]


class MachineConfig(Section):
    """Section `machine`: where to compute. No stage tracks it, for it is not meant to change what is learned.

    Attributes:
        device: "auto" takes the GPUs of this host when there are any; "gpu" stops without one.
    """

    device: Device
