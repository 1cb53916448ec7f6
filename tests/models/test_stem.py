"""Red, green and blue keep their kernels in any company, and the other bands share what is left evenly."""

import numpy as np
import pytest

from landscribe.core.bands import S1_BANDS, S2_BANDS
from landscribe.models.stem import COLOURS, inflate, mean_of_colours, share_colours, take_by_name

KERNEL = np.random.default_rng(0).normal(size=(3, 3, 3, 5)).astype(np.float32)
# Bands -> the band of each colour.
BANDS = {
    "colours": (["R", "G", "B"], ["R", "G", "B"]),
    "infrared": (["R", "G", "B", "NIR"], ["R", "G", "B"]),
    "Sentinel-2": (list(S2_BANDS), ["B04", "B03", "B02"]),
    "both sensors": ([*S1_BANDS, *S2_BANDS], ["B04", "B03", "B02"]),
    "radar": (list(S1_BANDS), [None, None, None]),
    "one colour alone": (["B11", "B04", "B08"], ["B04", None, None]),
    "one band": (["B03"], [None, "B03", None]),
}


@pytest.mark.parametrize(("bands", "owners"), BANDS.values(), ids=BANDS)
def test_colours_keep_their_kernels_and_the_others_share_what_is_left(
    bands: list[str], owners: list[str | None]
) -> None:
    shares = share_colours(bands)
    inflated = inflate(KERNEL, shares)
    assert inflated.shape == (3, 3, len(bands), 5)
    assert inflated.dtype == np.float32
    others = [name for name in bands if name not in owners]
    for colour, owner in enumerate(owners):
        if owner and others:
            np.testing.assert_array_equal(inflated[:, :, bands.index(owner)], KERNEL[:, :, colour])  # bit by bit
    parts = [inflated[:, :, bands.index(name)] for name in others]
    for part in parts:
        np.testing.assert_array_equal(part, parts[0])
    rest = KERNEL.sum(axis=2) if None in owners else KERNEL.sum(axis=2) + bool(others) * KERNEL.mean(axis=2)
    np.testing.assert_allclose(inflated.sum(axis=2), rest, rtol=1e-4, atol=1e-5)


def test_the_order_of_the_bands_does_not_matter() -> None:
    bands = [*S1_BANDS, *S2_BANDS, "NIR"]
    np.testing.assert_array_equal(share_colours(bands[::-1]), share_colours(bands)[::-1])


def test_a_wavelength_that_is_given_counts() -> None:
    given = {"red": 650.0, "edge": 717.0, "thermal": 11000.0}
    shares = dict(zip(given, share_colours(list(given), given), strict=True))
    np.testing.assert_array_equal(shares["red"], [1, 0, 0])
    for name in ("edge", "thermal"):
        np.testing.assert_array_equal(shares[name], [0, 0.5, 0.5])


def test_a_band_has_the_mean_of_its_colours() -> None:
    values = np.array([1.0, 2.0, 6.0])
    np.testing.assert_allclose(mean_of_colours(share_colours(["B", "NIR", "R", "G"]), values), [6, 3, 1, 2])
    np.testing.assert_allclose(mean_of_colours(share_colours(["R", "NIR"]), values), [1, 4])
    assert len(COLOURS) == len(values)


def test_a_known_band_keeps_its_kernel_and_a_new_one_takes_the_mean() -> None:
    known = ["B05", "B02", "VV"]
    np.testing.assert_array_equal(take_by_name(KERNEL, known, known), KERNEL)
    taken = take_by_name(KERNEL, known, ["VV", "B08", "B05"])
    np.testing.assert_array_equal(taken[:, :, [0, 2]], KERNEL[:, :, [2, 0]])
    np.testing.assert_allclose(taken[:, :, 1], KERNEL.mean(axis=2), rtol=1e-6)
