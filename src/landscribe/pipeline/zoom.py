"""Zoom: a window of each patch is resized bilinearly, in the same way for bands of every size."""

from typing import NamedTuple

from landscribe.pipeline.backend import tf
from landscribe.pipeline.share import Share

# Of the side: a window that ends exactly at the last pixel's centre could be rounded to a place outside of the patch.
_ROUNDING = 1e-5


class Window(NamedTuple):
    """One window per patch, in parts of the side.

    Attributes:
        start: float32 [2, batch], first row and first column.
        side: float32 [batch], in (0, 1].
    """

    start: tf.Tensor
    side: tf.Tensor


def draw_window(share: Share, seed: tf.Tensor, coarsest_px: int, zoom_fraction: float) -> Window:
    """Return windows of 1 - zoom_fraction to 1 of the side, within the centres of the outermost coarse pixels.

    Args:
        share: whose patches.
        seed: int64 [2].
        coarsest_px: side of the coarsest band.
        zoom_fraction: largest part of the side that is cropped.
    """
    cut, row, column = tf.unstack(share.take(tf.random.stateless_uniform([3, share.num_in_batch], seed)))
    cut *= zoom_fraction
    margin = cut / (2 * coarsest_px) + tf.minimum(_ROUNDING, cut / 4)
    start = margin + tf.stack([row, column]) * tf.maximum(cut - 2 * margin, 0.0)
    return Window(start, 1.0 - cut)


def draw_at_size(band: tf.Tensor, side_px: int, drawn_px: int, window: Window) -> tf.Tensor:
    """Return [batch, drawn_px, drawn_px] of the same dtype: the window of each patch.

    Args:
        band: [batch, side_px, side_px].
        side_px: rows and columns.
        drawn_px: those that are returned, at most as many.
        window: of the batch.
    """
    if side_px == 1:
        return band
    # The centre of drawn pixel i lies (i + 0.5) / drawn_px into the window; the op counts from the first pixel's centre
    # (0) to the last one's (1).
    pitch = window.side * (side_px / drawn_px)
    first = window.start * side_px + 0.5 * pitch - 0.5
    last = first + (drawn_px - 1) * pitch
    boxes = tf.transpose(tf.concat([first, last], axis=0) / (side_px - 1))
    patches = tf.range(tf.shape(band)[0])
    drawn = tf.image.crop_and_resize(band[..., tf.newaxis], boxes, patches, [drawn_px, drawn_px])[..., 0]
    return tf.cast(tf.round(drawn), band.dtype) if band.dtype.is_integer else drawn
