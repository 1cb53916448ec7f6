"""Band statistics are a monoid, and merging parts gives the whole."""

import json
from pathlib import Path

import numpy as np
import pytest

from landscribe.statistics import BandStatistics, read_statistics, write_statistics

RNG = np.random.default_rng(0)
ARRAYS: dict[str, np.ndarray] = {
    "empty": np.empty((0, 3), np.uint16),
    "one value": np.array([7], np.uint16),
    "flat": np.full((5, 5), 9, np.uint8),
    "digital numbers": RNG.integers(0, 65536, (40, 40), np.uint16),
    "bright and even": RNG.integers(65_500, 65_536, (50, 50), np.uint16),
    "decibels": RNG.normal(-12, 5, (30, 30)).astype(np.float32),
}


def compute(name: str) -> BandStatistics:
    """Return the statistics of one of the arrays."""
    return BandStatistics.from_values(ARRAYS[name])


def check_close(one: BandStatistics, other: BandStatistics) -> None:
    """Counts and ranges are equal, sums up to rounding."""
    assert (one.count, one.minimum, one.maximum) == (other.count, other.minimum, other.maximum)
    assert one.mean == pytest.approx(other.mean, rel=1e-12)
    assert one.std == pytest.approx(other.std, rel=1e-9)


@pytest.mark.parametrize("name", [name for name in ARRAYS if name != "empty"])
def test_statistics_are_numpys(name: str) -> None:
    values, found = ARRAYS[name].astype(np.float64), compute(name)
    assert (found.count, found.minimum, found.maximum) == (values.size, values.min(), values.max())
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.std == pytest.approx(values.std(), rel=1e-9)


@pytest.mark.parametrize("one", ARRAYS)
@pytest.mark.parametrize("other", ARRAYS)
def test_merge_is_commutative(one: str, other: str) -> None:
    check_close(compute(one).merge(compute(other)), compute(other).merge(compute(one)))


@pytest.mark.parametrize("one", ARRAYS)
@pytest.mark.parametrize("other", ARRAYS)
def test_merging_parts_is_measuring_the_whole(one: str, other: str) -> None:
    together = np.concatenate([ARRAYS[one].ravel().astype(np.float64), ARRAYS[other].ravel().astype(np.float64)])
    check_close(compute(one).merge(compute(other)), BandStatistics.from_values(together))


@pytest.mark.parametrize("name", ARRAYS)
def test_merge_is_associative(name: str) -> None:
    one, two, three = compute(name), compute("decibels"), compute("digital numbers")
    check_close(one.merge(two).merge(three), one.merge(two.merge(three)))


@pytest.mark.parametrize("name", ARRAYS)
def test_nothing_is_the_neutral_element(name: str) -> None:
    check_close(BandStatistics().merge(compute(name)), compute(name))
    check_close(compute(name).merge(BandStatistics()), compute(name))


def test_many_small_merges_stay_exact() -> None:
    values = ARRAYS["bright and even"]  # a large mean with a small spread: where naive sums of squares fail
    merged = BandStatistics()
    for row in values:
        merged = merged.merge(BandStatistics.from_values(row))
    check_close(merged, BandStatistics.from_values(values))


def test_nothing_measured_is_told_as_null(tmp_path: Path) -> None:
    write_statistics({"B02": compute("digital numbers"), "B10": BandStatistics()}, tmp_path / "statistics.json")
    content = read_statistics(tmp_path / "statistics.json")
    assert content["B10"] == {"count": 0, "mean": None, "std": None, "min": None, "max": None}
    found = compute("digital numbers")
    assert list(content["B02"].values()) == [found.count, found.mean, found.std, found.minimum, found.maximum]
    text = (tmp_path / "statistics.json").read_text(encoding="utf-8")
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
