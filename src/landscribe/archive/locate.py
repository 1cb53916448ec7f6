"""Places of the patches: corner from tile and cell if the metadata has none, centre as longitude and latitude."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform

from landscribe.core.errors import PatchError
from landscribe.core.tiles import PATCH_SIZE_M, locate_tile

_DECIMALS = 7  # of a degree: about a centimetre; further digits vary with the release of PROJ

Floats = NDArray[np.float64]


def locate_patches(patches: pa.Table) -> pa.Table:
    """Return the table with missing places filled in where possible; given values stay, unknown ones are null.

    Args:
        patches: table of `PATCH_SCHEMA`. `epsg`, `ulx_m`, `uly_m` and `size_m` are filled from tile, column and row;
            then `longitude` and `latitude` of the centre, WGS 84.
    """
    for name, derived in _derive_corners(patches).items():
        patches = _put(patches, name, pc.coalesce(patches[name], derived))
    longitude, latitude = _compute_centres(patches)
    patches = _put(patches, "longitude", pa.array(longitude, from_pandas=True))
    return _put(patches, "latitude", pa.array(latitude, from_pandas=True))


def _put(patches: pa.Table, name: str, values: pa.Array) -> pa.Table:
    field = patches.schema.field(name)
    return patches.set_column(patches.schema.get_field_index(name), field, values.cast(field.type))


def _derive_corners(patches: pa.Table) -> dict[str, pa.Array]:
    """Return epsg, ulx_m, uly_m and size_m by the tile's grid; null without a cell or where epsg says otherwise."""
    tiles = patches["tile"].combine_chunks().dictionary_encode()
    corners = [_find_corner(tile) for tile in tiles.dictionary.to_pylist()]
    places = [pa.array(values).take(tiles.indices) for values in zip(*corners, strict=True)]
    if not places:  # no patch has a tile
        return {}
    column, row = (pc.cast(patches[name], pa.float64()) for name in ("column", "row"))
    ulx_m = pc.add(places[1], pc.multiply(column, PATCH_SIZE_M))
    uly_m = pc.subtract(places[2], pc.multiply(row, PATCH_SIZE_M))
    fits = pc.and_(pc.fill_null(pc.equal(patches["epsg"], places[0]), True), pc.is_valid(pc.add(ulx_m, uly_m)))
    derived = {"epsg": places[0], "ulx_m": ulx_m, "uly_m": uly_m, "size_m": pa.scalar(float(PATCH_SIZE_M))}
    return {name: pc.if_else(fits, values, None) for name, values in derived.items()}


def _find_corner(tile: str) -> tuple[int | None, float | None, float | None]:
    try:
        return locate_tile(tile)
    except PatchError:
        return None, None, None


def _compute_centres(patches: pa.Table) -> tuple[Floats, Floats]:
    """Return longitude and latitude of the centres, degrees, NaN where unknown: one transformation per projection."""
    ulx_m, uly_m, size_m = (patches[name].to_numpy() for name in ("ulx_m", "uly_m", "size_m"))
    x_m, y_m = ulx_m + size_m / 2, uly_m - size_m / 2
    epsg = patches["epsg"].fill_null(0).to_numpy()
    longitude, latitude = np.full((2, len(patches)), np.nan)
    known = np.isfinite(x_m) & np.isfinite(y_m)
    for code in np.unique(epsg[known & (epsg > 0)]):
        here = np.flatnonzero(known & (epsg == code))
        try:
            crs = CRS.from_epsg(int(code))
        except CRSError:  # no such code
            continue
        longitude[here], latitude[here] = np.round(_transform(crs, x_m[here], y_m[here]), _DECIMALS)
    return longitude, latitude


def _transform(crs: CRS, x_m: Floats, y_m: Floats) -> Floats:
    """Return [longitude and latitude, patch]; NaN for a point outside the domain of the projection."""
    try:
        degrees = np.array(transform(crs, CRS.from_epsg(4326), x_m, y_m))
    except CPLE_BaseError:  # one point fails the whole batch; halving it finds that point
        middle = len(x_m) // 2
        if not middle:
            return np.full((2, 1), np.nan)
        halves = _transform(crs, x_m[:middle], y_m[:middle]), _transform(crs, x_m[middle:], y_m[middle:])
        return np.concatenate(halves, axis=1)
    return np.where(np.isfinite(degrees), degrees, np.nan)
