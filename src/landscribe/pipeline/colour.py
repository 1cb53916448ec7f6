"""Contrast and saturation of each patch, changed as other cameras, exposures and seasons would do."""

from collections.abc import Mapping
from typing import NamedTuple

from landscribe.pipeline.backend import tf
from landscribe.pipeline.share import Share


class Colour(NamedTuple):
    """One factor per patch, each float32 [batch]."""

    contrast: tf.Tensor
    saturation: tf.Tensor


def draw_colour(share: Share, seed: tf.Tensor, contrast_fraction: float, saturation_fraction: float) -> Colour:
    """Return factors between 1 - fraction and 1 + fraction, from the int64 [2] seed."""
    reach = tf.constant([contrast_fraction, saturation_fraction])[:, tf.newaxis]
    drawn = share.take(tf.random.stateless_uniform([2, share.num_in_batch], seed, -1.0, 1.0))
    return Colour(*tf.unstack(1.0 + reach * drawn))


def recolour(bands: Mapping[str, tf.Tensor], colour: Colour) -> dict[str, tf.Tensor]:
    """Return the bands with other distances from the mean of the band (contrast) and of the pixel (saturation).

    Args:
        bands: by name, [batch, row, column]. The mean of a pixel is over the bands of its size and dtype: of one
            sensor, in one unit. Integers are rounded and stay within their range.
        colour: of the batch.
    """
    contrast, saturation = (factor[:, tf.newaxis, tf.newaxis] for factor in colour)
    changed = {}
    for name, band in bands.items():
        values = tf.cast(band, tf.float32)
        mean = tf.reduce_mean(values, axis=[1, 2], keepdims=True)
        changed[name] = mean + contrast * (values - mean)
    recoloured = {}
    for name, band in bands.items():
        alike = [other for other, each in bands.items() if _find_kind(each) == _find_kind(band)]
        grey = tf.add_n([changed[other] for other in alike]) / len(alike)
        values = grey + saturation * (changed[name] - grey)
        recoloured[name] = tf.saturate_cast(tf.round(values), band.dtype) if band.dtype.is_integer else values
    return recoloured


def _find_kind(band: tf.Tensor) -> tuple[int, str]:
    """Return side and dtype."""
    return band.shape[1], band.dtype.name
