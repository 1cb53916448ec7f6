"""Band statistics are a monoid, and merging parts gives the whole; NumPy in one piece is the reference."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landscribe.records.statistics import (
    DECIBEL,
    PERCENTILES,
    BandStatistics,
    compute_moments,
    make_statistics,
    read_statistics,
    write_statistics,
)

pytestmark = pytest.mark.slow(11)

RNG = np.random.default_rng(0)
ARRAYS: dict[str, np.ndarray] = {
    "empty": np.empty((0, 3), np.uint16),
    "one value": np.array([7], np.uint16),
    "two values": np.array([0, 65535], np.uint16),
    "flat": np.full((5, 5), 9, np.uint16),
    "digital numbers": RNG.integers(0, 65536, (40, 40), np.uint16),
    "bright and even": RNG.integers(65_500, 65_536, (50, 50), np.uint16),
    "no bytes": np.empty(0, np.uint8),
    "bytes": RNG.integers(0, 256, (33, 7), np.uint8),
    "no decibels": np.empty((0, 2), np.float32),
    "decibels": RNG.normal(-12, 5, (30, 30)).astype(np.float32),
    "one decibel": np.array([-7.123], np.float32),
    "still water": RNG.normal(-21, 1e-3, 500).astype(np.float32),
    "wide decibels": RNG.uniform(-119.9, 59.9, 2000).astype(np.float32),
    "signed": RNG.integers(-32768, 32768, (40, 40)).astype(np.int16),
    "one signed": np.array([-32768], np.int16),
    "reflectance": RNG.gamma(2, 0.1, (30, 30)).astype(np.float32),
    "around zero": RNG.normal(0, 1e-3, 900).astype(np.float32),
    "far and wide": np.concatenate([RNG.normal(0, 1e-20, 99), RNG.normal(0, 1e20, 99)]).astype(np.float32),
}
SAME_DTYPE = [(a, b) for a in ARRAYS for b in ARRAYS if ARRAYS[a].dtype == ARRAYS[b].dtype]
DECIBELS = {name for name in ARRAYS if "decibel" in name or name == "still water"}
BIN = 2.0**-13  # of a value of float32: half a bin


def measure(*arrays: np.ndarray, kind: str = "") -> BandStatistics:
    """Return the statistics of the arrays, taken in one after the other."""
    statistics = make_statistics(kind or arrays[0].dtype.name)
    for values in arrays:
        statistics.add(values)
    return statistics


def merge(*parts: np.ndarray) -> dict[str, Any]:
    """Return the summary of the arrays, measured apart and merged from the left."""
    merged = make_statistics(parts[0].dtype.name)
    for values in parts:
        merged.merge(measure(values))
    return merged.summarise()


def check_equal(one: dict[str, Any], other: dict[str, Any], dtype: np.dtype[Any]) -> None:
    """Integers give the same bits; of decibels mean and deviation are equal up to rounding."""
    if dtype.kind == "f" and one["count"]:
        for key in ("mean", "std"):
            assert one[key] == pytest.approx(other[key], rel=1e-9, abs=1e-12)
        one, other = ({**row, "mean": 0, "std": 0} for row in (one, other))
    assert one == other


@pytest.mark.parametrize("name", [name for name, values in ARRAYS.items() if values.size])
def test_statistics_are_numpys(name: str) -> None:
    kind = DECIBEL if name in DECIBELS else ""
    values, found = ARRAYS[name], measure(ARRAYS[name], kind=kind).summarise()
    exact = values.astype(np.float64)
    assert (found["count"], found["min"], found["max"]) == (values.size, values.min(), values.max())
    assert found["mean"] == pytest.approx(exact.mean(), rel=1e-12)
    assert found["std"] == pytest.approx(exact.std(), rel=1e-9)
    wanted = np.percentile(exact if values.dtype.kind == "f" else values, PERCENTILES).tolist()
    assert list(found["percentiles"]) == [str(q) for q in PERCENTILES]
    if values.dtype.kind != "f":
        assert list(found["percentiles"].values()) == wanted
    else:
        rtol, atol = (0.0, 0.01) if kind else (1.1 * BIN, 0.0)
        np.testing.assert_allclose(list(found["percentiles"].values()), wanted, rtol=rtol, atol=atol)


@pytest.mark.parametrize("num_values", [1, 2, 3, 10, 99, 100, 101, 1000])
def test_percentiles_of_integers_are_numpys_to_the_last_bit(num_values: int) -> None:
    for seed in range(20):
        values = np.random.default_rng(seed).integers(0, 65536, num_values, np.uint16)
        assert list(measure(values).summarise()["percentiles"].values()) == np.percentile(values, PERCENTILES).tolist()


@pytest.mark.parametrize(("one", "other"), SAME_DTYPE)
def test_merging_parts_in_any_order_is_measuring_the_whole(one: str, other: str) -> None:
    a, b = ARRAYS[one], ARRAYS[other]
    together = measure(np.concatenate([a.ravel(), b.ravel()])).summarise()
    for found in (merge(a, b), merge(b, a), measure(a, b).summarise()):
        check_equal(found, together, a.dtype)


@pytest.mark.parametrize("name", ["bright and even", "still water"])
def test_many_small_merges_stay_exact(name: str) -> None:
    values = ARRAYS[name]  # a large mean with a small spread: where naive sums of squares fail
    check_equal(merge(*values.reshape(-1, 10)), measure(values).summarise(), values.dtype)


def test_the_sums_of_half_a_million_patches_do_not_overflow() -> None:
    patch, whole = measure(np.full(14_400, 65_535, np.uint16)), make_statistics("uint16")
    whole.histogram = patch.histogram * 600_000
    found = whole.summarise()
    assert (found["count"], found["mean"], found["std"]) == (14_400 * 600_000, 65_535.0, 0.0)


def test_decibels_beyond_the_bins_keep_minimum_and_maximum() -> None:
    values = np.array([-500, -130, -10, -10, -10, 70, 1e30], np.float32)
    found = measure(values, kind=DECIBEL).summarise()
    assert (found["min"], found["max"]) == (-500.0, float(np.float32(1e30)))
    assert found["percentiles"]["50"] == pytest.approx(-10, abs=0.01)


def test_every_float_is_within_half_a_bin_of_what_stands_for_it() -> None:
    """Over the whole range of float32, in order: zero and its neighbours, the smallest and the largest."""
    limits = np.finfo(np.float32)
    powers = np.concatenate([10.0 ** np.arange(-37, 38, 0.7), [limits.tiny, limits.max, 0]])
    for value in np.concatenate([powers, -powers]).astype(np.float32):
        found = measure(np.array([value, limits.max, limits.min], np.float32)).summarise()
        assert found["percentiles"]["50"] == pytest.approx(float(value), rel=BIN, abs=1e-41)


@pytest.mark.parametrize("kind", ["", DECIBEL])
@pytest.mark.parametrize("name", ARRAYS)
def test_decoding_inverts_encoding(name: str, kind: str) -> None:
    kind = kind if ARRAYS[name].dtype == np.float32 else ARRAYS[name].dtype.name
    statistics = measure(ARRAYS[name], kind=kind)
    again = make_statistics(kind or "float32").decode(*statistics.encode())
    assert again.summarise() == statistics.summarise()
    again.merge(statistics)
    assert again.count == 2 * statistics.count


def test_the_moments_of_a_patch_are_numpys() -> None:
    for dtype in (np.uint8, np.uint16, np.float32):
        values = RNG.integers(0, 256, (3, 12, 12)).astype(dtype)
        means, stds = compute_moments(values)
        exact = values.astype(np.float64)
        np.testing.assert_allclose(means, exact.mean(axis=(1, 2)), rtol=1e-12)
        np.testing.assert_allclose(stds, exact.std(axis=(1, 2)), rtol=1e-12)


def test_the_moments_of_integers_are_exact() -> None:
    """Where sums of squares in floating point fail: bright and all but flat, of the largest images."""
    flat = np.full((3, 2048, 2048), 65_535, np.uint16)
    flat[1, 0, 0] = 65_534
    flat[2, :, ::2] = 0
    means, stds = compute_moments(flat)
    num = 2048**2
    np.testing.assert_array_equal(means, [65_535, 65_535 - 1 / num, 32_767.5])
    np.testing.assert_allclose(stds, [0, np.sqrt(num - 1) / num, 32_767.5], rtol=1e-15)
    np.testing.assert_array_equal(compute_moments(flat.astype(np.int64)), (means, stds))


def test_nothing_measured_is_told_as_null(tmp_path: Path) -> None:
    write_statistics({"B02": measure(ARRAYS["bytes"]), "B10": make_statistics("uint16")}, tmp_path / "statistics.json")
    content = read_statistics(tmp_path / "statistics.json")
    nothing = {"count": 0, "mean": None, "std": None, "min": None, "max": None, "percentiles": None}
    assert content == {"B02": measure(ARRAYS["bytes"]).summarise(), "B10": nothing}
    text = (tmp_path / "statistics.json").read_text(encoding="utf-8")
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
