"""Small folders of rasters of any bands and their tables of tags: Sentinel-2's 13 bands, UAV floats, radar, 16 bit."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

SIZE_PX = 16
EUROSAT = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A")


@dataclass(frozen=True)
class Kind:
    """One kind of raster: names and dtype of its bands, mean and spread of their values, wavelengths to be given."""

    bands: tuple[str, ...]
    dtype: str
    mean: float
    std: float
    wavelengths_nm: tuple[tuple[str, float], ...] = ()

    @property
    def words(self) -> str:
        """Words for SET."""
        names = f"[{','.join(self.bands)}]"
        lengths = "".join(f" archive.wavelengths_nm.{name}={length}" for name, length in self.wavelengths_nm)
        return f"archive.band_order={names} convert.bands={names} train.bands={names}{lengths}"


KINDS = {
    "EuroSAT-MS": Kind(EUROSAT, "uint16", 3000, 300),
    "UAV": Kind(("B", "G", "R", "RE", "NIR"), "float32", 0.2, 0.05, (("RE", 717),)),
    "radar": Kind(("VV", "VH"), "float32", -14, 3),
    "16 bit": Kind(("B", "G", "R", "NIR"), "uint16", 20_000, 4_000),
    "signed": Kind(("height", "slope"), "int16", -5, 400),
}


def write_raster(path: Path, values: np.ndarray, names: Sequence[str] = (), **options: Any) -> None:
    """Write [band, row, column] as GeoTIFF, described by `names` where there are any.

    Args:
        path: of the file.
        values: pixels.
        names: descriptions.
        options: of rasterio; photometric is MINISBLACK unless they say otherwise.
    """
    count, rows, columns = values.shape
    profile = {"driver": "GTiff", "count": count, "height": rows, "width": columns, "dtype": values.dtype}
    profile |= {"photometric": "MINISBLACK", "alpha": "NO"} if options.get("driver", "GTiff") == "GTiff" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **(profile | options)) as dataset:
            dataset.write(values)
            for number, name in enumerate(names, 1):
                dataset.set_band_description(number, name)


def draw_values(kind: Kind, seed: int, size_px: int = SIZE_PX) -> np.ndarray:
    """Return [band, row, column] of a kind; an even seed is brighter."""
    mean = kind.mean + (kind.std if seed % 2 == 0 else -kind.std)
    values = np.random.default_rng(seed).normal(mean, kind.std, (len(kind.bands), size_px, size_px))
    if np.dtype(kind.dtype).kind == "f":
        return values.astype(kind.dtype)
    limits = np.iinfo(kind.dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(kind.dtype)


def write_folder(folder: Path, kind: Kind, num_images: int = 12, **options: Any) -> tuple[Path, Path]:
    """Write `images/patch_<n>.tif`, nowhere described, and `tags.csv`; return both paths."""
    images, labels_file = folder / "images", folder / "tags.csv"
    images.mkdir(parents=True)
    rows = ["image_name,tags"]
    for number in range(num_images):
        write_raster(images / f"patch_{number}.tif", draw_values(kind, number), **options)
        rows.append(f"patch_{number},{'bright' if number % 2 == 0 else 'dark'}")
    labels_file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return images, labels_file
