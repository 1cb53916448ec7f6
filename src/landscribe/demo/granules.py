"""Places and times of the synthetic patches: granules, cells of a granule, names and metadata of both twins."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np

from landscribe.core.tiles import PATCH_SIZE_M

Biome = Literal["continental", "atlantic", "boreal", "mediterranean", "alpine"]
Season = Literal["spring", "summer", "autumn", "winter", "dry"]

CELLS_PER_SIDE = 91  # a 109.8 km tile has 91 whole patches per side; the real names go from 0 to 90
# Side of the squares of cells that patches fill one after the other, all over the tile. So nearly every patch has a
# neighbour, and yet the blocks of split.strategy spatial are many and small, and every class is in many of them.
_SQUARE_CELLS = 2


@dataclass(frozen=True)
class Granule:
    """One MGRS tile at one acquisition.

    Attributes:
        tile: MGRS code, e.g. "33UUP".
        corner_km: easting and northing of the tile's upper left corner on the 100 km grid.
        orbit: relative orbit of the Sentinel-2 product.
        s2: mission, day and clock of the acquisition, as in the patch names; the real archive drops the leading zero of
            the hour in some granules.
        s1: day and clock of the Sentinel-1 twin.
        biome: decides which classes occur.
        season: decides the phenology.
    """

    tile: str
    corner_km: tuple[int, int]
    orbit: int
    s2: str
    s1: str
    biome: Biome
    season: Season

    @property
    def zone(self) -> int:
        """UTM zone."""
        return int(self.tile[:2])

    @property
    def s2_time(self) -> datetime:
        """Time of the acquisition."""
        return datetime.strptime(self.s2[4:12] + self.s2[13:].zfill(6), "%Y%m%d%H%M%S")

    @property
    def s1_time(self) -> datetime:
        """Time of the Sentinel-1 twin's acquisition."""
        return datetime.strptime(self.s1, "%Y%m%dT%H%M%S")


# Real tiles of BigEarthNet's ten countries and dates of its year (June 2017 to May 2018). The first four pairs of
# tile and time are those of real patches; the others are plausible.
GRANULES: tuple[Granule, ...] = (
    Granule("33UUP", (300, 5400), 22, "S2A_20170613T101031", "20170613T165043", "continental", "summer"),
    Granule("29SND", (500, 4400), 37, "S2A_20171221T112501", "20171221T064238", "mediterranean", "winter"),
    Granule("35VPK", (600, 7000), 136, "S2B_20170924T93020", "20170925T043256", "boreal", "autumn"),
    Granule("29UPU", (600, 5900), 80, "S2A_20170617T113321", "20170617T064724", "atlantic", "summer"),
    Granule("34TDR", (400, 5100), 36, "S2B_20180502T093039", "20180503T164147", "continental", "spring"),
    Granule("29SNB", (500, 4200), 37, "S2B_20170818T112109", "20170818T064311", "mediterranean", "dry"),
    Granule("32TMT", (400, 5300), 108, "S2B_20170906T101019", "20170906T053418", "alpine", "autumn"),
    Granule("31UFS", (600, 5700), 8, "S2B_20180506T105029", "20180506T173221", "continental", "spring"),
    Granule("29UNV", (500, 6000), 123, "S2A_20180225T114351", "20180225T065027", "atlantic", "winter"),
    Granule("34VER", (500, 7100), 36, "S2A_20170701T093031", "20170702T045012", "boreal", "summer"),
    Granule("33TWN", (500, 5300), 122, "S2A_20170905T95032", "20170905T164909", "alpine", "summer"),
    Granule("34TEQ", (500, 5000), 136, "S2A_20171208T093351", "20171209T163322", "continental", "winter"),
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """One patch on the grid of its granule."""

    granule: Granule
    column: int
    row: int

    @property
    def patch_id(self) -> str:
        """Name of the Sentinel-2 patch."""
        return f"{self.granule.s2.replace('_', '_MSIL2A_')}_{self.column}_{self.row}"

    @property
    def s1_patch_id(self) -> str:
        """Name of the Sentinel-1 twin."""
        return f"S1A_IW_GRDH_1SDV_{self.granule.s1}_{self.granule.tile}_{self.column}_{self.row}"

    @property
    def left_m(self) -> int:
        """Easting of the left edge; tiles start on the 60 m grid, at or before their 100 km line."""
        return self.granule.corner_km[0] * 1000 // 60 * 60 + self.column * PATCH_SIZE_M

    @property
    def top_m(self) -> int:
        """Northing of the upper edge; tiles start on the 60 m grid, at or beyond their 100 km line."""
        return -(-self.granule.corner_km[1] * 1000 // 60) * 60 - self.row * PATCH_SIZE_M


def place_patch(seed: int, number: int, num_tiles: int) -> Place:
    """Return the place of patch `number`; patches alternate among the first `num_tiles` granules."""
    tile, turn = number % num_tiles, number // num_tiles
    cell = _order_cells(seed, tile)[turn]
    return Place(granule=GRANULES[tile], column=cell % CELLS_PER_SIDE, row=cell // CELLS_PER_SIDE)


@functools.cache
def _order_cells(seed: int, tile: int) -> tuple[int, ...]:
    rng = np.random.default_rng([seed, tile, 1])
    square = np.arange(CELLS_PER_SIDE) // _SQUARE_CELLS
    squares_per_side = int(square[-1]) + 1
    turns = rng.permutation(squares_per_side**2).reshape(squares_per_side, squares_per_side)
    order = np.argsort(turns[np.ix_(square, square)], axis=None, kind="stable")
    return tuple(order.tolist())


def make_s2_metadata(place: Place, labels: Sequence[str]) -> dict[str, Any]:
    """Return the content of the Sentinel-2 patch's JSON, key by key as in the real archive."""
    granule, time = place.granule, place.granule.s2_time
    ingested = (time + timedelta(minutes=1, seconds=12)).strftime("%Y%m%dT%H%M%S")
    baseline = "N0205" if time < datetime(2017, 10, 1) else "N0206"  # processing baseline in force at that date
    return {
        "labels": list(labels),
        "coordinates": _make_coordinates(place, "lry"),
        "projection": _make_projection(granule.zone),
        "tile_source": f"{granule.s2.replace('_', '_MSIL1C_')}_{baseline}_R{granule.orbit:03d}"
        f"_T{granule.tile}_{ingested}.SAFE",
        "acquisition_date": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def make_s1_metadata(place: Place, labels: Sequence[str]) -> dict[str, Any]:
    """Return the content of the Sentinel-1 twin's JSON, with the real one's `lly` and `acquisition_time`."""
    time = place.granule.s1_time
    stop = (time + timedelta(seconds=25)).strftime("%Y%m%dT%H%M%S")
    absolute_orbit = 17018 + (time - datetime(2017, 6, 13)).days * 175 // 12  # Sentinel-1A: 175 orbits in 12 days
    return {
        "labels": list(labels),
        "coordinates": _make_coordinates(place, "lly"),
        "projection": _make_projection(place.granule.zone),
        "corresponding_s2_patch": place.patch_id,
        "scene_source": f"S1A_IW_GRDH_1SDV_{place.granule.s1}_{stop}_{absolute_orbit:06d}_01C579_0000",
        "acquisition_time": time.strftime("%Y-%m-%dT%H:%M:%S"),
    }


def _make_coordinates(place: Place, lower_key: str) -> dict[str, int]:
    left, top = place.left_m, place.top_m
    return {"ulx": left, "uly": top, "lrx": left + PATCH_SIZE_M, lower_key: top - PATCH_SIZE_M}


def _make_projection(zone: int) -> str:
    return (
        f'PROJCS["WGS 84 / UTM zone {zone}N",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,'
        'AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],'
        'UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AXIS["Latitude",NORTH],AXIS["Longitude",EAST],'
        'AUTHORITY["EPSG","4326"]],PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",0],'
        f'PARAMETER["central_meridian",{6 * zone - 183}],PARAMETER["scale_factor",0.9996],'
        'PARAMETER["false_easting",500000],PARAMETER["false_northing",0],UNIT["metre",1,AUTHORITY["EPSG","9001"]],'
        f'AXIS["Easting",EAST],AXIS["Northing",NORTH],AUTHORITY["EPSG","{32600 + zone}"]]'
    )
