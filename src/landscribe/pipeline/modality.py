"""Modality dropout: some training patches lose one of their two sensors, so that a model serves with either missing.

After Neverova, Wolf, Taylor and Nebout, "ModDrop: adaptive multi-modal gesture recognition", arXiv:1501.00102, where
whole modalities are dropped at random. Here a patch never loses both, and what is lost is the train mean of
each band, which the model's standardisation turns into 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from landscribe.core.bands import SENSORS, group_by_sensor
from landscribe.pipeline.backend import tf
from landscribe.pipeline.config import Replica
from landscribe.pipeline.share import Share
from landscribe.records.schema import Manifest

_STREAM = 1501_00102  # sets these draws apart from those of the augmentation, which have the same seed

Fills = dict[str, dict[str, float]]
"""Sensor -> band -> what stands for a pixel that is missing, in the band's own unit and dtype."""


class SensorDropout(NamedTuple):
    """How often a sensor is lost, and what stands in its place.

    Attributes:
        share: of the patches, in [0, 1]; each sensor is lost by half of them.
        fills: of the two sensors.
    """

    share: float
    fills: Fills


def make_fills(manifest: Manifest, statistics: Mapping[str, Mapping[str, Any]], bands: Sequence[str]) -> Fills:
    """Return the train means of the bands of each sensor, rounded where digital numbers are whole."""

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
        replica: whose share this is; the shares are of one size.
    """
    share = Share(tf.shape(next(iter(bands.values())))[0], replica)
    stream = tf.random.fold_in(tf.cast(seed, tf.int64), _STREAM)
    drawn = share.take(tf.random.stateless_uniform([1, share.num_in_batch], stream))[0]
    dropped = dict(bands)
    # One draw decides of both sensors: the parts of [0, 1) in which one is lost do not meet.
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
