"""Augmentation of whole training batches, on the stored digital numbers at their native size.

A patch can have bands of several sizes (sides of 120, 60 and 20 pixels for Sentinel-2) that show the same ground. One
geometric draw per patch is therefore applied in the same way at every size: a flip and a quarter turn are the same at
any resolution, and a shift is in whole pixels of the coarsest band, so all bands stay aligned without resampling.

Nothing is mapped patch by patch. A draw becomes one vector of row indices and one of column indices per patch (flip:
reversed, shift: offset, border: reflected), which are used for all bands of one size.

All random numbers are stateless: the same seed gives the same batch, independent of earlier calls and of the order in
which the input pipeline runs its workers. They are drawn for the whole batch, and a replica uses its share: the patch
at one position of a batch is augmented in the same way for any number of replicas.
"""

from typing import NamedTuple

from landscribe.pipeline.backend import tf
from landscribe.pipeline.colour import draw_colour, recolour
from landscribe.pipeline.config import AugmentationConfig, Replica
from landscribe.pipeline.gain import amplify, draw_gains
from landscribe.pipeline.mixing import draw_mixture, mix_labels, mix_pixels
from landscribe.pipeline.share import Share
from landscribe.pipeline.zoom import draw_at_size, draw_window


def augment_batch(
    bands: dict[str, tf.Tensor],
    multi_hot: tf.Tensor,
    seed: tf.Tensor,
    config: AugmentationConfig,
    replica: Replica,
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Return a replica's share of a batch with one random geometry per patch, then mixed in pairs.

    Works eagerly and inside `Dataset.map`; the batch axis may be unknown, rows and columns must be known.

    Args:
        bands: by band name, uint8, uint16 or float32 [batch, row, column], digital numbers at native size. Each band
            is square and its side is a multiple of the side of the coarsest band.
        multi_hot: float32 [batch, class], 0 or 1.
        seed: int32 or int64 [2]; the same seed gives the same batch.
        config: options of the augmentation.
        replica: the share of the batch; all shares have the same size, which is even if patches are mixed.

    Returns:
        The bands, same names and dtypes (mixed integers are rounded), [batch, row, column] with sides of
        `config.size_fraction`, and multi_hot float32 [batch, class], between 0 and 1 if patches were mixed.

    Raises:
        ValueError: a band is not square, its size is unknown, or it is not a multiple of the coarsest band.
    """
    sides = {name: _side_px(name, band) for name, band in bands.items()}
    drawn_sides = config.scale_sides(sides)
    # One dtype, because the same numbers as int32 and as int64 give different draws.
    # Always five, so that one option does not change the others.
    seeds = tf.unstack(tf.random.split(tf.cast(seed, tf.int64), 5))
    share, coarsest_px = Share(tf.shape(multi_hot)[0], replica), _coarsest_px(sides)
    geometry = _draw_geometry(share, seeds[0], coarsest_px, config)
    is_drawn = config.zoom_fraction > 0 or config.size_fraction < 1
    window = draw_window(share, seeds[2], coarsest_px, config.zoom_fraction) if is_drawn else None
    moved = {}
    for name, band in bands.items():
        values = band if geometry is None else _move_pixels(band, sides[name], geometry)
        moved[name] = values if window is None else draw_at_size(values, sides[name], drawn_sides[name], window)
    if config.contrast_fraction or config.saturation_fraction:
        moved = recolour(moved, draw_colour(share, seeds[4], config.contrast_fraction, config.saturation_fraction))
    if config.gain_fraction:
        gains = draw_gains(share, seeds[3], len(bands), config.gain_fraction)
        moved = {name: amplify(values, name, gains, number) for number, (name, values) in enumerate(moved.items())}
    if not (config.mixup_alpha or config.cutmix_alpha):
        return moved, multi_hot
    mixture = draw_mixture(share, seeds[1], _coarsest_px(drawn_sides), config)
    return {name: mix_pixels(values, mixture) for name, values in moved.items()}, mix_labels(multi_hot, mixture)


class _Geometry(NamedTuple):
    """One geometric draw per patch.

    Attributes:
        flip: bool [2, batch], rows and columns counted from the far end.
        transpose: bool [batch], rows and columns exchanged; with both flips this makes the 8 symmetries.
        shift: int32 [2, batch], offset along rows and columns in pixels of the coarsest band.
        is_shifted: whether an offset can differ from 0.
        coarsest_px: side of the coarsest band.
    """

    flip: tf.Tensor
    transpose: tf.Tensor
    shift: tf.Tensor
    is_shifted: bool
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


def _draw_geometry(share: Share, seed: tf.Tensor, coarsest_px: int, config: AugmentationConfig) -> _Geometry | None:
    """Return the draw, or None if nothing moves. Both seeds are always split, so no option changes another's draw."""
    reach = int(config.shift_fraction * coarsest_px + 1e-6)  # 0.29 * 100 is 28.999... in binary
    if not (config.dihedral or reach):
        return None
    symmetry_seed, shift_seed = tf.unstack(tf.random.split(seed, 2))
    last_symmetry = 1 if config.dihedral else 0
    num = share.num_in_batch
    bits = share.take(tf.random.stateless_uniform([3, num], symmetry_seed, 0, last_symmetry + 1, dtype=tf.int32))
    shift = share.take(tf.random.stateless_uniform([2, num], shift_seed, -reach, reach + 1, dtype=tf.int32))
    return _Geometry(
        flip=bits[:2] > 0, transpose=bits[2] > 0, shift=shift, is_shifted=reach > 0, coarsest_px=coarsest_px
    )


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

    Columns are gathered as rows of the transposed patch, because a gather then copies whole rows of memory: a gather of
    single pixels took three times as long. The transposition takes longer than everything else, so that without a shift
    the columns are reversed instead.
    """
    rows, columns = tf.unstack(_source_positions(side, geometry))
    upright = tf.gather(band, rows, axis=1, batch_dims=1)
    if geometry.is_shifted:
        turned = tf.gather(tf.transpose(upright, [0, 2, 1]), columns, axis=1, batch_dims=1)
        upright = tf.transpose(turned, [0, 2, 1])
    else:
        upright = _choose(geometry.flip[1], tf.reverse(upright, [2]), upright)
        turned = tf.transpose(upright, [0, 2, 1])
    return _choose(geometry.transpose, turned, upright)


def _choose(condition: tf.Tensor, one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Return each patch of `one` where bool [batch] is true, else of `other`; `tf.where` takes four times as long."""
    return tf.raw_ops.Select(condition=condition, x=one, y=other)
