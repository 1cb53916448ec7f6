"""Any bands give a picture; the best three known are shown, in their order, brighter where the values are higher."""

import numpy as np
import pytest

from landscribe.figures.true_colour import choose_colours, to_true_colour

RNG = np.random.default_rng(0)
S2 = {name: RNG.integers(0, 5000, (12, 12)).astype(np.uint16) for name in ("B02", "B03", "B08", "B04")}
PLANET = {name: RNG.integers(4000, 9000, (8, 8)).astype(np.uint16) for name in ("B", "G", "R", "NIR")}
S1 = {name: RNG.normal(-12, 4, (10, 10)).astype(np.float32) for name in ("VV", "VH")}


@pytest.mark.parametrize(
    ("bands", "shown"),
    [
        (S1 | S2, "B04 B03 B02"),
        (PLANET, "R G B"),
        (S1, "VV VH VV"),
        ({"VH": S1["VH"]}, "VH VH VH"),
        ({"B08": S2["B08"], "B04": S2["B04"]}, "B08 B08 B08"),
    ],
)
def test_the_best_known_three_are_shown_and_order_is_kept(bands: dict[str, np.ndarray], shown: str) -> None:
    assert choose_colours(bands) == tuple(shown.split())
    picture = to_true_colour(bands)
    assert picture.dtype == np.uint8
    for channel, name in enumerate(shown.split()):
        order = np.argsort(bands[name], axis=None)
        assert (np.diff(picture[..., channel].ravel()[order].astype(int)) >= 0).all()
        assert picture[..., channel].min() < 60 < 225 < picture[..., channel].max()


def test_images_of_8_bit_stay_as_they_are() -> None:
    pixels = RNG.integers(0, 256, (5, 7, 3)).astype(np.uint8)
    np.testing.assert_array_equal(to_true_colour(dict(zip("RGB", np.moveaxis(pixels, -1, 0), strict=True))), pixels)


def test_sentinel_2_compares_between_patches_and_images_do_not_care_for_haze() -> None:
    darker = {name: values // 2 for name, values in S2.items()}
    assert to_true_colour(darker).mean() < to_true_colour(S2).mean()
    hazy = {name: values + 3000 * (name == "B") for name, values in PLANET.items()}
    np.testing.assert_allclose(to_true_colour(hazy).astype(int), to_true_colour(PLANET), atol=1)


def test_bands_of_different_sizes_are_not_mixed() -> None:
    picture = to_true_colour({"B02": S2["B02"], "B03": S2["B03"], "B04": S2["B04"][::2, ::2]})
    assert picture.shape == (12, 12, 3)
    assert (picture == picture[..., :1]).all()


@pytest.mark.parametrize("value", [np.nan, -np.inf, 0.0])
def test_pixels_without_a_value_and_flat_patches_are_black(value: float) -> None:
    flat = np.full((4, 4), value, np.float32)
    assert not to_true_colour({"VV": flat, "VH": flat}).any()
    holed = {name: values.copy() for name, values in S1.items()}
    holed["VH"][0, 0] = value or np.nan
    picture = to_true_colour(holed)
    assert not picture[0, 0].any()
    assert picture.max() == 255


def test_no_band_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one band"):
        to_true_colour({})
