"""Modality dropout: some training patches lose one of their two sensors, so that a model works with either missing.

After Neverova, Wolf, Taylor and Nebout, "ModDrop: adaptive multi-modal gesture recognition", arXiv:1501.00102, where
whole modalities are dropped at random. Here a patch never loses both, and a dropped band is replaced by its train mean,
which the model's standardisation maps to 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from landscribe.core.bands import SENSORS, group_by_sensor
from landscribe.pipeline.backend import tf
from landscribe.pipeline.config import Replica
from landscribe.pipeline.share import Share
from landscribe.records.schema import Manifest

_STREAM = 1501_00102  # separates these random numbers from those of the augmentation, which have the same seed

Fills = dict[str, dict[str, float]]
"""Sensor -> band -> the value of a missing pixel, in the band's own unit and dtype."""


class SensorDropout(NamedTuple):
    """How often a sensor is dropped, and the values that replace it.

    Attributes:
        share: of the patches, in [0, 1]; each sensor is dropped from half of them.
        fills: of the two sensors.
    """

    share: float
    fills: Fills


def make_fills(manifest: Manifest, statistics: Mapping[str, Mapping[str, Any]], bands: Sequence[str]) -> Fills:
    """Return the train means of the bands of each sensor, rounded for integer dtypes."""

    def round_mean(band: str) -> float:
        mean, dtype = float(statistics[band]["mean"]), np.dtype(manifest.group_of(band).dtype)
        return float(np.rint(mean)) if np.issubdtype(dtype, np.integer) else mean

    return {sensor: {band: round_mean(band) for band in members} for sensor, members in group_by_sensor(bands).items()}


def drop_sensors(
    bands: Mapping[str, tf.Tensor], seed: tf.Tensor, dropout: SensorDropout, replica: Replica
) -> dict[str, tf.Tensor]:
    """Return a replica's share of a batch in which some patches have lost all bands of one sensor, never of both.

    Stateless: the same seed loses the same patches of the whole batch, for any number of replicas.

    Args:
        bands: by band name, [batch, row, column], digital numbers of both sensors.
        seed: int32 or int64 [2].
        dropout: how often, and the fills.
        replica: whose share this is; all shares have the same size.
    """
    share = Share(tf.shape(next(iter(bands.values())))[0], replica)
    stream = tf.random.fold_in(tf.cast(seed, tf.int64), _STREAM)
    drawn = share.take(tf.random.stateless_uniform([1, share.num_in_batch], stream))[0]
    dropped = dict(bands)
    # One draw decides for both sensors: they are dropped in disjoint parts of [0, 1).
    for number, sensor in enumerate(SENSORS):
        first = number * dropout.share / len(SENSORS)
        is_lost = (drawn >= first) & (drawn < first + dropout.share / len(SENSORS))
        for name, value in dropout.fills[sensor].items():
            filled = tf.fill(tf.shape(bands[name]), tf.cast(value, bands[name].dtype))
            dropped[name] = tf.raw_ops.Select(condition=is_lost, x=filled, y=bands[name])
    return dropped


def remove_sensor(bands: Mapping[str, tf.Tensor], fill: Mapping[str, float]) -> dict[str, tf.Tensor]:
    """Return a batch in which every patch has lost the bands of `fill`, a sensor's part of `Fills`."""
    lost = {name: tf.fill(tf.shape(bands[name]), tf.cast(value, bands[name].dtype)) for name, value in fill.items()}
    return dict(bands) | lost
