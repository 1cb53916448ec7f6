"""Backbones by name: the small residual network and those of `keras.applications`."""

from collections.abc import Sequence
from typing import Any

from landscribe.models.applications import build_application, find_smallest_side
from landscribe.models.residual import build_small_resnet
from landscribe.models.scales import list_scales, take_scales
from landscribe.pipeline.backend import keras

Range = tuple[float, float]
"""(scale, offset) that convert a standardised band to the values that pretrained weights were trained on."""

RANGE_LAYER = "imagenet_range"
# keras.applications sets 0.99 or 0.999: after a few hundred steps the moving statistics are still those of the
# initial weights, and the model scores near the prior. 0.9 settles within 50 steps.
_BATCH_NORM_MOMENTUM = 0.9


def build_backbone(name: str, features: Any, ranges: Sequence[Range] | None = None, num_scales: int = 1) -> list[Any]:
    """Return the feature maps of the last resolutions, [batch, row, column, channel], the coarsest first.

    The weights are random. Patches smaller than the minimum of the network are enlarged bilinearly.

    Args:
        name: one of `models.config.BACKBONES`.
        features: float32 [batch, row, column, band], standardised.
        ranges: of each band, for pretrained weights, which also bring settled statistics; None for random ones.
        num_scales: how many resolutions; 1 for the last feature map alone.

    Raises:
        TrainingError: the network has fewer.
    """
    if ranges and any(each != (1.0, 0.0) for each in ranges):
        scales, offsets = (list(column) for column in zip(*ranges, strict=True))
        features = keras.layers.Rescaling(scales, offsets, name=RANGE_LAYER)(features)
    if name == "SmallResNet":
        return take_scales(build_small_resnet(features), num_scales, name)
    smallest_px = find_smallest_side(name)
    sides = [max(side, smallest_px) for side in features.shape[1:3]]
    if sides != list(features.shape[1:3]):
        features = keras.layers.Resizing(*sides, interpolation="bilinear", name="enlarge")(features)
    network = build_application(name, tuple(features.shape[1:]))
    if num_scales > 1:  # the last map stays the first output: the weights keep their order
        maps = take_scales(list_scales(network), num_scales, name)
        network = keras.Model(network.input, maps, name=network.name)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization) and ranges is None:
            layer.momentum = min(layer.momentum, _BATCH_NORM_MOMENTUM)
    found = network(features)
    return list(found) if num_scales > 1 else [found]
