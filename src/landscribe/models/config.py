"""Names of the backbones, known without importing TensorFlow: params.yaml is checked before any work."""

from typing import Literal, get_args

Backbone = Literal[
    "SmallResNet",
    "VGG16",
    "VGG19",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "ResNet50V2",
    "DenseNet121",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "MobileNetV3Large",
    "EfficientNetV2B0",
    "EfficientNetV2B1",
    "EfficientNetV2B2",
    "EfficientNetV2B3",
    "EfficientNetV2S",
    "ConvNeXtTiny",
]
BACKBONES: tuple[str, ...] = get_args(Backbone)
