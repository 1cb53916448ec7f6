"""Mixing in pairs: patches and labels are mixed as a whole (mixup), or a patch gets a part of the other (CutMix).

The first patch of a batch is mixed with the second, the third with the fourth and so on; a last odd one stays as it is.
Pairs, because a share of whole pairs then needs no patch of another replica. The own patch always has the larger part.
"""

from typing import NamedTuple

from landscribe.pipeline.backend import tf
from landscribe.pipeline.config import AugmentationConfig
from landscribe.pipeline.share import Share


class Squares(NamedTuple):
    """A square of each patch, in pixels of the coarsest band.

    Attributes:
        is_cut: bool [batch], the patch has its partner's pixels there; else every pixel is mixed.
        start: int32 [2, batch], first row and first column.
        side_px: int32 [batch].
        coarsest_px: side of the coarsest band.
    """

    is_cut: tf.Tensor
    start: tf.Tensor
    side_px: tf.Tensor
    coarsest_px: int


class Mixture(NamedTuple):
    """How each patch is mixed with its partner.

    Attributes:
        weight: float32 [batch] in [0.5, 1], part of the own patch, as its labels count it.
        squares: what the partner gives; None: no patch is cut.
    """

    weight: tf.Tensor
    squares: Squares | None


def draw_mixture(share: Share, seed: tf.Tensor, coarsest_px: int, config: AugmentationConfig) -> Mixture:
    """Return how the patches of a share are mixed; with both kinds each patch has one of them, with equal chance.

    Args:
        share: whose patches.
        seed: int64 [2].
        coarsest_px: side of the coarsest band.
        config: `mixup_alpha` or `cutmix_alpha` is above 0.
    """
    mixup = _draw_weight(share, seed, config.mixup_alpha) if config.mixup_alpha else None
    if not config.cutmix_alpha:
        return Mixture(mixup, None)
    weight_seed, place_seed = tf.unstack(tf.random.split(seed, 2))
    cut = tf.sqrt(1.0 - _draw_weight(share, weight_seed, config.cutmix_alpha))
    side_px = tf.cast(tf.round(cut * coarsest_px), tf.int32)
    *place, choice = tf.unstack(share.take(tf.random.stateless_uniform([3, share.num_in_batch], place_seed)))
    start = tf.cast(tf.stack(place) * tf.cast(coarsest_px - side_px + 1, tf.float32), tf.int32)
    weight = 1.0 - tf.cast(side_px**2, tf.float32) / coarsest_px**2
    is_cut = tf.ones_like(choice, tf.bool) if mixup is None else choice < 0.5
    weight = weight if mixup is None else tf.where(is_cut, weight, mixup)
    return Mixture(weight, Squares(is_cut, start, side_px, coarsest_px))


def mix_pixels(values: tf.Tensor, mixture: Mixture) -> tf.Tensor:
    """Return [batch, row, column] of the same dtype: each patch mixed with its partner; integers are rounded.

    Args:
        values: [batch, row, column], the side a multiple of that of the coarsest band.
        mixture: of the batch.
    """
    weight = mixture.weight[:, tf.newaxis, tf.newaxis]
    if mixture.squares is None:
        return _mix(values, weight)
    is_cut, start, side_px, coarsest_px = mixture.squares
    from_start = tf.range(values.shape[1]) // (values.shape[1] // coarsest_px) - start[..., tf.newaxis]
    rows, columns = tf.unstack((from_start >= 0) & (from_start < side_px[:, tf.newaxis]))
    is_own = ~(rows[:, :, tf.newaxis] & columns[:, tf.newaxis, :])
    return _mix(values, tf.where(is_cut[:, tf.newaxis, tf.newaxis], tf.cast(is_own, tf.float32), weight))


def mix_labels(multi_hot: tf.Tensor, mixture: Mixture) -> tf.Tensor:
    """Return float32 [batch, class], each label by the part of the pixels that has it."""
    return _mix(multi_hot, mixture.weight[:, tf.newaxis])


def _draw_weight(share: Share, seed: tf.Tensor, alpha: float) -> tf.Tensor:
    """Return float32 [batch] in [0.5, 1], from Beta(alpha, alpha) as a ratio of two gamma draws.

    The larger of weight and 1 - weight is taken. If both gamma draws underflow to 0, which a small alpha can cause, the
    patch stays as it is.
    """
    gamma = tf.random.stateless_gamma([2, share.num_in_batch], seed, alpha, dtype=tf.float32)
    own, other = tf.unstack(share.take(gamma))
    weight = tf.math.divide_no_nan(own, own + other)
    return tf.maximum(weight, 1.0 - weight)


def _mix(values: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """Return [batch, ...] of the same dtype, weight * own + (1 - weight) * partner."""
    own = tf.cast(values, tf.float32)
    position = tf.range(tf.shape(values)[0])
    partner = tf.minimum(tf.bitwise.bitwise_xor(position, 1), tf.shape(values)[0] - 1)
    mixed = weight * own + (1.0 - weight) * tf.gather(own, partner)
    return tf.cast(tf.round(mixed), values.dtype) if values.dtype.is_integer else mixed
