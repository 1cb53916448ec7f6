"""Statistics of a band over many patches: mergeable, so that workers need not see each other's pixels.

Merging follows Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances",
1979 (STAN-CS-79-773).
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from landscribe.files import read_json, write_json


@dataclass(frozen=True, kw_only=True)
class BandStatistics:
    """Count, mean, sum of squared deviations and range of the values of one band, in the band's own unit."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf

    @classmethod
    def from_values(cls, values: np.ndarray) -> Self:
        """Return the statistics of an array of any shape."""
        if not values.size:
            return cls()
        mean = float(values.mean(dtype=np.float64))
        deviations = values.astype(np.float64) - mean
        return cls(
            count=values.size,
            mean=mean,
            # Not a dot product: BLAS would start its threads for every band of every patch.
            squares=float(np.square(deviations).sum()),
            minimum=float(values.min()),
            maximum=float(values.max()),
        )

    def merge(self, other: "BandStatistics") -> "BandStatistics":
        """Return the statistics of both sets of values together."""
        count = self.count + other.count
        if count == 0:
            return self
        delta = other.mean - self.mean
        return BandStatistics(
            count=count,
            mean=self.mean + delta * other.count / count,
            squares=self.squares + other.squares + delta**2 * self.count * other.count / count,
            minimum=min(self.minimum, other.minimum),
            maximum=max(self.maximum, other.maximum),
        )

    @property
    def std(self) -> float:
        """Population standard deviation, 0 without values."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0


def write_statistics(statistics: dict[str, BandStatistics], path: Path) -> None:
    """Write band -> count, mean, std, min, max as JSON."""
    write_json(path, {name: _to_row(band) for name, band in statistics.items()})


def _to_row(band: BandStatistics) -> dict[str, Any]:
    known = band.count > 0
    return {
        "count": band.count,
        "mean": band.mean if known else None,
        "std": band.std if known else None,
        "min": band.minimum if known else None,
        "max": band.maximum if known else None,
    }


def read_statistics(path: Path) -> dict[str, dict[str, float]]:
    """Return band -> {"count", "mean", "std", "min", "max"}."""
    content: dict[str, dict[str, float]] = read_json(path)
    return content
