"""Places of the patches: corner from tile and cell where the metadata has none, centre and footprint on Earth."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError

from landscribe.archive.footprints import bring, compute_footprints
from landscribe.core.errors import PatchError
from landscribe.core.tiles import PATCH_SIZE_M, locate_tile

_DECIMALS = 7  # of a degree: about a centimetre; further digits vary with the release of PROJ

Floats = NDArray[np.float64]


def locate_patches(patches: pa.Table) -> pa.Table:
    """Return the table with missing places filled in where possible; given values stay, unknown ones are null.

    Args:
        patches: table of `PATCH_SCHEMA`. `epsg`, `ulx_m`, `uly_m` and `size_m` are filled from tile, column and row;
            then `longitude` and `latitude` of the centre, WGS 84. Of images (those of known `rows_px`), `footprint` and
            centre follow from `crs` and `transform`, or `unlocated` says why not.
    """
    for name, derived in _derive_corners(patches).items():
        patches = _put(patches, name, pc.coalesce(patches[name], derived))
    centre = _compute_centres(patches)
    images = np.flatnonzero(patches["rows_px"].is_valid().to_numpy())
    if len(images):
        footprints = compute_footprints(patches.take(images))
        centre[images] = footprints.centre
        patches = _spread(patches, "unlocated", images, [reason or None for reason in footprints.reasons])
        corners = zip(footprints.corners.reshape(-1, 8).tolist(), footprints.reasons, strict=True)
        patches = _spread(patches, "footprint", images, [None if reason else degrees for degrees, reason in corners])
    for name, degrees in zip(("longitude", "latitude"), centre.T, strict=True):
        patches = _put(patches, name, pa.array(degrees, from_pandas=True))
    return patches


def _spread(patches: pa.Table, name: str, rows: np.ndarray, values: Sequence[object]) -> pa.Table:
    """Return the table with the values of some rows in a column, null in all others."""
    every: list[object] = [None] * len(patches)
    for row, value in zip(rows.tolist(), values, strict=True):
        every[row] = value
    return _put(patches, name, pa.array(every, patches.schema.field(name).type))


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


def _compute_centres(patches: pa.Table) -> Floats:
    """Return [patch, 2], longitude and latitude of the centres, degrees; NaN where unknown.

    One transformation per projection.
    """
    ulx_m, uly_m, size_m = (patches[name].to_numpy() for name in ("ulx_m", "uly_m", "size_m"))
    centre_m = np.column_stack([ulx_m + size_m / 2, uly_m - size_m / 2])
    epsg = patches["epsg"].fill_null(0).to_numpy()
    degrees = np.full_like(centre_m, np.nan)
    known = np.isfinite(centre_m).all(axis=1)
    for code in np.unique(epsg[known & (epsg > 0)]):
        here = np.flatnonzero(known & (epsg == code))
        try:
            crs = CRS.from_epsg(int(code))
        except CRSError:  # no such code
            continue
        degrees[here] = np.round(bring(crs, CRS.from_epsg(4326), centre_m[here]), _DECIMALS)
    return degrees
