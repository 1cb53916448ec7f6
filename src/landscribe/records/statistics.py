"""Statistics of a band over many patches: mergeable, so that each worker only needs its own pixels.

For an integer band a histogram of the values is exact, independent of the order of merging. Decibels are counted in
bins of 0.01 dB, only for percentiles; their mean and standard deviation are merged as in Chan, Golub, LeVeque,
"Updating formulae and a pairwise algorithm for computing sample variances", 1979 (STAN-CS-79-773).
"""

import math
from pathlib import Path
from typing import Any, Self

import numpy as np

from landscribe.core.files import read_json, write_json

PERCENTILES = (1, 2, 5, 25, 50, 75, 95, 98, 99)

_LOWEST_DB, _HIGHEST_DB, _BINS_PER_DB = -120, 60, 100


class BandStatistics:
    """Count, mean, deviation, range and percentiles of the values of one band, in the band's own unit.

    This class is for unsigned dtypes: one bin per value, so that all statistics are exact.

    Attributes:
        histogram: int64 [bin], number of values in each bin.
    """

    def __init__(self, num_bins: int) -> None:
        self.histogram = np.zeros(num_bins, np.int64)

    @property
    def count(self) -> int:
        """Number of values."""
        return int(self.histogram.sum())

    def add(self, values: np.ndarray) -> None:
        """Add an array of any shape, of the band's dtype or int64, which needs no conversion."""
        # Not np.bincount: it computes the range first, and takes 10 to 50 % longer.
        np.add.at(self.histogram, values.ravel().astype(np.intp, copy=False), 1)

    def merge(self, other: Self) -> None:
        """Add the values of the other."""
        self.histogram += other.histogram

    def encode(self) -> tuple[np.ndarray, np.ndarray]:
        """Return int64 [2, bin] with the bins that are not empty and their counts, and float64 [moment]."""
        bins = np.flatnonzero(self.histogram)
        return np.stack([bins, self.histogram[bins]]), np.empty(0)

    def decode(self, bins: np.ndarray, moments: np.ndarray) -> Self:
        """Restore the result of `encode` into empty statistics, and return self."""
        del moments
        self.histogram[bins[0]] = bins[1]
        return self

    def summarise(self) -> dict[str, Any]:
        """Return count, mean, std (of the population), min, max and percentiles; null if there are no values."""
        if not self.count:
            return {"count": 0} | dict.fromkeys(("mean", "std", "min", "max", "percentiles"))
        percentiles = dict(zip(map(str, PERCENTILES), self._compute_percentiles(), strict=True))
        return {"count": self.count, **self._summarise_moments(), "percentiles": percentiles}

    def _summarise_moments(self) -> dict[str, float]:
        """Return mean, std, min and max; there are values."""
        # In integers of Python: the sum of squares exceeds 64 bits at half a million patches.
        values = np.flatnonzero(self.histogram).tolist()
        totals = [value * count for value, count in zip(values, self.histogram[values].tolist(), strict=True)]
        total, squares = sum(totals), sum(value * part for value, part in zip(values, totals, strict=True))
        return {
            "mean": total / self.count,
            "std": math.sqrt((self.count * squares - total**2) / self.count**2),
            "min": float(values[0]),
            "max": float(values[-1]),
        }

    def _compute_percentiles(self) -> list[float]:
        """Return the values at `PERCENTILES`, interpolated as `np.percentile` does by default."""
        ranks = (self.count - 1) * np.true_divide(PERCENTILES, 100)
        below = np.floor(ranks)
        behind = np.cumsum(self.histogram)
        one, other = (
            self._represent(np.searchsorted(behind, np.minimum(rank, self.count - 1), side="right"))
            for rank in (below, below + 1)
        )
        share, gap = ranks - below, other - one
        # From the nearer of both values, as NumPy does: the other direction differs in the last bit.
        found: list[float] = np.where(share < 0.5, one + gap * share, other - gap * (1 - share)).tolist()
        return found

    def _represent(self, bins: np.ndarray) -> np.ndarray:
        """Return the float64 value that represents each bin."""
        return bins.astype(np.float64)


class _DecibelStatistics(BandStatistics):
    """For Sentinel-1: percentiles within 0.01 dB from -120 to 60 dB; beyond, the minimum or maximum is used."""

    def __init__(self) -> None:
        super().__init__((_HIGHEST_DB - _LOWEST_DB) * _BINS_PER_DB + 2)  # one more at each end for values beyond
        self._mean = self._squares = 0.0
        self._minimum, self._maximum = math.inf, -math.inf

    def add(self, values: np.ndarray) -> None:
        if not values.size:
            return
        means, stds = compute_moments(values.reshape(1, -1))
        squares = float(stds[0]) ** 2 * values.size
        self._merge_moments(values.size, float(means[0]), squares, float(values.min()), float(values.max()))
        lowest, highest = np.float32(_LOWEST_DB - 1 / _BINS_PER_DB), np.float32(_HIGHEST_DB + 0.5 / _BINS_PER_DB)
        super().add(((np.clip(values, lowest, highest) - lowest) * np.float32(_BINS_PER_DB)).astype(np.int64))

    def merge(self, other: Self) -> None:
        self._merge_moments(other.count, other._mean, other._squares, other._minimum, other._maximum)
        super().merge(other)

    def encode(self) -> tuple[np.ndarray, np.ndarray]:
        return super().encode()[0], np.array([self._mean, self._squares, self._minimum, self._maximum])

    def decode(self, bins: np.ndarray, moments: np.ndarray) -> Self:
        self._mean, self._squares, self._minimum, self._maximum = moments.tolist()
        return super().decode(bins, moments)

    def _merge_moments(self, count: int, mean: float, squares: float, minimum: float, maximum: float) -> None:
        """Add moments; the histogram does not contain these values yet."""
        if not count:
            return
        share, delta = count / (self.count + count), mean - self._mean
        self._squares += squares + delta**2 * self.count * share
        self._mean += delta * share
        self._minimum, self._maximum = min(self._minimum, minimum), max(self._maximum, maximum)

    def _summarise_moments(self) -> dict[str, float]:
        std = math.sqrt(self._squares / self.count)
        return {"mean": self._mean, "std": std, "min": self._minimum, "max": self._maximum}

    def _represent(self, bins: np.ndarray) -> np.ndarray:
        centres: np.ndarray = _LOWEST_DB + (bins - 0.5) / _BINS_PER_DB
        centres[bins == 0], centres[bins == len(self.histogram) - 1] = self._minimum, self._maximum
        within: np.ndarray = np.clip(centres, self._minimum, self._maximum)
        return within


def make_statistics(dtype: str) -> BandStatistics:
    """Return the statistics of no values: of a band of uint8, uint16 or float32 (decibels)."""
    return _DecibelStatistics() if np.dtype(dtype).kind == "f" else BandStatistics(np.iinfo(dtype).max + 1)


def compute_moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and population standard deviation of each band, float64 [band]; `values` has the bands first.

    Integers of at most 16 bits, as int64 or in their own dtype, are summed without any rounding.
    """
    if values.dtype.kind != "f":
        return _compute_integer_moments(values.reshape(len(values), -1).astype(np.int64, copy=False))
    exact = values.reshape(len(values), -1).astype(np.float64)
    means = exact.mean(axis=1)
    exact -= means[:, None]
    # Not a dot product: BLAS would start its threads for every band of every patch.
    return means, np.sqrt(np.einsum("ij,ij->i", exact, exact) / exact.shape[1])


def _compute_integer_moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and population standard deviation of each row of int64 [band, pixel]."""
    num, sums, squares = values.shape[1], values.sum(axis=1).tolist(), np.einsum("ij,ij->i", values, values).tolist()
    # In integers of Python: the products exceed 64 bits, and for a dozen bands it is faster than NumPy.
    stds = [math.sqrt(num * square - total**2) / num for total, square in zip(sums, squares, strict=True)]
    return np.array(sums) / num, np.array(stds)


def write_statistics(statistics: dict[str, BandStatistics], path: Path) -> None:
    """Write band -> count, mean, std, min, max and percentiles as JSON."""
    write_json(path, {name: band.summarise() for name, band in statistics.items()})


def read_statistics(path: Path) -> dict[str, dict[str, Any]]:
    """Return band -> {"count", "mean", "std", "min", "max", "percentiles": {"1": ..., ..., "99": ...}}."""
    content: dict[str, dict[str, Any]] = read_json(path)
    return content
