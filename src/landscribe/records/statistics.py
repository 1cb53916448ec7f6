"""Statistics of a band over many patches: mergeable, so that each worker only needs its own pixels.

For an integer band a histogram of the values is exact, independent of the order of merging. Floats are counted in bins,
only for percentiles: decibels in bins of 0.01 dB, others in bins of 2**-12 of the value; their mean and standard
deviation are merged as in Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample
variances", 1979 (STAN-CS-79-773).
"""

import math
from pathlib import Path
from typing import Any, Self

import numpy as np

from landscribe.core.bands import S1_BANDS, Band
from landscribe.core.errors import RecordsError
from landscribe.core.files import read_json, write_json

PERCENTILES = (1, 2, 5, 25, 50, 75, 95, 98, 99)

_LOWEST_DB, _HIGHEST_DB, _BINS_PER_DB = -120, 60, 100
DECIBEL = "decibel"  # in place of the dtype of a band that is counted so
_FLOAT_BITS = 11  # of 32 that a bin of float32 drops: sign, exponent and 12 bits of the fraction stay


class BandStatistics:
    """Count, mean, deviation, range and percentiles of the values of one band, in the band's own unit.

    This class is for integer dtypes: one bin per value, so that all statistics are exact.

    Attributes:
        histogram: int64 [bin], number of values in each bin.
    """

    def __init__(self, num_bins: int, lowest: int = 0) -> None:
        self.histogram = np.zeros(num_bins, np.int64)
        self._lowest = lowest  # value of the first bin

    @property
    def count(self) -> int:
        """Number of values."""
        return int(self.histogram.sum())

    def add(self, values: np.ndarray) -> None:
        """Add an array of any shape, of the band's dtype or int64, which needs no conversion."""
        bins = values.ravel().astype(np.intp, copy=False)
        # Not np.bincount: it computes the range first, and takes 10 to 50 % longer.
        np.add.at(self.histogram, bins - self._lowest if self._lowest else bins, 1)

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
        bins = np.flatnonzero(self.histogram)
        values = (bins + self._lowest).tolist()
        totals = [value * count for value, count in zip(values, self.histogram[bins].tolist(), strict=True)]
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
        """Return the float64 value that stands for each bin."""
        return (bins + self._lowest).astype(np.float64)


class _FloatStatistics(BandStatistics):
    """Of float32 in any unit: percentiles within 0.0125 % of their value, half a bin."""

    def __init__(self, num_bins: int = 1 << (32 - _FLOAT_BITS)) -> None:
        super().__init__(num_bins)
        self._mean = self._squares = 0.0
        self._minimum, self._maximum = math.inf, -math.inf

    def add(self, values: np.ndarray) -> None:
        if not values.size:
            return
        means, stds = compute_moments(values.reshape(1, -1))
        squares = float(stds[0]) ** 2 * values.size
        self._merge_moments(values.size, float(means[0]), squares, float(values.min()), float(values.max()))
        super().add(self._find_bins(values))

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
        within: np.ndarray = np.clip(self._find_centres(bins), self._minimum, self._maximum)
        return within

    def _find_bins(self, values: np.ndarray) -> np.ndarray:
        """Return the int64 number of the bin of each finite value; larger values have larger numbers."""
        # IEEE 754: as signed numbers the bits of positive floats stand in the order of their values, those of negative
        # ones in the reverse order. 0.0 is added because it makes one zero of both.
        bits = (values.astype(np.float32) + np.float32(0)).view(np.int32).astype(np.int64)
        ordered: np.ndarray = np.where(bits < 0, -1 - (bits & 0x7FFFFFFF), bits)
        return (ordered >> _FLOAT_BITS) + (1 << (31 - _FLOAT_BITS))

    def _find_centres(self, bins: np.ndarray) -> np.ndarray:
        """Return the float64 value in the middle of each bin."""
        lowest = (np.asarray(bins, np.int64) - (1 << (31 - _FLOAT_BITS))) << _FLOAT_BITS
        ends = [lowest, lowest + (1 << _FLOAT_BITS) - 1]
        bits = [np.where(end < 0, (-1 - end) | 0x80000000, end).astype(np.uint32) for end in ends]
        centres: np.ndarray = np.mean([end.view(np.float32).astype(np.float64) for end in bits], axis=0)
        return centres


class _DecibelStatistics(_FloatStatistics):
    """Of Sentinel-1: percentiles within 0.01 dB from -120 to 60 dB; for those beyond, minimum or maximum stands."""

    def __init__(self) -> None:
        super().__init__((_HIGHEST_DB - _LOWEST_DB) * _BINS_PER_DB + 2)  # one more at each end for those beyond

    def _find_bins(self, values: np.ndarray) -> np.ndarray:
        lowest, highest = np.float32(_LOWEST_DB - 1 / _BINS_PER_DB), np.float32(_HIGHEST_DB + 0.5 / _BINS_PER_DB)
        bins: np.ndarray = ((np.clip(values, lowest, highest) - lowest) * np.float32(_BINS_PER_DB)).astype(np.int64)
        return bins

    def _find_centres(self, bins: np.ndarray) -> np.ndarray:
        centres: np.ndarray = _LOWEST_DB + (bins - 0.5) / _BINS_PER_DB
        centres[bins == 0], centres[bins == len(self.histogram) - 1] = self._minimum, self._maximum
        return centres


def find_kind(band: Band) -> str:
    """Return how the values of a band are counted, for `make_statistics`: its dtype, or decibels."""
    if band.dtype is None:
        raise RecordsError(f"band {band.name}: expected a known dtype before conversion.")
    # An image may hold whatever unit under the names VV and VH.
    return DECIBEL if band.name in S1_BANDS and band.resolution_m is not None else band.dtype


def make_statistics(kind: str) -> BandStatistics:
    """Return the statistics of no values: of a band of an integer dtype of up to 16 bits, float32 or decibels."""
    if kind == DECIBEL:
        return _DecibelStatistics()
    if np.dtype(kind).kind == "f":
        return _FloatStatistics()
    limits = np.iinfo(kind)
    return BandStatistics(int(limits.max) - int(limits.min) + 1, int(limits.min))


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
