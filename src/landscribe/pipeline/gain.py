"""Gain: each band is made brighter or darker by its own factor, as changes of light and air would do."""

from typing import NamedTuple

import numpy as np

from landscribe.core.bands import S1_BANDS
from landscribe.pipeline.backend import tf
from landscribe.pipeline.share import Share


class Gains(NamedTuple):
    """One factor per band and patch, float32 [band, batch]: linear and in decibels."""

    factor: tf.Tensor
    decibels: tf.Tensor


def draw_gains(share: Share, seed: tf.Tensor, num_bands: int, gain_fraction: float) -> Gains:
    """Return factors between 1 - gain_fraction and 1 + gain_fraction, from the int64 [2] seed."""
    shape = [num_bands, share.num_in_batch]
    factor = tf.random.stateless_uniform(shape, seed, 1 - gain_fraction, 1 + gain_fraction)
    # For the whole batch: the last bit of a logarithm depends on the position in the array.
    decibels = 10.0 / np.log(10.0) * tf.math.log(factor)
    return Gains(share.take(factor), share.take(decibels))


def amplify(band: tf.Tensor, name: str, gains: Gains, number: int) -> tf.Tensor:
    """Return [batch, row, column] of the same dtype; integers are rounded and stay within their range.

    Args:
        band: [batch, row, column]: digital numbers in proportion to the light; floats of VV and VH are decibels.
        name: of the band.
        gains: of the batch.
        number: which of them is the band's.
    """
    if name in S1_BANDS and band.dtype.is_floating:
        return band + gains.decibels[number][:, tf.newaxis, tf.newaxis]
    amplified = tf.cast(band, tf.float32) * gains.factor[number][:, tf.newaxis, tf.newaxis]
    return tf.saturate_cast(tf.round(amplified), band.dtype) if band.dtype.is_integer else amplified
