"""Land-cover maps: which CLC class lies where in a patch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from landscribe.demo import terrain
from landscribe.demo.granules import Biome
from landscribe.demo.terrain import SIZE_PX, Floats, Grid, Ints

MIN_COVER = 0.06  # of a patch, to be a label: a third of the smallest unit that CORINE maps, 25 ha

# Base classes of a landscape and how often each is drawn, by CLC code. The shares are set so that the frequencies of
# the 19 classes resemble those of BigEarthNet, with the rarest kept common enough to learn from 2,000 patches and to
# score on the val and test patches among them.
LANDSCAPES: dict[Biome, dict[int, float]] = {
    "continental": {211: 11, 231: 4, 242: 5, 243: 5, 311: 6, 312: 2.5, 313: 4, 324: 2, 321: 1, 221: 2.2},
    "atlantic": {211: 5, 231: 9, 242: 2.5, 243: 3, 311: 2, 312: 2.5, 313: 1.5, 324: 2.5, 322: 3, 321: 2, 412: 3},
    "boreal": {211: 3.5, 243: 3, 311: 3, 312: 9, 313: 8, 324: 5, 412: 3},
    "mediterranean": {211: 4, 221: 2.8, 223: 3.6, 242: 3.5, 243: 4, 244: 8, 311: 4, 313: 2, 321: 2, 323: 3.6, 324: 4},
    "alpine": {211: 3, 231: 3.5, 242: 1.5, 243: 2.5, 311: 4, 312: 5.5, 313: 5, 321: 3.6, 322: 1.4, 324: 3},
}
# Chance that the borders of the base classes follow parcels instead of running free.
_SNAP_CHANCE: dict[Biome, float] = {
    "continental": 0.85, "atlantic": 0.75, "boreal": 0.25, "mediterranean": 0.4, "alpine": 0.25,
}  # fmt: skip
_REGION_CHANCES = (0.17, 0.36, 0.31, 0.16)  # of 1, 2, 3 and 4 base classes

# Chance of each feature that is laid over the base classes.
FEATURES: dict[Biome, dict[str, float]] = {
    "continental": {"town": 0.27, "works": 0.08, "quarry": 0.02, "airport": 0.015, "lake": 0.05, "river": 0.09},
    "atlantic": {"town": 0.18, "works": 0.07, "quarry": 0.02, "lake": 0.08, "river": 0.05, "coast": 0.38},
    "boreal": {"town": 0.07, "works": 0.02, "quarry": 0.01, "lake": 0.36, "river": 0.05, "coast": 0.08},
    "mediterranean": {"town": 0.17, "works": 0.07, "quarry": 0.02, "airport": 0.01, "lake": 0.05, "coast": 0.36},
    "alpine": {"town": 0.12, "works": 0.03, "quarry": 0.02, "lake": 0.10, "river": 0.08},
}
_OPEN_SEA_CHANCE = 0.25  # of a coastal patch to show nothing but sea
_BEACH_CHANCE = 0.5  # of a coast; the others have a salt marsh
WATER_CODES = (511, 512, 523)


@dataclass(frozen=True)
class Layout:
    """A land-cover map, and the geometry it was drawn from, which the textures of the covers follow.

    Attributes:
        codes: CLC level 3 codes, uint16 [row, column].
        grid: coordinates that parcels and streets follow.
        parcels: field parcels, intp [row, column].
        shore_px: distance to the shore, negative at sea, float32 [row, column]; None inland.
    """

    codes: NDArray[np.uint16]
    grid: Grid
    parcels: Ints
    shore_px: Floats | None


def make_layout(rng: np.random.Generator, biome: Biome) -> Layout:
    """Return the land-cover map of one patch."""
    grid = terrain.make_grid(rng, bend_px=rng.uniform(1, 9))
    parcels = terrain.make_parcels(rng, grid, width_px=rng.uniform(9, 24), length_px=rng.uniform(16, 44))
    codes = _make_base(rng, biome, parcels)
    chances, drawn = FEATURES[biome], rng.random(7)
    if drawn[0] < chances.get("town", 0):
        _lay_town(rng, codes)
    if drawn[1] < chances.get("works", 0):
        _lay_blob(rng, codes, 121, radius_px=rng.uniform(20, 42))
    if drawn[2] < chances.get("quarry", 0):
        _lay_blob(rng, codes, 131, radius_px=rng.uniform(18, 32))
    if drawn[3] < chances.get("airport", 0):
        codes[np.abs(terrain.compute_distance(rng, rng.uniform(-25, 25), 0, 2)) < rng.uniform(14, 22)] = 124
    if drawn[4] < chances.get("river", 0):
        line = np.abs(terrain.compute_distance(rng, rng.uniform(-30, 30), 14, 3))
        codes[line < rng.uniform(3.8, 7.5)] = 511
    if drawn[5] < chances.get("lake", 0):
        _lay_blob(rng, codes, 512, radius_px=rng.uniform(18, 48))
    shore_px = _lay_coast(rng, codes) if drawn[6] < chances.get("coast", 0) else None
    return Layout(_drop_small(codes), grid, parcels, shore_px)


def count_cover(codes: NDArray[np.uint16]) -> dict[int, float]:
    """Return the share of the patch that each CLC code covers."""
    counts = np.bincount(codes.ravel())
    return {int(code): int(counts[code]) / codes.size for code in np.flatnonzero(counts)}


def _make_base(rng: np.random.Generator, biome: Biome, parcels: Ints) -> NDArray[np.uint16]:
    number = 1 + int(rng.choice(4, p=_REGION_CHANCES))
    chosen = _draw_classes(rng, LANDSCAPES[biome], number)
    cells = int(rng.integers(2, 6))
    regions, highest = np.zeros((SIZE_PX, SIZE_PX), np.uint8), np.full((SIZE_PX, SIZE_PX), -np.inf, np.float32)
    for region in range(number):
        height = terrain.make_fractal(rng, cells) + np.float32(rng.uniform(-0.7, 0.7))
        regions[height > highest] = region
        np.maximum(height, highest, out=highest)
    if rng.random() < _SNAP_CHANCE[biome]:
        regions = terrain.snap_to_parcels(regions, parcels)
    return chosen[regions]


def _draw_classes(rng: np.random.Generator, shares: Mapping[int, float], number: int) -> NDArray[np.uint16]:
    """Return `number` distinct codes, drawn by share."""
    codes, left = list(shares), list(shares.values())
    chosen = []
    for _ in range(number):
        place = rng.random() * sum(left)
        pick = 0
        while pick < len(left) - 1 and place >= left[pick]:
            place -= left[pick]
            pick += 1
        chosen.append(codes.pop(pick))
        left.pop(pick)
    return np.array(chosen, np.uint16)


def _make_blob(rng: np.random.Generator, radius_px: float) -> NDArray[np.bool_]:
    rough_px = np.float32(0.45 * radius_px)
    return terrain.compute_radius(rng, 38) + terrain.make_fractal(rng, 4) * rough_px < radius_px


def _lay_blob(rng: np.random.Generator, codes: NDArray[np.uint16], code: int, radius_px: float) -> None:
    codes[_make_blob(rng, radius_px)] = code


def _lay_town(rng: np.random.Generator, codes: NDArray[np.uint16]) -> None:
    """Lay a village or a town: houses with gardens, sometimes a dense core, works or a park."""
    radius_px = rng.uniform(20, 62)
    town = _make_blob(rng, radius_px)
    codes[town] = 112
    if radius_px > 40 and rng.random() < 0.55:
        codes[town & _make_blob(rng, 0.6 * radius_px)] = 111
    if radius_px > 34 and rng.random() < 0.35:
        codes[town & (terrain.compute_distance(rng, 0.4 * radius_px, 4, 4) > 0)] = 121
    if radius_px > 34 and rng.random() < 0.2:
        codes[town & _make_blob(rng, 0.5 * radius_px)] = 141


def _lay_coast(rng: np.random.Generator, codes: NDArray[np.uint16]) -> Floats:
    """Lay sea, beach and salt marsh over one side; return the distance to the shore."""
    winding_px = rng.uniform(4, 16)
    shore_px = terrain.compute_distance(rng, rng.uniform(-48, 40), winding_px, int(rng.integers(2, 5)))
    if rng.random() < _OPEN_SEA_CHANCE:
        shore_px = shore_px - np.float32(2 * SIZE_PX)
    if rng.random() < _BEACH_CHANCE:
        codes[shore_px < rng.uniform(12, 24)] = 331
    else:
        codes[shore_px < rng.uniform(16, 45)] = 421
    codes[shore_px < 0] = 523
    return shore_px


def _drop_small(codes: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Replace classes that cover too little to be a label by the largest class, a land class if there is one."""
    cover = count_cover(codes)
    kept = {code: share for code, share in cover.items() if share >= MIN_COVER}
    land = {code: share for code, share in kept.items() if code not in WATER_CODES}
    heir = max(land or kept, key=lambda code: kept[code])
    for code in cover.keys() - kept.keys():
        codes[codes == code] = heir
    return codes
