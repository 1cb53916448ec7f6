"""The model's first layers against NumPy: standardise, resample, stack in the order asked for."""

from collections.abc import Sequence

import numpy as np
import pytest

from landscribe.models.preprocess import BandInput, build_features, build_inputs
from landscribe.pipeline.backend import keras

BANDS = {
    "B01": BandInput("B01", 4, "uint16", 300.0, 80.0),
    "B05": BandInput("B05", 12, "uint16", 1500.0, 400.0),
    "B02": BandInput("B02", 24, "uint16", 600.0, 250.0),
    "B03": BandInput("B03", 24, "uint16", 800.0, 300.0),
    "VV": BandInput("VV", 24, "float32", -12.0, 4.0),
    "R": BandInput("R", 24, "uint8", 120.0, 0.0),
}
ORDERS = [("B02", "B03"), ("B05", "B02", "VV"), ("VV", "B01", "B03", "B05", "B02"), ("B05",), ("B01", "B05")]


def draw_values(bands: Sequence[BandInput]) -> dict[str, np.ndarray]:
    """Return two random patches over the whole range of each dtype."""
    rng = np.random.default_rng(0)
    values = {}
    for band in bands:
        shape = (2, band.size_px, band.size_px)
        if band.dtype == "float32":
            values[band.name] = rng.normal(band.mean, band.std, shape).astype(np.float32)
        else:
            values[band.name] = rng.integers(0, np.iinfo(band.dtype).max, shape, endpoint=True).astype(band.dtype)
    return values


def compute_features(bands: Sequence[BandInput], values: dict[str, np.ndarray]) -> np.ndarray:
    """Return what the model's layers make of the values."""
    inputs = build_inputs(bands)
    model = keras.Model(inputs, build_features(inputs, bands))
    features: np.ndarray = model.predict_on_batch(values)
    return features


def enlarge(values: np.ndarray, size_px: int) -> np.ndarray:
    """Return [row, column] enlarged bilinearly between the centres of pixels, the border repeated."""
    for _ in range(2):
        centres = (np.arange(size_px) + 0.5) * len(values) / size_px - 0.5
        columns = [np.interp(centres, np.arange(len(values)), column) for column in values.T]
        values = np.stack(columns)  # transposed: the next turn takes the other axis
    return values


@pytest.mark.parametrize("names", ORDERS)
def test_features_are_what_numpy_gives_in_the_order_asked_for(names: Sequence[str]) -> None:
    bands = [BANDS[name] for name in names]
    values = draw_values(bands)
    size_px = max(band.size_px for band in bands)
    expected = [
        [enlarge((patch - band.mean) / band.std, size_px) for patch in values[band.name].astype(np.float64)]
        for band in bands
    ]
    features = compute_features(bands, values)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, np.moveaxis(np.array(expected), 0, -1), rtol=1e-5, atol=2e-5)


def test_a_constant_patch_stays_constant_on_the_finer_grid() -> None:
    bands = [BANDS["B05"], BANDS["B02"]]
    values = draw_values(bands) | {"B05": np.full((2, 12, 12), 2700, np.uint16)}
    np.testing.assert_allclose(compute_features(bands, values)[..., 0], 3.0, rtol=1e-6)


def test_a_band_without_spread_gives_finite_features() -> None:
    features = compute_features([BANDS["R"]], {"R": np.full((1, 24, 24), 120, np.uint8)})
    np.testing.assert_array_equal(features, 0)


def test_inputs_carry_the_name_size_and_dtype_of_their_band() -> None:
    inputs = build_inputs(list(BANDS.values()))
    assert {name: (value.name, value.shape[1:], value.dtype) for name, value in inputs.items()} == {
        name: (name, (band.size_px, band.size_px), band.dtype) for name, band in BANDS.items()
    }
