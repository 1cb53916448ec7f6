"""The classifier: raw digital numbers by band name -> logits by class name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from landscribe.models.backbones import Range, build_backbone
from landscribe.models.preprocess import BandInput, build_features, build_inputs
from landscribe.pipeline.backend import keras

HEAD = "logits"


@dataclass(frozen=True, kw_only=True)
class ClassifierSpec:
    """The specification of a classifier.

    Attributes:
        bands: inputs in order.
        num_classes: size of the class axis.
        backbone: one of `models.config.BACKBONES`.
        dropout: share of the pooled features dropped while training.
        num_scales: resolutions of the backbone whose feature maps the head reads, see `models.scales`.
        ranges: of each band, for pretrained weights, see `build_backbone`; None: the weights stay random.
    """

    bands: Sequence[BandInput]
    num_classes: int
    backbone: str
    dropout: float
    num_scales: int = 1
    ranges: Sequence[Range] | None = None


def build_classifier(spec: ClassifierSpec) -> Any:
    """Return a Keras model {band: [batch, row, column] raw} -> logits float32 [batch, class].

    Its weights are those of the backbone in their order, then kernel and bias of the head.
    """
    inputs = build_inputs(spec.bands)
    features = build_features(inputs, spec.bands)
    maps = build_backbone(spec.backbone, features, spec.ranges, spec.num_scales)
    pooled = _pool(maps)
    pooled = keras.layers.Dropout(spec.dropout, name="dropout")(pooled)
    logits = keras.layers.Dense(spec.num_classes, dtype="float32", name=HEAD)(pooled)
    return keras.Model(inputs, logits, name="landscribe")


def _pool(maps: Sequence[Any]) -> Any:
    """Return the spatial means of all maps side by side, [batch, feature]."""
    names = ["pool", *(f"pool_{number}" for number in range(2, len(maps) + 1))]
    pooled = [keras.layers.GlobalAveragePooling2D(name=name)(each) for name, each in zip(names, maps, strict=True)]
    return keras.layers.Concatenate(name="scales")(pooled) if len(pooled) > 1 else pooled[0]


def freeze_backbone(model: Any, frozen: bool) -> None:
    """Make only the head trainable, or everything; frozen batch normalisation uses and keeps its statistics."""
    for layer in model.layers:
        if layer.name != HEAD:
            layer.trainable = not frozen


def freeze_batch_norm(model: Any) -> None:
    """Let no batch normalisation learn, that of nested models included; it uses and keeps its statistics."""
    for layer in list_batch_norm(model):
        layer.trainable = False


def list_batch_norm(model: Any) -> list[Any]:
    """Return the layers of batch normalisation, those of nested models included."""
    found: list[Any] = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            found.append(layer)
        elif hasattr(layer, "layers"):
            found += list_batch_norm(layer)
    return found
