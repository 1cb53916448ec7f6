"""The kernel for any bands adds up to that of red, green and blue, and for these three it is that kernel."""

import numpy as np
import pytest

from landscribe.core.bands import S1_BANDS, S2_BANDS
from landscribe.models.stem import COLOURS, inflate, match_colours, share_colours, take_by_name

KERNEL = np.random.default_rng(0).normal(size=(3, 3, 3, 5)).astype(np.float32)
BANDS = {
    "colours": ["R", "G", "B"],
    "Sentinel-2": list(S2_BANDS),
    "both sensors": [*S2_BANDS, *S1_BANDS],
    "radar": list(S1_BANDS),
    "one colour alone": ["B04", "B08", "B11"],
    "one band": ["B03"],
}


@pytest.mark.parametrize("bands", BANDS.values(), ids=BANDS)
def test_the_bands_add_up_to_the_colours(bands: list[str]) -> None:
    inflated = inflate(KERNEL, bands)
    assert inflated.shape == (3, 3, len(bands), 5)
    assert inflated.dtype == np.float32
    np.testing.assert_allclose(inflated.sum(axis=2), KERNEL.sum(axis=2), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(share_colours(bands).sum(axis=0), 1)


@pytest.mark.parametrize("bands", [["R", "G", "B"], ["B04", "B03", "B02"]])
def test_red_green_and_blue_keep_their_kernels_bit_by_bit(bands: list[str]) -> None:
    np.testing.assert_array_equal(inflate(KERNEL, bands), KERNEL)
    np.testing.assert_array_equal(inflate(KERNEL, bands[::-1]), KERNEL[:, :, ::-1])


def test_each_band_stands_for_the_nearest_colour_and_radar_for_none() -> None:
    bands = [*S2_BANDS, "NIR", *S1_BANDS]
    matches = dict(zip(bands, match_colours(bands), strict=True))
    nearest = {colour: [name for name in bands if matches[name][place] == 1] for place, colour in enumerate(COLOURS)}
    assert nearest["B"] == ["B01", "B02"]
    assert nearest["G"] == ["B03"]
    assert nearest["R"] == ["B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12", "NIR"]
    for name in S1_BANDS:
        np.testing.assert_allclose(matches[name], 1 / 3)


def test_a_known_band_keeps_its_kernel_and_a_new_one_takes_the_mean() -> None:
    known = ["B05", "B02", "VV"]
    np.testing.assert_array_equal(take_by_name(KERNEL, known, known), KERNEL)
    taken = take_by_name(KERNEL, known, ["VV", "B08", "B05"])
    np.testing.assert_array_equal(taken[:, :, [0, 2]], KERNEL[:, :, [2, 0]])
    np.testing.assert_allclose(taken[:, :, 1], KERNEL.mean(axis=2), rtol=1e-6)
