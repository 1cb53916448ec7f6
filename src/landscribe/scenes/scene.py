"""A scene: its bands, its grid, and the offset in its digital numbers."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SceneBand:
    """One band of a scene, in a file.

    Attributes:
        name: as the model names it.
        path: by which GDAL opens the file: below `/vsizip/` for a file in a ZIP.
        index: number of the band in the file, from 1.
        shape: rows and columns.
        resolution_m: ground size of a pixel, metres: root of its area.
        dtype: of the stored values.
        nodata: value of pixels without data; None if every pixel is valid, NaN for floats.
        block: rows and columns of a tile or strip of the file: what is decoded at once.
        mask: where the file says by a mask which pixels are transparent, the band of the file that says it, or 0 for a
            mask of its own; None without one. A pixel read where it is 0 is `nodata`.
    """

    name: str
    path: str
    index: int
    shape: tuple[int, int]
    resolution_m: float
    dtype: str
    nodata: float | None
    block: tuple[int, int]
    mask: int | None = None


@dataclass(frozen=True, kw_only=True)
class Offset:
    """What is to be added to the digital numbers of optical bands, to be on the scale before processing baseline 04.00.

    Attributes:
        value: digital numbers: 0, or -1000 where a product holds 1,000 more.
        source: what says so: a file of metadata, or `--offset`; empty if nothing does, and the value is then 0.
        doubt: what a file of metadata says against `--offset`, in words; else empty.
    """

    value: int
    source: str
    doubt: str = ""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A scene. All bands share the coordinate system, the upper left corner and the extent.

    Attributes:
        name: of the product, folder or file, without extension.
        crs_wkt: coordinate system.
        transform: affine a to f of the finest band, in the order of rasterio; its corner is that of the scene.
        bands: name -> band, those that were asked for, in that order.
        cloud: the scene classification (SCL) of Sentinel-2, or None.
        offset: of the optical bands.
    """

    name: str
    crs_wkt: str
    transform: tuple[float, float, float, float, float, float]
    bands: Mapping[str, SceneBand]
    cloud: SceneBand | None
    offset: Offset
