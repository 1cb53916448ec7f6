"""The classifier: raw digital numbers by band name -> logits by class name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from landscribe.backend import keras
from landscribe.models.backbones import build_backbone
from landscribe.models.preprocess import BandInput, build_features, build_inputs


@dataclass(frozen=True, kw_only=True)
class ClassifierSpec:
    """What a classifier is made of.

    Attributes:
        bands: inputs in order.
        num_classes: size of the class axis.
        backbone: one of `models.config.BACKBONES`.
        imagenet: start from ImageNet weights.
        trainable_backbone: False trains the head alone.
        dropout: share of the pooled features dropped while training.
    """

    bands: Sequence[BandInput]
    num_classes: int
    backbone: str
    imagenet: bool
    trainable_backbone: bool
    dropout: float


def build_classifier(spec: ClassifierSpec) -> Any:
    """Return a Keras model {band: [batch, row, column] raw} -> logits float32 [batch, class].

    Raises:
        TrainingError: the backbone does not fit the bands.
    """
    inputs = build_inputs(spec.bands)
    features = build_features(inputs, spec.bands)
    maps = build_backbone(spec.backbone, features, imagenet=spec.imagenet, trainable=spec.trainable_backbone)
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(maps)
    pooled = keras.layers.Dropout(spec.dropout, name="dropout")(pooled)
    logits = keras.layers.Dense(spec.num_classes, dtype="float32", name="logits")(pooled)
    return keras.Model(inputs, logits, name="landscribe")
