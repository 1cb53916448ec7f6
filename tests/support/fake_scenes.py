"""Small scenes in every layout: a product of Sentinel-2, also zipped, folders of bands, rasters, STAC items."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.transform import Affine

from landscribe.core.bands import BANDS
from tests.support import fake_rasters

ORIGIN = (399_960.0, 5_300_040.0)  # easting and northing of an upper left corner
BLOCK_PX = 64
PRODUCT = "S2A_MSIL2A_20220605T100601_N0400_R022_T33UUP_20220605T161204"
EARTH_SEARCH = {
    "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1", "B06": "rededge2",
    "B07": "rededge3", "B08": "nir", "B8A": "nir08", "B09": "nir09", "B11": "swir16", "B12": "swir22", "SCL": "scl",
}  # fmt: skip
_JP2 = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES", "YCC": "NO"}
_OFFSET = '<BOA_ADD_OFFSET band_id="{}">{}</BOA_ADD_OFFSET>'
_XML = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd">
  <n1:General_Info>
    <Product_Info><PROCESSING_BASELINE>{}</PROCESSING_BASELINE></Product_Info>
    <Product_Image_Characteristics>{}</Product_Image_Characteristics>
  </n1:General_Info>
</n1:Level-2A_User_Product>
"""


def find_resolution_m(name: str) -> int:
    """Return the native resolution of a band, 20 m of SCL, or what a name like `B02_60m` says."""
    band, _, suffix = name.partition("_")
    if suffix.endswith("m"):
        return int(suffix.removesuffix("m"))
    return 20 if band == "SCL" else (BANDS[band].resolution_m if band in BANDS else None) or 10


def draw_pixels(names: Any, side_60m: int = 20, seed: int = 1, low: int = 200, high: int = 4000) -> dict[str, Any]:
    """Return name -> uint16 [row, column] of square bands, `side_60m` pixels of 60 m wide; SCL is uint8."""
    generator = np.random.default_rng(seed)
    sides = {name: side_60m * 60 // find_resolution_m(name) for name in names}
    return {
        name: generator.integers(0, 12, (side, side), np.uint8)
        if name.startswith("SCL")
        else generator.integers(low, high, (side, side), np.uint16)
        for name, side in sides.items()
    }


def write_band(
    path: Path,
    values: np.ndarray,
    resolution: float,
    epsg: int = 32633,
    origin: tuple[float, float] = ORIGIN,
    **options: Any,
) -> Path:
    """Write [row, column] as a file of one band, lossless, in tiles; the suffix decides between GeoTIFF and JPEG 2000.

    Args:
        path: of the file.
        values: pixels.
        resolution: side of a pixel in units of the coordinate system.
        epsg: its code.
        origin: coordinates of the upper left corner.
        options: of rasterio.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    form = _JP2 if path.suffix == ".jp2" else {"driver": "GTiff", "tiled": True}
    profile = {
        "height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": values.dtype,
        "crs": CRS.from_epsg(epsg), "transform": Affine(resolution, 0, origin[0], 0, -resolution, origin[1]),
        "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX,
    }  # fmt: skip
    with rasterio.open(path, "w", **(profile | form | options)) as dataset:
        dataset.write(values, 1)
    return path


def write_safe(
    folder: Path,
    pixels: Mapping[str, np.ndarray],
    epsg: int = 32633,
    origin: tuple[float, float] = ORIGIN,
    baseline: str = "04.00",
    offset: int | Mapping[str, int] | None = -1000,
    product: str = PRODUCT,
) -> Path:
    """Write a product of level 2A with the bands of `pixels` into `folder`; return its .SAFE.

    Args:
        folder: it lies in.
        pixels: name -> [row, column]; the resolution is the native one, or that of a name like `B02_60m`.
        epsg: code of the coordinate system.
        origin: upper left corner.
        baseline: processing baseline in the metadata.
        offset: BOA_ADD_OFFSET of each band, or number of a band -> offset; None: the element is absent.
        product: its name.
    """
    safe = folder / f"{product}.SAFE"
    _, _, date, _, _, tile, _ = product.split("_")
    for name, values in pixels.items():
        band, resolution_m = name.partition("_")[0], find_resolution_m(name)
        inner = f"GRANULE/L2A_{tile}_A027300_{date}/IMG_DATA/R{resolution_m}m"
        write_band(safe / inner / f"{tile}_{date}_{band}_{resolution_m}m.jp2", values, resolution_m, epsg, origin)
    offsets = dict.fromkeys(map(str, range(13)), offset) if isinstance(offset, int) else offset or {}
    elements = "".join(_OFFSET.format(*item) for item in offsets.items())
    listed = f"<BOA_ADD_OFFSET_VALUES_LIST>{elements}</BOA_ADD_OFFSET_VALUES_LIST>" if elements else ""
    safe.mkdir(parents=True, exist_ok=True)
    (safe / "MTD_MSIL2A.xml").write_text(_XML.format(baseline, listed), encoding="utf-8")
    return safe


def zip_safe(safe: Path, compressed: bool = True) -> Path:
    """Write a folder beside itself as a ZIP that holds it; return the path."""
    path = safe.with_name(f"{safe.name}.zip")
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(safe.rglob("*")):
            archive.write(file, file.relative_to(safe.parent).as_posix())
    return path


def write_band_folder(
    folder: Path,
    pixels: Mapping[str, np.ndarray],
    epsg: int = 32633,
    origin: tuple[float, float] = ORIGIN,
    pattern: str = "{}.tif",
    names: Mapping[str, str] | None = None,
) -> Path:
    """Write a file per band, named by `pattern`; `names` replaces names, as `EARTH_SEARCH` does. Return the folder."""
    for name, values in pixels.items():
        file = pattern.format((names or {}).get(name, name))
        write_band(folder / file, values, find_resolution_m(name), epsg, origin)
    return folder


def write_stac_item(folder: Path, properties: Mapping[str, Any], assets: Mapping[str, Any] | None = None) -> Path:
    """Write a STAC item of one scene into its folder."""
    item = {"type": "Feature", "stac_version": "1.0.0", "id": "item", "properties": properties, "assets": assets or {}}
    path = folder / "item.json"
    path.write_text(json.dumps(item), encoding="utf-8")
    return path


def write_raster(
    path: Path,
    pixels: Mapping[str, np.ndarray],
    descriptions: bool = True,
    epsg: int = 32633,
    origin: tuple[float, float] = ORIGIN,
    resolution: float = 10,
    **options: Any,
) -> Path:
    """Write bands of one size as one GeoTIFF, described by their names or not at all; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    place = {
        "crs": CRS.from_epsg(epsg),
        "transform": Affine(resolution, 0, origin[0], 0, -resolution, origin[1]),
    }
    fake_rasters.write_raster(path, np.stack(list(pixels.values())), list(pixels) * descriptions, **(place | options))
    return path
