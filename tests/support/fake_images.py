"""A small folder of images in the form of Planet's 4-band GeoTIFFs, and its CSV of tags."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.transform import Affine

SIZE_PX = 32
RESOLUTION_M = 3.0
EPSG = 32720  # UTM 20 south: the Amazon
CORNER_M = (600_000.0, 9_600_000.0)
COLUMNS = 8  # images lie side by side, so many in a row

# Ground -> reflectance of B, G, R, NIR: forest is dark and bright in infrared, water dark in it, soil red.
GROUNDS = {
    "primary": (300, 500, 350, 3500),
    "water": (500, 550, 400, 150),
    "bare_ground": (900, 1200, 1800, 2500),
    "agriculture": (500, 900, 800, 3000),
}


def write_planet_tiffs(folder: Path, num_images: int = 40) -> tuple[Path, Path]:
    """Write `images/train_<n>.tif` and `train.csv` under `folder`; return both paths.

    Each image is uint16 of 32 x 32 px, four bands B, G, R, NIR that nothing in the file names (MINISBLACK), north up in
    UTM. It shows two grounds in two halves; its tags are these and the weather, which brightens the visible bands.
    """
    images, labels_file = folder / "images", folder / "train.csv"
    images.mkdir(parents=True)
    draw, rows = np.random.default_rng(0), ["image_name,tags"]
    for number in range(num_images):
        tags = list(draw.choice(list(GROUNDS), 2, replace=False))
        weather = str(draw.choice(["clear", "haze"]))
        write_planet_tiff(images / f"train_{number}.tif", _draw_pixels(draw, tags, weather), number)
        rows.append(f"train_{number},{' '.join([weather, *tags])}")
    labels_file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return images, labels_file


def write_planet_tiff(path: Path, pixels: np.ndarray, number: int) -> None:
    """Write uint16 [band, row, column] where image `number` of the mosaic lies."""
    west_m = CORNER_M[0] + number % COLUMNS * SIZE_PX * RESOLUTION_M
    north_m = CORNER_M[1] - number // COLUMNS * SIZE_PX * RESOLUTION_M
    profile = {
        "driver": "GTiff", "dtype": "uint16", "count": 4, "width": SIZE_PX, "height": SIZE_PX,
        "photometric": "MINISBLACK", "crs": CRS.from_epsg(EPSG),
        "transform": Affine(RESOLUTION_M, 0, west_m, 0, -RESOLUTION_M, north_m),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(pixels)


def _draw_pixels(draw: np.random.Generator, tags: list[str], weather: str) -> np.ndarray:
    pixels = np.empty((4, SIZE_PX, SIZE_PX))
    for ground, half in zip(tags, (slice(None, SIZE_PX // 2), slice(SIZE_PX // 2, None)), strict=True):
        pixels[:, :, half] = np.array(GROUNDS[ground])[:, None, None]
    pixels *= draw.normal(1, 0.1, pixels.shape)
    if weather == "haze":
        pixels[:3] += 1500
    return np.clip(np.rint(pixels), 0, 65535).astype(np.uint16)
