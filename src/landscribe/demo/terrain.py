"""Shapes on the ground: smooth noise, parcels, distance to a winding line.

Everything here uses only integers and the exactly rounded operations of IEEE 754, so that the same seed gives the
same bytes on any machine: no transcendental function is applied to an array.
"""

import functools
import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.intp]

SIZE_PX = 120
QUANTILES = 4096
# Of the standard normal law, at the middle of 4,096 equal shares; rounded so that the last bit cannot matter.
NORMAL_QUANTILES: Floats = np.array(
    [round(NormalDist().inv_cdf((step + 0.5) / QUANTILES), 5) for step in range(QUANTILES)], np.float32
)
_LATTICE_PEAK = 127
# Standard deviation of the smooth noise before scaling: 73.6 for uniform integers, times 0.55 for the spline.
_NOISE_STD = np.float32(40.5)
_MARGIN_PX = 256  # keeps rotated and bent coordinates positive
_EXTENT_PX = 520
_PARCEL_IDS = 512


@dataclass(frozen=True)
class Grid:
    """Two bent coordinates at right angles, in pixels; parcels, rows and streets follow them."""

    u: Floats
    v: Floats


@functools.cache
def _spline_taps(cells: int) -> tuple[tuple[Ints, Floats], ...]:
    """Return, for each of the 3 taps of a quadratic B-spline, lattice index and weight [SIZE_PX]."""
    place = (np.arange(SIZE_PX) + 0.5) * cells / SIZE_PX
    cell = place.astype(np.intp)
    t = place - cell
    weights = ((1 - t) * (1 - t) / 2, 0.5 + t - t * t, t * t / 2)
    return tuple((cell + tap, weight.astype(np.float32)) for tap, weight in enumerate(weights))


def make_noise(rng: np.random.Generator, cells: int) -> Floats:
    """Return smooth noise, float32 [row, column] of mean 0 and standard deviation near 1.

    No matrix product: BLAS chooses the order of its sums, and it starts threads in every worker, which was ten times
    slower on a busy machine.

    Args:
        rng: source of randomness.
        cells: lattice cells per side; a feature is about SIZE_PX / cells pixels wide.
    """
    lattice = rng.integers(-_LATTICE_PEAK, _LATTICE_PEAK + 1, (cells + 2, cells + 2)).astype(np.float32) / _NOISE_STD
    taps = _spline_taps(cells)
    across = _add_taps(*(lattice[:, index] * weight for index, weight in taps))
    return _add_taps(*(across.take(index, axis=0) * weight[:, np.newaxis] for index, weight in taps))


def _add_taps(first: Floats, second: Floats, third: Floats) -> Floats:
    first += second
    first += third
    return first


def make_fractal(rng: np.random.Generator, cells: int) -> Floats:
    """Return noise with ever finer detail, as coasts and woods have; same form as `make_noise`."""
    fine = min(5 * cells, SIZE_PX // 2)
    noise = make_noise(rng, cells) + make_noise(rng, (cells + fine) // 2) * np.float32(0.45)
    noise += make_noise(rng, fine) * np.float32(0.30)
    noise *= np.float32(0.88)  # 1 / (1 + 0.45^2 + 0.30^2)^0.5: back to a standard deviation of 1
    return noise


def draw_quantiles(rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return white uniform noise, uint16 [row, column] in 0..QUANTILES - 1, to look up in a table of quantiles."""
    return rng.integers(0, QUANTILES, (SIZE_PX, SIZE_PX), np.uint16)


def make_grain(rng: np.random.Generator) -> Floats:
    """Return white Gaussian noise, float32 [row, column]; a table is four times faster than drawing normals."""
    return NORMAL_QUANTILES[draw_quantiles(rng)]


@functools.lru_cache(maxsize=1)
def _pixel_axes() -> tuple[Floats, Floats]:
    axis = np.arange(SIZE_PX, dtype=np.float32) - np.float32(SIZE_PX / 2 - 0.5)
    return axis[np.newaxis, :], axis[:, np.newaxis]


def draw_direction(rng: np.random.Generator) -> tuple[np.float32, np.float32]:
    """Return cosine and sine of a random angle, rounded so that the last bit of libm cannot matter."""
    angle = rng.uniform(0, math.pi)
    return np.float32(round(math.cos(angle), 4)), np.float32(round(math.sin(angle), 4))


def make_grid(rng: np.random.Generator, bend_px: float) -> Grid:
    """Return a grid bent by about `bend_px`, turned by one angle here and by another there, as old farmland is."""
    first, second = (_make_even_grid(rng, bend_px) for _ in range(2))
    here = make_noise(rng, 2) > np.float32(rng.uniform(-1.2, 1.2))
    return Grid(np.where(here, first.u, second.u), np.where(here, first.v, second.v))


def _make_even_grid(rng: np.random.Generator, bend_px: float) -> Grid:
    cosine, sine = draw_direction(rng)
    x, y = _pixel_axes()
    bend = np.float32(bend_px)
    u = x * cosine + y * sine + make_noise(rng, 2) * bend + np.float32(_MARGIN_PX)
    v = y * cosine - x * sine + make_noise(rng, 2) * bend + np.float32(_MARGIN_PX)
    return Grid(u, v)


def compute_distance(rng: np.random.Generator, offset_px: float, winding_px: float, cells: int) -> Floats:
    """Return the signed distance, in pixels, to a winding line that passes the centre at `offset_px`."""
    cosine, sine = draw_direction(rng)
    x, y = _pixel_axes()
    return x * cosine + y * sine - np.float32(offset_px) + make_fractal(rng, cells) * np.float32(winding_px)


def compute_radius(rng: np.random.Generator, reach_px: float) -> Floats:
    """Return the distance, in pixels, to a random point at most `reach_px` from the centre along each axis."""
    x, y = _pixel_axes()
    dx, dy = x - np.float32(rng.uniform(-reach_px, reach_px)), y - np.float32(rng.uniform(-reach_px, reach_px))
    radius: Floats = np.sqrt(dx * dx + dy * dy)
    return radius


def _draw_cuts(rng: np.random.Generator, length_px: float) -> Ints:
    shortest = max(2, round(0.45 * length_px))
    spread = rng.random(2 * _EXTENT_PX // shortest)
    # Squared: many short ones, a few long ones.
    lengths = shortest + np.rint(spread * spread * (1.9 * length_px)).astype(np.intp)
    return np.repeat(np.arange(lengths.size), lengths)


def make_parcels(rng: np.random.Generator, grid: Grid, width_px: float, length_px: float) -> Ints:
    """Return parcel numbers, intp [row, column] in 0..511: strips of the grid, each cut at its own places."""
    strip = _draw_cuts(rng, width_px)[grid.u.astype(np.intp)]
    shifts = rng.integers(0, _EXTENT_PX, _EXTENT_PX)
    cell = _draw_cuts(rng, length_px)[grid.v.astype(np.intp) + shifts[strip]]
    parcels: Ints = (strip * 37 + cell) % _PARCEL_IDS  # 37: neighbours hardly ever share a number
    return parcels


def draw_per_parcel(rng: np.random.Generator, parcels: Ints, spread: float) -> Floats:
    """Return one factor per parcel around 1, uniform within `spread`, float32 [row, column]."""
    return rng.uniform(1 - spread, 1 + spread, _PARCEL_IDS).astype(np.float32)[parcels]


def choose_per_parcel(rng: np.random.Generator, parcels: Ints, choices: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return one of `choices` per parcel, uint8 [row, column]; a choice given twice is twice as likely."""
    return choices[rng.integers(0, choices.size, _PARCEL_IDS)][parcels]


def find_edges(parcels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return where a parcel ends towards the right or below."""
    edges = np.zeros(parcels.shape, np.bool_)
    edges[:, :-1] = parcels[:, 1:] != parcels[:, :-1]
    edges[:-1] |= parcels[1:] != parcels[:-1]
    return edges


def snap_to_parcels(regions: NDArray[np.uint8], parcels: Ints) -> NDArray[np.uint8]:
    """Return regions whose borders follow parcels: each takes the region of its last pixel in reading order."""
    of_parcel = np.zeros(_PARCEL_IDS, np.uint8)
    of_parcel[parcels.ravel()] = regions.ravel()
    return of_parcel[parcels]
