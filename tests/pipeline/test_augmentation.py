"""Laws of augmentation: pixels are moved and never invented, bands stay aligned, labels follow the pixels."""

from typing import Any

import numpy as np
import pytest

from landscribe.pipeline.augmentation import augment_batch
from landscribe.pipeline.backend import tf
from landscribe.pipeline.config import NO_AUGMENTATION, ONLY_REPLICA, AugmentationConfig, Replica

Bands = dict[str, np.ndarray]

DIHEDRAL = NO_AUGMENTATION.model_copy(update={"dihedral": True})
SHIFT = NO_AUGMENTATION.model_copy(update={"shift_fraction": 0.5})
GEOMETRY = DIHEDRAL.model_copy(update={"shift_fraction": 0.5})
MIXUP = NO_AUGMENTATION.model_copy(update={"mixup_alpha": 1.0})
ZOOM = NO_AUGMENTATION.model_copy(update={"zoom_fraction": 0.9})
SMALLER = ZOOM.model_copy(update={"size_fraction": 0.5})
GAIN = NO_AUGMENTATION.model_copy(update={"gain_fraction": 0.3})
CUTMIX = NO_AUGMENTATION.model_copy(update={"cutmix_alpha": 1.0})
COLOUR = NO_AUGMENTATION.model_copy(update={"contrast_fraction": 0.4, "saturation_fraction": 0.4})
ALL = GEOMETRY.model_copy(
    update={"zoom_fraction": 0.5, "gain_fraction": 0.3, "mixup_alpha": 1.0, "cutmix_alpha": 1.0}
    | {"contrast_fraction": 0.4, "saturation_fraction": 0.4}
)
NUM_CLASSES = 4


def augment(
    bands: Bands, multi_hot: np.ndarray, config: AugmentationConfig, seed: int = 1, replica: Replica = ONLY_REPLICA
) -> tuple[Bands, np.ndarray]:
    """Augment eagerly; NumPy in, NumPy out."""
    tensors = {name: tf.constant(values) for name, values in bands.items()}
    moved, labels = augment_batch(tensors, tf.constant(multi_hot), tf.constant([seed, 2], tf.int64), config, replica)
    return {name: values.numpy() for name, values in moved.items()}, labels.numpy()


def make_aligned(num_patches: int) -> Bands:
    """Return bands of 12, 6 and 2 pixels that show the same ground.

    The pixels of the 6-pixel band are numbered; each is 2 x 2 pixels of the finest band, and 3 x 3 of them carry the
    number of their pixel of the coarsest band in `cell`.
    """
    numbered = np.arange(36, dtype=np.uint16).reshape(6, 6)
    coarse = np.arange(4, dtype=np.uint8).reshape(2, 2)
    patches: Bands = {
        "fine": np.kron(numbered, np.ones((2, 2))).astype(np.float32),
        "middle": numbered,
        "cell": np.kron(coarse, np.ones((3, 3))).astype(np.uint8),
        "coarse": coarse,
    }
    return {name: np.repeat(values[None], num_patches, axis=0) for name, values in patches.items()}


def draw_batch(num_patches: int, seed: int = 0) -> tuple[Bands, np.ndarray]:
    """Return random pixels of every stored dtype and one class per patch."""
    rng = np.random.default_rng(seed)
    bands: Bands = {
        "R": rng.integers(0, 256, (num_patches, 12, 12)).astype(np.uint8),
        "B05": rng.integers(0, 10_000, (num_patches, 6, 6)).astype(np.uint16),
        "VV": rng.normal(-12, 4, (num_patches, 2, 2)).astype(np.float32),
    }
    return bands, np.eye(NUM_CLASSES, dtype=np.float32)[np.arange(num_patches) % NUM_CLASSES]


def assert_equal_batches(left: tuple[Bands, np.ndarray], right: tuple[Bands, np.ndarray]) -> None:
    """Compare bands and labels exactly."""
    assert left[0].keys() == right[0].keys()
    for name in left[0]:
        np.testing.assert_array_equal(left[0][name], right[0][name], err_msg=name)
    np.testing.assert_array_equal(left[1], right[1])


def test_switched_off_it_is_the_identity() -> None:
    batch = draw_batch(5)
    assert_equal_batches(augment(*batch, NO_AUGMENTATION), batch)


def test_a_flip_or_turn_keeps_the_pixels_of_every_patch() -> None:
    bands, labels = draw_batch(40)
    moved, moved_labels = augment(bands, labels, DIHEDRAL)
    np.testing.assert_array_equal(moved_labels, labels)
    for name, values in bands.items():
        assert not np.array_equal(moved[name], values)
        np.testing.assert_array_equal(
            np.sort(moved[name].reshape(40, -1), axis=1), np.sort(values.reshape(40, -1), axis=1)
        )


def test_all_eight_symmetries_of_the_square_are_drawn_and_no_other() -> None:
    moved, _ = augment(make_aligned(200), np.ones((200, 1), np.float32), DIHEDRAL)
    square = np.arange(36).reshape(6, 6)
    symmetries = {np.rot90(side, turns).tobytes() for side in (square, square.T) for turns in range(4)}
    assert {patch.astype(square.dtype).tobytes() for patch in moved["middle"]} == symmetries


def test_a_shift_invents_no_pixel_and_reaches_both_ways() -> None:
    bands = make_aligned(200)
    moved, _ = augment(bands, np.ones((200, 1), np.float32), SHIFT)
    assert set(moved["middle"].ravel()) == set(range(36))
    corners = {(int(patch[0, 0]), int(patch[-1, -1])) for patch in moved["coarse"]}
    assert len(corners) > 3  # stays, and moves along rows and along columns


@pytest.mark.parametrize("config", [DIHEDRAL, SHIFT, GEOMETRY])
def test_bands_of_all_resolutions_stay_aligned(config: AugmentationConfig) -> None:
    bands = make_aligned(60)
    moved, _ = augment(bands, np.ones((60, 1), np.float32), config)
    assert not np.array_equal(moved["middle"], bands["middle"])
    for name, repeats, finer in (("middle", 2, "fine"), ("coarse", 3, "cell")):
        spread = moved[name].repeat(repeats, axis=1).repeat(repeats, axis=2)
        np.testing.assert_array_equal(spread, moved[finer])
    row, column = moved["middle"] // 6, moved["middle"] % 6
    np.testing.assert_array_equal(moved["cell"], row // 3 * 2 + column // 3)


@pytest.mark.parametrize("config", [ZOOM, SMALLER])
def test_bands_of_all_resolutions_see_the_same_window(config: AugmentationConfig) -> None:
    """On a ramp along rows and columns linear interpolation is exact, so a pixel says where its ground lies."""
    bands: Bands = {}
    fine, middle, coarse = config.scale_sides({"fine": 24, "middle": 12, "coarse": 4}).values()
    for side in (24, 12, 4):
        place = np.broadcast_to((np.arange(side, dtype=np.float32) + 0.5) / side, (50, side, side))
        bands |= {f"x{side}": place, f"y{side}": place.transpose(0, 2, 1)}
    moved, _ = augment(bands, np.ones((50, 1), np.float32), config)
    for axis in "xy":
        blocks = moved[f"{axis}24"].reshape(50, middle, 2, middle, 2).mean(axis=(2, 4))
        np.testing.assert_allclose(blocks, moved[f"{axis}12"], atol=1e-5)
        blocks = blocks.reshape(50, coarse, 3, coarse, 3).mean(axis=(2, 4))
        np.testing.assert_allclose(blocks, moved[f"{axis}4"], atol=1e-5)
    sides = coarse * (moved["x4"][:, 0, 1] - moved["x4"][:, 0, 0])
    np.testing.assert_allclose(coarse * (moved["y4"][:, 1, 0] - moved["y4"][:, 0, 0]), sides, atol=1e-5)  # square
    assert moved["x24"].shape == (50, fine, fine)
    assert 0.1 <= sides.min() < 0.3 < 0.8 < sides.max() <= 1
    assert np.ptp(moved["x24"].mean(axis=(1, 2))) > 0.3  # the place is drawn too


@pytest.mark.parametrize(("fraction", "scaled"), [(1.0, (120, 60, 20)), (0.77, (90, 45, 15)), (0.01, (6, 3, 1))])
def test_smaller_sides_are_whole_pixels_of_every_band(fraction: float, scaled: tuple[int, ...]) -> None:
    config = NO_AUGMENTATION.model_copy(update={"size_fraction": fraction})
    sides = {"B02": 120, "B05": 60, "B01": 20}
    assert config.scale_sides(sides) == dict(zip(sides, scaled, strict=True))


def test_nothing_from_outside_the_patch_comes_in() -> None:
    flat: Bands = {"R": np.full((300, 12, 12), 255, np.uint8), "B05": np.full((300, 1, 1), 9, np.uint16)}
    moved, _ = augment(flat, np.ones((300, 1), np.float32), ZOOM)
    assert_equal_batches((moved, np.empty(0)), (flat, np.empty(0)))


def test_light_is_multiplied_and_decibels_are_shifted_each_band_by_its_own() -> None:
    rng = np.random.default_rng(0)
    bands: Bands = {
        "B04": rng.integers(1000, 10_000, (200, 4, 4)).astype(np.uint16),
        "B03": rng.integers(1000, 10_000, (200, 4, 4)).astype(np.uint16),
        "VV": rng.normal(-12, 4, (200, 4, 4)).astype(np.float32),
        "R": np.full((200, 4, 4), 250, np.uint8),
    }
    moved, _ = augment(bands, np.ones((200, 1), np.float32), GAIN)
    factors = {name: moved[name].mean(axis=(1, 2)) / bands[name].mean(axis=(1, 2)) for name in ("B04", "B03")}
    factors["VV"] = 10 ** ((moved["VV"] - bands["VV"])[:, 0, 0] / 10)
    for name, factor in factors.items():
        assert 0.7 <= factor.min() < 0.75 < 1.25 < factor.max() <= 1.3
        spread = moved[name] / bands[name] if name != "VV" else 10 ** ((moved[name] - bands[name]) / 10)
        np.testing.assert_allclose(spread, np.broadcast_to(factor[:, None, None], spread.shape), rtol=1e-3)
    assert abs(np.corrcoef(list(factors.values()))[np.triu_indices(3, 1)]).max() < 0.3
    assert moved["R"].max() == 255  # bright stays bright


def test_contrast_keeps_the_mean_of_a_band_and_saturation_that_of_a_pixel() -> None:
    rng = np.random.default_rng(0)
    bands: Bands = {name: rng.uniform(1000, 5000, (200, 4, 4)).astype(np.float32) for name in ("B02", "B03", "B04")}
    bands["B11"] = rng.uniform(1000, 5000, (200, 2, 2)).astype(np.float32)  # of another size: the only one of its pixel
    for option, axes in (("contrast_fraction", (2, 3)), ("saturation_fraction", (0,))):
        config = NO_AUGMENTATION.model_copy(update={option: 0.4})
        moved, _ = augment(bands, np.ones((200, 1), np.float32), config)
        before, after = (np.stack([each[name] for name in ("B02", "B03", "B04")]) for each in (bands, moved))
        distance = before - before.mean(axis=axes, keepdims=True)
        factor = np.median((after - before) / distance, axis=(0, 2, 3)) + 1
        assert 0.6 <= factor.min() < 0.65 < 1.35 < factor.max() <= 1.4
        np.testing.assert_allclose(after, before + (factor[:, None, None] - 1) * distance, atol=0.5)
    np.testing.assert_allclose(moved["B11"], bands["B11"], rtol=1e-6)


def test_mixed_labels_say_what_the_mixed_pixels_hold() -> None:
    _, labels = draw_batch(32)
    values = np.array([100, 1000, 5000, 20_000], np.float32)
    flat = np.broadcast_to((labels @ values)[:, None, None], (32, 2, 2))
    bands: Bands = {"VV": flat.astype(np.float32), "B05": flat.astype(np.uint16)}
    mixed, mixed_labels = augment(bands, labels, MIXUP)
    np.testing.assert_allclose(mixed_labels.sum(axis=1), 1, atol=1e-6)  # each patch had one class: mass is kept
    assert ((mixed_labels > 0).sum(axis=1) == 2).any()
    assert ((mixed_labels > 0).sum(axis=1) <= 2).all()  # a patch and its partner
    np.testing.assert_allclose(mixed["VV"][:, 0, 0], mixed_labels @ values, rtol=1e-4)
    np.testing.assert_array_equal(mixed["B05"], np.rint(mixed["VV"]))


def test_a_patch_has_a_square_of_its_partner_and_labels_by_area() -> None:
    _, labels = draw_batch(200)
    values = np.array([100, 1000, 5000, 20_000], np.float32)
    flat = np.broadcast_to((labels @ values)[:, None, None], (200, 12, 12))
    bands: Bands = {"VV": flat.astype(np.float32), "B05": flat[:, :6, :6].astype(np.uint16)}
    mixed, mixed_labels = augment(bands, labels, CUTMIX)
    np.testing.assert_allclose(mixed["VV"].mean(axis=(1, 2)), mixed_labels @ values, rtol=1e-4)
    np.testing.assert_array_equal(mixed["B05"].repeat(2, axis=1).repeat(2, axis=2), mixed["VV"])
    partner = flat[np.arange(200) ^ 1]
    foreign = mixed["B05"] == partner[:, :6, :6]
    assert (foreign | (mixed["B05"] == flat[:, :6, :6])).all()  # no pixel is mixed
    sides = [foreign.any(axis=axis).sum(axis=1) for axis in (1, 2)]
    np.testing.assert_array_equal(sides[0] * sides[1], foreign.sum(axis=(1, 2)))  # a rectangle
    np.testing.assert_array_equal(*sides)
    assert set(sides[0]) == {0, 1, 2, 3, 4}  # at most half of the area
    assert foreign.any(axis=0).all()  # at every place


def test_with_both_ways_of_mixing_each_patch_has_one_of_them() -> None:
    bands: Bands = {"R": np.array([0, 255] * 100, np.uint8).repeat(36).reshape(200, 6, 6)}
    both = MIXUP.model_copy(update={"cutmix_alpha": 1.0})
    mixed = augment(bands, np.ones((200, 1), np.float32), both)[0]["R"]
    is_flat = np.ptp(mixed.reshape(200, -1), axis=1) == 0
    assert 0.3 < is_flat.mean() < 0.7
    assert set(np.unique(mixed[~is_flat])) == {0, 255}


@pytest.mark.parametrize("config", [DIHEDRAL, SHIFT, ZOOM, GAIN, COLOUR, MIXUP, CUTMIX, ALL])
def test_names_shapes_and_dtypes_are_kept(config: AugmentationConfig) -> None:
    bands, labels = draw_batch(7)
    moved, moved_labels = augment(bands, labels, config)
    assert {name: (values.shape, values.dtype) for name, values in moved.items()} == {
        name: (values.shape, values.dtype) for name, values in bands.items()
    }
    assert (moved_labels.shape, moved_labels.dtype) == (labels.shape, labels.dtype)


def test_mixed_integers_stay_in_the_range_of_their_dtype() -> None:
    labels = draw_batch(32)[1]
    bands: Bands = {"R": np.tile(np.array([0, 255], np.uint8).repeat(4).reshape(2, 2, 2), (16, 1, 1))}
    mixed, _ = augment(bands, labels, MIXUP)
    own = bands["R"][:, 0, 0] > 0
    assert (mixed["R"][own] > 127).all()  # a patch dominates its own mixture: nothing has wrapped around
    assert (mixed["R"][~own] < 128).all()


@pytest.mark.parametrize("config", [GEOMETRY, MIXUP, CUTMIX, ALL])
def test_inside_a_dataset_it_is_what_it_is_eagerly(config: AugmentationConfig) -> None:
    bands, labels = draw_batch(11)

    def mix(values: dict[str, Any], multi_hot: Any) -> Any:
        assert multi_hot.shape[0] is None  # the last batch may be smaller: the graph must not know the size
        return augment_batch(values, multi_hot, tf.constant([1, 2], tf.int64), config, ONLY_REPLICA)

    batches = tf.data.Dataset.from_tensor_slices((bands, labels)).batch(11).map(mix)
    assert_equal_batches(next(iter(batches.as_numpy_iterator())), augment(bands, labels, config))


def test_a_batch_is_a_function_of_its_seed() -> None:
    batch = draw_batch(16)
    first = augment(*batch, ALL, seed=1)
    tf.random.set_seed(99)
    assert_equal_batches(augment(*batch, ALL, seed=1), first)
    other = augment(*batch, ALL, seed=3)
    assert any(not np.array_equal(other[0][name], first[0][name]) for name in first[0])


@pytest.mark.parametrize("num_patches", [1, 3])
def test_a_small_last_batch_is_augmented_too(num_patches: int) -> None:
    bands, labels = draw_batch(num_patches)
    moved, moved_labels = augment(bands, labels, ALL)
    assert len(moved_labels) == num_patches
    np.testing.assert_allclose(moved_labels.sum(axis=1), 1, atol=1e-6)
    assert all(np.isfinite(values).all() for values in moved.values())


@pytest.mark.parametrize("config", [GEOMETRY, MIXUP, CUTMIX, ALL])
@pytest.mark.parametrize("count", [2, 3])
def test_the_shares_of_replicas_are_the_whole_batch(config: AugmentationConfig, count: int) -> None:
    bands, labels = draw_batch(12)
    whole = augment(bands, labels, config)
    shares = []
    for index in range(count):
        own = slice(index * 12 // count, (index + 1) * 12 // count)
        share = {name: values[own] for name, values in bands.items()}
        shares.append(augment(share, labels[own], config, replica=Replica(index, count)))
    joined = {name: np.concatenate([share[0][name] for share in shares]) for name in bands}
    assert_equal_batches((joined, np.concatenate([share[1] for share in shares])), whole)


def test_patches_are_mixed_in_pairs_and_a_last_odd_one_stays() -> None:
    one_hot = np.eye(5, dtype=np.float32)
    bands, _ = draw_batch(5)
    _, mixed = augment(bands, one_hot, MIXUP)
    pairs = np.zeros((5, 5), bool)
    pairs[:2, :2] = pairs[2:4, 2:4] = pairs[4:, 4:] = True
    np.testing.assert_array_equal(mixed > 0, pairs)
