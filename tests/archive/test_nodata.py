"""Nodata is no signal: wherever a file declares it, and whatever value it has."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

from landscribe.archive.image import read_image, resample
from tests.support.fake_rasters import KINDS, Kind, draw_values, write_raster

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

ORDER = ("x", "y", "z", "w")
EDGE = np.zeros((16, 16), np.bool_)
EDGE[:, :5] = True


def declare(path: Path, dtype: str, nodata: float) -> None:
    """Write a raster whose left edge holds its nodata value."""
    kind = Kind(ORDER, dtype, 100, 20)
    values = np.where(EDGE, np.array(nodata, dtype), draw_values(kind, 0))
    write_raster(path, values, nodata=nodata)


def write_mask(path: Path) -> None:
    """Write a raster with a mask beside its pixels."""
    write_raster(path, draw_values(Kind(ORDER, "uint16", 100, 20), 0))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(~EDGE)


DECLARED: dict[str, Callable[[Path], Any]] = {
    "0 in uint8": lambda path: declare(path, "uint8", 0),
    "65535 in uint16": lambda path: declare(path, "uint16", 65535),
    "-9999 in int16": lambda path: declare(path, "int16", -9999),
    "-9999 in float32": lambda path: declare(path, "float32", -9999),
    "the lowest float32": lambda path: declare(path, "float32", float(np.finfo(np.float32).min)),
    "NaN that is declared": lambda path: declare(path, "float32", np.nan),
    "-1.7e308 in float64": lambda path: declare(path, "float64", -1.7e308),
    "NaN": lambda path: write_raster(path, np.where(EDGE, np.nan, draw_values(Kind(ORDER, "float32", 0, 1), 0))),
    "infinity": lambda path: write_raster(path, np.where(EDGE, -np.inf, draw_values(Kind(ORDER, "float32", 0, 1), 0))),
    "a mask": write_mask,
}


@pytest.mark.parametrize("name", DECLARED)
def test_what_a_file_declares_is_masked_and_nothing_else(tmp_path: Path, name: str) -> None:
    DECLARED[name](tmp_path / "x.tif")
    for band in read_image(tmp_path / "x.tif", ORDER, ORDER).values():
        np.testing.assert_array_equal(np.ma.getmaskarray(band), EDGE)
        assert np.isfinite(band.compressed()).all()  # type: ignore[attr-defined]


@pytest.mark.parametrize("nodata", [-9999, 70_000, np.nan])
def test_a_value_that_the_dtype_cannot_hold_masks_nothing(tmp_path: Path, nodata: float) -> None:
    values = draw_values(Kind(ORDER, "uint8", 100, 90), 0)
    write_raster(tmp_path / "x.tif", values)
    (tmp_path / "x.tif.aux.xml").write_text(
        "<PAMDataset>"
        + "".join(f'<PAMRasterBand band="{n}"><NoDataValue>{nodata}</NoDataValue></PAMRasterBand>' for n in range(1, 5))
        + "</PAMDataset>",
        encoding="utf-8",
    )
    for place, band in enumerate(read_image(tmp_path / "x.tif", ORDER, ORDER).values()):
        assert not np.ma.is_masked(band)
        np.testing.assert_array_equal(band, values[place])


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_transparent_pixels_are_nodata(tmp_path: Path, mode: str, suffix: str) -> None:
    alpha = Image.fromarray(np.where(EDGE, 0, 200).astype(np.uint8))
    picture = Image.new(mode[:-1].replace("RGB", "RGB"), (16, 16), 77 if mode == "LA" else (77, 77, 77))
    picture.putalpha(alpha)
    picture.save(tmp_path / f"x{suffix}")
    for band in read_image(tmp_path / f"x{suffix}", ["B", "R"], ()).values():
        np.testing.assert_array_equal(np.ma.getmaskarray(band), EDGE)
        assert set(band.compressed().tolist()) == {77}  # type: ignore[attr-defined]


@pytest.mark.parametrize("size_px", [4, 7, 16, 40])
@pytest.mark.parametrize("name", ["UAV", "16 bit", "signed"])
def test_resampling_takes_the_valid_pixels_alone(name: str, size_px: int) -> None:
    values = draw_values(KINDS[name], 3)[0]
    ones = np.ones_like(values)
    for fill in (0, 77, np.iinfo(np.int16).max):
        filled = np.where(EDGE, np.array(fill, values.dtype), values)
        found = resample(np.ma.MaskedArray(filled, EDGE), size_px)
        assert found.dtype == values.dtype
        valid = ~np.ma.getmaskarray(found)
        assert valid[:, -1].all()
        assert not valid[:, 0].any() or size_px < 7  # there the first pixel reaches beyond the edge
        inside = values[~EDGE]
        assert inside.min() <= found.min() <= found.max() <= inside.max()
        flat = resample(np.ma.MaskedArray(np.where(EDGE, np.array(fill, values.dtype), ones), EDGE), size_px)
        np.testing.assert_allclose(flat.compressed(), 1, rtol=1e-6)  # type: ignore[attr-defined]
        if fill == 0:
            first = found
        np.testing.assert_array_equal(found.filled(0), first.filled(0))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(resample(np.ma.MaskedArray(values, EDGE & False), size_px), resample(values, size_px))
