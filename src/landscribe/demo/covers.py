"""How each CLC class looks from above: a pattern of materials, painted pixel by pixel."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from landscribe.demo.granules import Season
from landscribe.demo.layout import Layout
from landscribe.demo.materials import CROPS, MATERIAL_IDS, find_materials
from landscribe.demo.terrain import (
    SIZE_PX,
    Floats,
    choose_per_parcel,
    compute_distance,
    draw_per_parcel,
    find_edges,
    make_fractal,
    make_grain,
    make_noise,
    make_parcels,
)

Materials = NDArray[np.uint8]
CROP = "(crop)"  # stands for the season's crops in a list of materials
_FULL = (SIZE_PX, SIZE_PX)
_AIRPORT_CODE, _FIRST_WATER_CODE, _FARMED_CODES = 124, 511, (211, 244)
_ROADS = ("asphalt", "asphalt", "concrete", "soil")
_FARM = ("tile_roof", "concrete", "garden", "broadleaf", "broadleaf")


@dataclass(frozen=True)
class Canvas:
    """Inputs and outputs of painting.

    Attributes:
        rng: source of randomness of this patch.
        season: of the granule.
        layout: where each class lies.
        material: material ids, uint8 [row, column]; filled.
        tone: factor on all optical bands, float32 [row, column]; filled.
        vigour: factor on the red edge and near infrared bands, float32 [row, column]; filled.
    """

    rng: np.random.Generator
    season: Season
    layout: Layout
    material: Materials = field(default_factory=lambda: np.zeros(_FULL, np.uint8))
    tone: Floats = field(default_factory=lambda: np.ones(_FULL, np.float32))
    vigour: Floats = field(default_factory=lambda: np.ones(_FULL, np.float32))

    def find(self, names: tuple[str, ...]) -> Materials:
        """Return the ids of materials as they look in this season."""
        spelled = tuple(name for given in names for name in (CROPS[self.season] if given == CROP else (given,)))
        return find_materials(spelled, self.season)


Painted = tuple[Materials, Floats, Floats]
Painter = Callable[[Canvas], Painted]


def paint(canvas: Canvas) -> None:
    """Fill the canvas, class by class."""
    codes = canvas.layout.codes
    for code in np.flatnonzero(np.bincount(codes.ravel())):
        where = codes == code
        material, tone, vigour = COVERS[int(code)](canvas)
        np.copyto(canvas.material, material, where=where)
        np.copyto(canvas.tone, tone, where=where)
        np.copyto(canvas.vigour, vigour, where=where)
    _lay_roads(canvas)
    _lay_farms(canvas)


def _lay_roads(canvas: Canvas) -> None:
    """Lay up to two country roads over the land; far too narrow to be labels."""
    rng, codes = canvas.rng, canvas.layout.codes
    open_land = (codes < _FIRST_WATER_CODE) & (codes != _AIRPORT_CODE)
    for surface in rng.choice(canvas.find(_ROADS), int(rng.integers(0, 3))):
        line = np.abs(compute_distance(rng, rng.uniform(-50, 50), rng.uniform(1, 9), 2))
        canvas.material[open_land & (line < rng.uniform(0.4, 0.75))] = surface


def _lay_farms(canvas: Canvas) -> None:
    """Lay up to three farmsteads, some pixels of roofs, yards and trees, over farmed land."""
    rng, codes = canvas.rng, canvas.layout.codes
    for _ in range(int(rng.integers(0, 4))):
        (row, column), (rows, columns) = rng.integers(4, SIZE_PX - 8, 2), rng.integers(3, 6, 2)
        yard = np.s_[row : row + rows, column : column + columns]
        farmed = (codes[yard] >= _FARMED_CODES[0]) & (codes[yard] <= _FARMED_CODES[1])
        np.copyto(canvas.material[yard], rng.choice(canvas.find(_FARM), farmed.shape), where=farmed)


def _flat(value: float = 1.0) -> Floats:
    return np.full(_FULL, value, np.float32)


def _cut_levels(noise: Floats, shares: tuple[float, ...]) -> Materials:
    """Return 0, 1, ... so that level i takes about `shares[i]` of a field of standard normal noise."""
    levels, below = np.zeros(_FULL, np.uint8), 0.0
    for share in shares[:-1]:
        below += share / sum(shares)
        levels += noise > np.float32(round(NormalDist().inv_cdf(below), 4))
    return levels


def _paint_clumps(
    canvas: Canvas, *, parts: tuple[tuple[str, float], ...], cells: int, grain: float, relief: float = 0.0
) -> Painted:
    """Paint clumps of materials: forests, scrub, bogs. `cells` sets their size, `grain` frays them."""
    rng = canvas.rng
    noise = make_fractal(rng, cells)
    mixed = (noise + make_grain(rng) * np.float32(grain)) * np.float32((1 + grain * grain) ** -0.5)
    names, shares = zip(*parts, strict=True)
    material = canvas.find(names)[_cut_levels(mixed, shares)]
    tone = 1 + np.float32(0.09) * make_fractal(rng, 12)
    if relief:
        slope = make_fractal(rng, 5)
        tone[:, 1:] += np.float32(relief) * (slope[:, 1:] - slope[:, :-1])
    return material, tone, tone


def _paint_parcels(
    canvas: Canvas,
    *,
    mix: tuple[str, ...],
    size_px: tuple[float, float] | None = None,
    edge: str | None = None,
    edge_share: float = 0.5,
    spread: float = 0.12,
    rows: float = 0.0,
    wild: float = 0.0,
) -> Painted:
    """Paint parcels, one material each.

    `edge` is the material between them, `rows` the contrast of tractor lines, `wild` the share under woods and scrub.
    """
    rng, grid = canvas.rng, canvas.layout.grid
    parcels = canvas.layout.parcels if size_px is None else make_parcels(rng, grid, *size_px)
    material = choose_per_parcel(rng, parcels, canvas.find(mix))
    tone = draw_per_parcel(rng, parcels, spread) + np.float32(0.03) * make_noise(rng, 20)
    if rows:
        across = grid.u if rng.random() < 0.5 else grid.v
        tone += np.float32(rows) * ((across * np.float32(0.5)) % 1 > np.float32(0.5))
    vigour = draw_per_parcel(rng, parcels, 0.16) + np.float32(0.04) * make_noise(rng, 9)
    if edge is not None:
        hedges = find_edges(parcels) & (make_noise(rng, 14) < np.float32(NormalDist().inv_cdf(edge_share)))
        material[hedges] = canvas.find((edge,))[0]
    if wild:
        woods = make_fractal(rng, 14)
        for share, plant in ((wild, "shrub"), (0.6 * wild, "broadleaf")):
            material[woods > np.float32(NormalDist().inv_cdf(1 - share))] = canvas.find((plant,))[0]
    return material, tone, vigour


def _paint_rows(canvas: Canvas, *, crop: str, ground: str, gap_px: float, size_px: tuple[float, float]) -> Painted:
    """Paint small blocks of planted rows with lanes between them."""
    rng, grid = canvas.rng, canvas.layout.grid
    blocks = make_parcels(rng, grid, *size_px)
    thickness = draw_per_parcel(rng, blocks, 0.5) * np.float32(0.55)
    planted, bare = canvas.find((crop, ground))
    material = np.where(grid.u / np.float32(gap_px) % 1 < thickness, planted, bare)
    material[find_edges(blocks)] = bare
    return material, draw_per_parcel(rng, blocks, 0.16), draw_per_parcel(rng, blocks, 0.15)


def _paint_orchard(canvas: Canvas, *, tree: str, grounds: tuple[str, ...], gap_px: float) -> Painted:
    """Paint trees on a square lattice, some missing, over bare or grassy ground, grove by grove."""
    rng, grid = canvas.rng, canvas.layout.grid
    groves = make_parcels(rng, grid, 14, 20)
    material = choose_per_parcel(rng, groves, canvas.find(grounds))
    gap, crown = np.float32(gap_px), np.float32(0.58)
    trees = (grid.u / gap % 1 < crown) & (grid.v / gap % 1 < crown)
    material[trees & (make_grain(rng) > np.float32(-0.9))] = canvas.find((tree,))[0]
    return material, draw_per_parcel(rng, groves, 0.14), _flat()


def _paint_scatter(canvas: Canvas, *, tree: str, grounds: tuple[str, ...], share: float) -> Painted:
    """Paint single trees, each with a shadow to its north, over open ground."""
    rng = canvas.rng
    material = choose_per_parcel(rng, canvas.layout.parcels, canvas.find(grounds))
    tone = draw_per_parcel(rng, canvas.layout.parcels, 0.12) + np.float32(0.05) * make_noise(rng, 10)
    trees = make_grain(rng) + np.float32(0.35) * make_noise(rng, 8) > np.float32(NormalDist().inv_cdf(1 - share))
    material[trees] = canvas.find((tree,))[0]
    tone[:-1][trees[1:] & ~trees[:-1]] *= np.float32(0.72)
    return material, tone, tone


def _paint_streets(canvas: Canvas, *, block_px: tuple[float, float], parts: tuple[tuple[str, float], ...]) -> Painted:
    """Paint streets around blocks of houses and gardens; `parts` go from one end of a lot to the other."""
    rng = canvas.rng
    blocks = make_parcels(rng, canvas.layout.grid, *block_px)
    names, shares = zip(*parts, strict=True)
    lots = (
        make_noise(rng, 52) * np.float32(0.8)
        + make_grain(rng) * np.float32(0.5)
        + make_noise(rng, 10) * np.float32(0.33)
    )
    material = canvas.find(names)[_cut_levels(lots, shares)]
    material[find_edges(blocks)] = MATERIAL_IDS["asphalt"]
    return material, draw_per_parcel(rng, blocks, 0.10), _flat()


def _paint_airport(canvas: Canvas) -> Painted:
    """Paint runways and taxiways across mown grass."""
    grid = canvas.layout.grid
    material = np.full(_FULL, canvas.find(("grass_cut",))[0], np.uint8)
    material[(grid.u % 48 < 5) | (grid.u % 48 > 16) & (grid.u % 48 < 18) | (grid.v % 60 < 2)] = MATERIAL_IDS["asphalt"]
    material[(grid.u % 48 > 20) & (grid.u % 48 < 27) & (grid.v % 60 < 22)] = MATERIAL_IDS["concrete"]
    return material, _flat(), _flat()


def _paint_water(canvas: Canvas, *, water: str) -> Painted:
    """Paint still or flowing fresh water."""
    tone = 1 + np.float32(0.10) * make_noise(canvas.rng, 4)
    return np.full(_FULL, MATERIAL_IDS[water], np.uint8), tone, _flat()


def _paint_sea(canvas: Canvas) -> Painted:
    """Paint the sea: swell, shallows and surf towards the shore."""
    rng, shore_px = canvas.rng, canvas.layout.shore_px
    material = np.full(_FULL, MATERIAL_IDS["sea"], np.uint8)
    swell = canvas.layout.grid.u / np.float32(rng.uniform(3, 7)) + make_noise(rng, 6)
    tone = 1 + np.float32(0.09) * np.abs(swell % 1 - np.float32(0.5)) + np.float32(0.06) * make_noise(rng, 5)
    if shore_px is not None:
        material[shore_px > -rng.uniform(1, 9) + 2 * make_noise(rng, 8)] = MATERIAL_IDS["shallows"]
        material[shore_px > -rng.uniform(0.3, 1.8)] = MATERIAL_IDS["surf"]
    return material, tone, _flat()


def _paint_salt_marsh(canvas: Canvas) -> Painted:
    """Paint salt meadows cut by winding tidal creeks with muddy banks."""
    rng = canvas.rng
    meadow, bank, creek = canvas.find(("salt_meadow", "mud", "shallows"))
    winding = np.abs(make_noise(rng, 7) + np.float32(0.35) * make_noise(rng, 16))
    material = np.full(_FULL, meadow, np.uint8)
    material[winding < np.float32(0.30)] = bank
    material[winding < np.float32(0.13)] = creek
    tone = 1 + np.float32(0.08) * make_noise(rng, 14)
    return material, tone, tone


# fmt: off
COVERS: dict[int, Painter] = {
    111: partial(
        _paint_streets, block_px=(5, 7),
        parts=(("garden", 8), ("asphalt", 27), ("tile_roof", 45), ("pale_roof", 20)),
    ),
    112: partial(
        _paint_streets, block_px=(6, 12),
        parts=(("broadleaf", 14), ("garden", 54), ("tile_roof", 26), ("pale_roof", 6)),
    ),
    121: partial(
        _paint_parcels,
        mix=("metal_roof", "metal_roof", "dark_roof", "concrete", "concrete", "asphalt", "grass_cut"),
        size_px=(7, 11), edge="asphalt", edge_share=0.9, spread=0.15,
    ),
    124: _paint_airport,
    131: partial(_paint_clumps, parts=(("lake", 6), ("rock", 24), ("quarry", 70)), cells=9, grain=0.15, relief=0.3),
    141: partial(_paint_clumps, parts=(("grass", 55), ("broadleaf", 35), ("asphalt", 10)), cells=18, grain=0.3),
    211: partial(_paint_parcels, mix=(CROP,), edge="shrub", edge_share=0.12, rows=0.05),
    221: partial(_paint_rows, crop="vine", ground="red_earth", gap_px=3.6, size_px=(7, 16)),
    223: partial(_paint_orchard, tree="olive", grounds=("red_earth", "red_earth", "red_earth", "soil"), gap_px=3.3),
    231: partial(
        _paint_parcels, mix=("grass", "grass", "grass", "grass", "grass_cut"),
        edge="broadleaf", edge_share=0.6, spread=0.10,
    ),
    242: partial(
        _paint_parcels, mix=(CROP, "grass", "grass", "garden", "garden", "garden", "vine", "tile_roof"),
        size_px=(3.6, 7), spread=0.16,
    ),
    243: partial(
        _paint_parcels, mix=(CROP, "grass", "grass", "grass", "grass"),
        size_px=(7, 10), edge="broadleaf", edge_share=0.75, wild=0.5,
    ),
    244: partial(_paint_scatter, tree="oak", grounds=("grass_dry", "grass_dry", "grass_dry", "grass"), share=0.23),
    311: partial(_paint_clumps, parts=(("broadleaf", 100),), cells=8, grain=0.0, relief=0.5),
    312: partial(_paint_clumps, parts=(("conifer", 97), ("clearing", 3)), cells=7, grain=0.2, relief=0.3),
    313: partial(_paint_clumps, parts=(("conifer", 50), ("broadleaf", 50)), cells=28, grain=0.5, relief=0.3),
    321: partial(
        _paint_clumps, parts=(("upland_grass", 78), ("upland_straw", 14), ("rock", 8)),
        cells=10, grain=0.4, relief=0.6,
    ),
    322: partial(_paint_clumps, parts=(("heather", 84), ("upland_straw", 16)), cells=14, grain=0.3, relief=0.3),
    323: partial(
        _paint_clumps, parts=(("maquis", 74), ("red_earth", 10), ("rock", 16)), cells=30, grain=0.6, relief=0.4
    ),
    324: partial(_paint_clumps, parts=(("clearing", 42), ("shrub", 36), ("conifer", 22)), cells=20, grain=0.5),
    331: partial(_paint_clumps, parts=(("sand", 74), ("dune_grass", 26)), cells=10, grain=0.2),
    412: partial(_paint_clumps, parts=(("bog", 52), ("bog_moss", 38), ("lake", 10)), cells=18, grain=0.15),
    421: _paint_salt_marsh,
    511: partial(_paint_water, water="river"),
    512: partial(_paint_water, water="lake"),
    523: _paint_sea,
}
# fmt: on
