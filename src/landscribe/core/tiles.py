"""The place of a Sentinel-2 tile, computed from its MGRS code.

A tile is named after the 100 km square of the Military Grid Reference System that it covers: zone, latitude band,
column letter, row letter. Letter sets: NGA.SIG.0012_2.0.0_UTMUPS, "The Universal Grids and the Transverse Mercator and
Polar Stereographic Map Projections" (2014). Tiles begin on a grid of 60 m, counted from easting 0 and from the equator:
at or before the west edge of the square, at or beyond its north edge. Inferred from real products of both hemispheres,
e.g. T35VPK (600000, 7000020) and T53HNV (499980, 6000040).
"""

import re

from landscribe.core.errors import PatchError

PATCH_SIZE_M = 1200  # side of a BigEarthNet patch, and of a cell of the tile's grid
_SQUARE_M = 100_000
_GRID_M = 60  # the coarsest resolution of Sentinel-2
_CYCLE_M = 2_000_000  # row letters repeat after 20 squares
_SOUTH_M = 10_000_000  # false northing of the southern hemisphere
_DEGREE_M = 111_000  # of latitude, roughly: only used to choose the cycle

_BANDS = "CDEFGHJKLMNPQRSTUVWX"  # 8 degrees of latitude each, from 80 degrees south
_COLUMNS = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")  # by zone modulo 3; the first letter begins at 100 km
_ROWS = "ABCDEFGHJKLMNPQRSTUV"  # from the equator in odd zones, five squares before it in even ones
_TILE = re.compile(r"(0[1-9]|[1-5][0-9]|60)([C-HJ-NP-X])([A-HJ-NP-Z])([A-HJ-NP-V])")


def locate_tile(tile: str) -> tuple[int, float, float]:
    """Return EPSG code (WGS 84 / UTM) and upper left corner, easting and northing in metres, of a Sentinel-2 tile.

    Args:
        tile: MGRS code of a 100 km square, e.g. "33UUP".

    Raises:
        PatchError: there is no such square.
    """
    found = _TILE.fullmatch(tile)
    columns = _COLUMNS[int(found[1]) % 3] if found else ""
    if not found or found[3] not in columns:
        raise PatchError(f"expected the MGRS code of a 100 km square, e.g. 33UUP; received '{tile}'")
    zone, band, column, row = int(found[1]), *found.groups()[1:]
    west_m = (columns.index(column) + 1) * _SQUARE_M
    north_m = _find_north(zone, band, row)
    is_south = band < "N"
    epsg = (32700 if is_south else 32600) + zone
    # Snapped before the false northing is added, which is not a multiple of 60 m.
    return epsg, float(west_m // _GRID_M * _GRID_M), float(-(-north_m // _GRID_M) * _GRID_M + is_south * _SOUTH_M)


def _find_north(zone: int, band: str, row: str) -> int:
    """Return the north edge of the square, metres from the equator, negative south of it."""
    middle_m = (8 * _BANDS.index(band) - 76) * _DEGREE_M
    south_m = (_ROWS.index(row) - (0 if zone % 2 else 5)) * _SQUARE_M
    # A band is less than half a cycle high: the right square is the one of its letter nearest to the band's middle.
    return south_m + round((middle_m - south_m) / _CYCLE_M) * _CYCLE_M + _SQUARE_M
