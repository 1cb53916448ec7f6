"""Augmentation of whole training batches, on the stored digital numbers at their native size.

A patch may hold bands of several sizes (120, 60 and 20 pixels a side for Sentinel-2) that show the same ground. One
geometric draw per patch is therefore applied alike at every size: a flip and a quarter turn are the same at any
resolution, and a shift is drawn in whole pixels of the coarsest band, so all bands stay aligned without resampling.

Nothing is mapped patch by patch. A draw becomes one vector of row indices and one of column indices per patch (flip:
reversed, shift: offset, border: reflected) that serves every band of one size.

Every draw is stateless: the same seed gives the same batch, whatever ran before and in whatever order the input
pipeline runs its workers.
"""

from typing import NamedTuple

from landscribe.backend import tf
from landscribe.pipeline.config import AugmentationConfig


def augment_batch(
    bands: dict[str, tf.Tensor], multi_hot: tf.Tensor, seed: tf.Tensor, config: AugmentationConfig
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Return the batch with one random geometry per patch, then mixed with its neighbours.

    Works eagerly and inside `Dataset.map`; the batch axis may be unknown, rows and columns must be known.

    Args:
        bands: by band name, uint8, uint16 or float32 [batch, row, column], digital numbers at native size. Each band
            is square and its side is a multiple of the side of the coarsest band.
        multi_hot: float32 [batch, class], 0 or 1.
        seed: int32 or int64 [2]; the same seed gives the same batch.
        config: what may happen.

    Returns:
        The bands, same names, shapes and dtypes (mixed integers are rounded), and multi_hot float32 [batch, class],
        between 0 and 1 where patches were mixed.

    Raises:
        ValueError: a band is not square, its size is unknown, or it is no multiple of the coarsest band.
    """
    sides = {name: _side_px(name, band) for name, band in bands.items()}
    # One dtype, because the same numbers as int32 and as int64 give different draws.
    geometry_seed, mixup_seed = tf.unstack(tf.random.split(tf.cast(seed, tf.int64), 2))
    num_patches = tf.shape(multi_hot)[0]
    geometry = _draw_geometry(num_patches, geometry_seed, _coarsest_px(sides), config)
    weight = _draw_mixup_weight(num_patches, mixup_seed, config.mixup_alpha) if config.mixup_alpha else None
    augmented = {}
    for name, band in bands.items():
        moved = band if geometry is None else _move_pixels(band, sides[name], geometry)
        augmented[name] = moved if weight is None else _mix_with_neighbour(moved, weight)
    return augmented, multi_hot if weight is None else _mix_with_neighbour(multi_hot, weight)


class _Geometry(NamedTuple):
    """One geometric draw per patch.

    Attributes:
        flip: bool [2, batch], rows and columns counted from the far end.
        transpose: bool [batch], rows and columns exchanged; with both flips this makes the 8 symmetries.
        shift: int32 [2, batch], offset along rows and columns in pixels of the coarsest band.
        coarsest_px: side of the coarsest band.
    """

    flip: tf.Tensor
    transpose: tf.Tensor
    shift: tf.Tensor
    coarsest_px: int


def _side_px(name: str, band: tf.Tensor) -> int:
    rows, columns = band.shape[1], band.shape[2]
    if rows is None or rows != columns:
        raise ValueError(f"band {name!r}: expected [batch, row, column] with known equal sides, received {band.shape}")
    return int(rows)


def _coarsest_px(sides: dict[str, int]) -> int:
    coarsest = min(sides.values())
    misfits = {name: side for name, side in sides.items() if side % coarsest}
    if misfits:
        raise ValueError(f"expected sides that are multiples of the coarsest, {coarsest} pixels; received {misfits}")
    return coarsest


def _draw_geometry(
    num_patches: tf.Tensor, seed: tf.Tensor, coarsest_px: int, config: AugmentationConfig
) -> _Geometry | None:
    """Return the draw, or None where nothing may move. Both seeds are always split, so one option leaves the other."""
    reach = int(config.shift_fraction * coarsest_px + 1e-6)  # 0.29 * 100 is 28.999... in binary
    if not (config.dihedral or reach):
        return None
    symmetry_seed, shift_seed = tf.unstack(tf.random.split(seed, 2))
    last_symmetry = 1 if config.dihedral else 0
    bits = tf.random.stateless_uniform([3, num_patches], symmetry_seed, 0, last_symmetry + 1, dtype=tf.int32)
    shift = tf.random.stateless_uniform([2, num_patches], shift_seed, -reach, reach + 1, dtype=tf.int32)
    return _Geometry(flip=bits[:2] > 0, transpose=bits[2] > 0, shift=shift, coarsest_px=coarsest_px)


def _source_positions(side: int, geometry: _Geometry) -> tf.Tensor:
    """Return, int32 [2, batch, side], the source row and the source column of each output row and column.

    The border is reflected with its own pixel repeated (-1 becomes 0, not 1): only then does the mirror lie on the
    edge of a coarse pixel, and bands of all sizes stay aligned.
    """
    shift = geometry.shift * (side // geometry.coarsest_px)
    position = tf.range(side) + shift[:, :, tf.newaxis]
    position = tf.where(position < 0, -1 - position, position)
    position = tf.where(position >= side, 2 * side - 1 - position, position)
    return tf.where(geometry.flip[:, :, tf.newaxis], side - 1 - position, position)


def _move_pixels(band: tf.Tensor, side: int, geometry: _Geometry) -> tf.Tensor:
    """Return [batch, row, column] with every patch moved as drawn.

    Columns are gathered as rows of the transposed patch, because a gather then copies whole rows of memory: 4 ms for
    32 patches of three 128-pixel uint8 bands on one core, transpositions included; a gather of single pixels by a
    flat index took 12 ms, and stacking the bands of one size first did not help.
    """
    rows, columns = tf.unstack(_source_positions(side, geometry))
    upright = tf.gather(band, rows, axis=1, batch_dims=1)
    turned = tf.gather(tf.transpose(upright, [0, 2, 1]), columns, axis=1, batch_dims=1)
    transpose = geometry.transpose[:, tf.newaxis, tf.newaxis]
    return tf.where(transpose, turned, tf.transpose(turned, [0, 2, 1]))


def _draw_mixup_weight(num_patches: tf.Tensor, seed: tf.Tensor, alpha: float) -> tf.Tensor:
    """Return float32 [batch] in [0.5, 1], from Beta(alpha, alpha) as a ratio of two gamma draws.

    The larger of weight and 1 - weight is taken, so that a patch always dominates its own mixture; and where both
    gamma draws underflow to 0, as a small alpha can make them, the patch stays as it is.
    """
    own, other = tf.unstack(tf.random.stateless_gamma([2, num_patches], seed, alpha, dtype=tf.float32))
    weight = tf.math.divide_no_nan(own, own + other)
    return tf.maximum(weight, 1.0 - weight)


def _mix_with_neighbour(values: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """Mix [batch, ...] with the same batch rolled by one; a lone patch is its own neighbour and stays as it is."""
    weight = tf.reshape(weight, tf.concat([[-1], tf.ones([values.shape.rank - 1], tf.int32)], axis=0))
    own = tf.cast(values, tf.float32)
    mixed = weight * own + (1.0 - weight) * tf.roll(own, 1, axis=0)
    return tf.cast(tf.round(mixed), values.dtype) if values.dtype.is_integer else mixed
