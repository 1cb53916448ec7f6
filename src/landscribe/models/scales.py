"""The feature maps of a network at several resolutions, for a head that reads more than the last one.

The last map of a pretrained network says what its own classes needed; the maps before it say more of texture and of
small objects, and a linear head is better with both (Evci et al., "Head2Toe", arXiv:2201.03529). As in a feature
pyramid (Lin et al., arXiv:1612.03144), the map of a resolution is the last one before the network reduces it.
"""

from collections.abc import Sequence
from typing import Any

from landscribe.core.errors import TrainingError
from landscribe.pipeline.backend import keras

_STEP = 1.5  # from one resolution to the next the side about halves; an unpadded convolution changes it by a few pixels


def list_scales(network: Any) -> list[Any]:
    """Return the map [batch, row, column, channel] of each resolution, the coarsest first.

    Args:
        network: Keras model with one output, its last feature map.
    """
    maps = {}  # rows -> the last map with them
    for layer in network.layers:
        # Of its last call: a network cut off at its start has called its layers twice, and `output` is of the first.
        made = layer._inbound_nodes[-1].outputs[0]
        if len(made.shape) == 4 and not isinstance(layer, keras.layers.ZeroPadding2D | keras.layers.InputLayer):
            maps[made.shape[1]] = made
    found = [network.output]
    for rows in sorted(maps):
        if rows >= _STEP * found[-1].shape[1]:
            found.append(maps[rows])
    return found


def take_scales(maps: Sequence[Any], num: int, name: str) -> list[Any]:
    """Return the first `num` maps of the network called `name`.

    Raises:
        TrainingError: there are fewer.
    """
    if num > len(maps):
        raise TrainingError(
            f"train.head_scales: expected at most {len(maps)}, the resolutions of {name}'s feature maps for patches of"
            f" this size; received {num}. Lower it."
        )
    return list(maps[:num])
