"""A 10 m band of a whole Sentinel-2 tile as JPEG 2000: by chunks, beside all at once; processor time and memory.

Each is a process of its own. The pixels are noise over shapes, about as hard to decode as those of a product.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS

from benchmarks import Figure

SIDE_PX, TILE_PX = 10_980, 1024
MOST_TIMES, MOST_MB = 1.1, 100.0
_FRAME = r"""
import re, sys, time
import rasterio
from landscribe.scenes.layouts import open_scene
from landscribe.scenes.reading import plan_chunks, read_chunk
from pathlib import Path
folder = Path(sys.argv[1])
((band,),) = [open_scene(folder, ["B02"]).bands.values()]
def measure_peak_mb():  # not ru_maxrss, which begins with that of the parent
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1e3
before_mb, began = measure_peak_mb(), time.process_time()
{}
print(time.process_time() - began, measure_peak_mb() - before_mb)
"""
_CHUNKS = "for chunk in plan_chunks([band])[0]:\n    read_chunk(chunk)"
_WHOLE = "with rasterio.Env(GDAL_NUM_THREADS='1'), rasterio.open(band.path) as dataset:\n    dataset.read(1)"


def run() -> list[Figure]:
    """Read the band both ways."""
    with tempfile.TemporaryDirectory() as name:
        _write(Path(name) / "B02.jp2")
        whole_s, whole_mb = _measure(Path(name), _WHOLE)
        chunks_s, chunks_mb = _measure(Path(name), _CHUNKS)
    most_s = MOST_TIMES * whole_s
    return [
        Figure("scene reading: a 10 m band, processor", chunks_s, "s", whole_s, chunks_s / whole_s, most_s),
        Figure("scene reading: a 10 m band, memory added", chunks_mb, "MB", whole_mb, chunks_mb / whole_mb, MOST_MB),
    ]


def _measure(folder: Path, code: str) -> tuple[float, float]:
    command = [sys.executable, "-c", _FRAME.format(code), str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, added_mb = map(float, done.stdout.split())
    return seconds, added_mb


def _write(path: Path) -> None:
    generator = np.random.default_rng(1)
    side = TILE_PX
    smooth = np.kron(generator.normal(0, 200, (side // 16, side // 16)), np.ones((16, 16)))
    tile = np.clip(1500 + smooth + generator.normal(0, 25, (side, side)), 1, 10_000).astype(np.uint16)
    values = np.tile(tile, (-(-SIDE_PX // side), -(-SIDE_PX // side)))[:SIDE_PX, :SIDE_PX]
    profile = {"driver": "JP2OpenJPEG", "height": SIDE_PX, "width": SIDE_PX, "count": 1, "dtype": "uint16",
               "crs": CRS.from_epsg(32633), "transform": rasterio.Affine(10, 0, 499_980, 0, -10, 5_900_040),
               "blockxsize": TILE_PX, "blockysize": TILE_PX, "QUALITY": "100", "REVERSIBLE": "YES"}  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(values, 1)
