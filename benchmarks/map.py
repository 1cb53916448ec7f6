"""The map of a whole tile of Sentinel-2, as JPEG 2000 with ESA's tiles and as COG.

The reference is what cannot be saved: the processor time of decoding each band once and of the model on the same
windows, each alone, over the cores of the machine. Start-up (TensorFlow, MLflow, the model) is in the wall time of the
map and not in the reference: the map of one row of windows, which is nearly nothing else, is printed beside it. It is
a third of the time of a small network on a fast format, so the COG is also labelled by a network of ordinary size.
Memory is the proportional set size, summed over all processes.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import Figure
from benchmarks.memory import measure_memory_mb
from benchmarks.served import register_random
from landscribe.core.bands import S2_BANDS

SIDE_M, WINDOW_M, PART = 109_800, 1_200, 0.1
TILES_PX = {10: 1024, 20: 640, 60: 192}
MOST = {"jp2": 1.25, "tif": 1.15}
MOST_MB, MOST_GROWTH = 2_000.0, 1.1
_CROP_PX = 2_048

_DECODE = """
import resource, sys
import rasterio
for path in sys.argv[1:]:
    with rasterio.Env(GDAL_NUM_THREADS=1), rasterio.open(path) as source:
        source.read(1)
usage = resource.getrusage(resource.RUSAGE_SELF)
print(usage.ru_utime + usage.ru_stime)
"""
_MODEL = """
import resource, sys, time
import numpy as np
import landscribe.pipeline.backend
from landscribe.core.bands import S2_BANDS
from landscribe.registry.served_version import open_served
opened, count, num_batches = open_served(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
served = opened.__enter__()
generator = np.random.default_rng(1)
values = {
    name: generator.integers(200, 4000, (92, band.size_px, band.size_px), np.uint16)
    for name, band in S2_BANDS.items()
}
served.predict(values)
def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
began = used()
for _ in range(num_batches):
    served.predict(values)
print((used() - began) * count / (num_batches * 92))
"""


def run() -> list[Figure]:
    """Measure both formats, and how the time grows from a tenth of the scene to the whole."""
    figures = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        uri = register_random(root, list(S2_BANDS))
        (root / "params.yaml").write_text("map: {max_nodata_fraction: 0.1, max_cloud_fraction: null}\n")
        startup_s = run_map(root, uri, write_scene(root / "row", "tif", WINDOW_M / SIDE_M))[0]
        sys.stdout.write(f"map: one row of windows {startup_s:.1f} s\n")
        for suffix in MOST:
            figures += _measure(root, uri, write_scene(root / suffix, suffix, 1.0), "SmallResNet")
        figures.append(_measure_growth(root, uri))
        larger = register_random(root, list(S2_BANDS), backbone="ResNet50")
        figures += _measure(root, larger, root / "tif", "ResNet50", num_batches=20)
    return figures


def write_scene(folder: Path, suffix: str, share: float) -> Path:
    """Write a folder with one file per band: a landscape of noise in several scales; the upper share of the rows."""
    import rasterio
    from rasterio import Affine

    folder.mkdir()
    for number, (name, band) in enumerate(S2_BANDS.items()):
        resolution_m = int(band.resolution_m or 0)
        columns = SIDE_M // resolution_m
        rows = (SIDE_M if share == 1 else round(SIDE_M * share / WINDOW_M) * WINDOW_M) // resolution_m
        size = TILES_PX[resolution_m]
        profile = {
            "height": rows, "width": columns, "count": 1, "dtype": "uint16", "crs": "EPSG:32633",
            "transform": Affine(resolution_m, 0, 500_040, 0, -resolution_m, 5_400_000),
        }  # fmt: skip
        options = {"driver": "JP2OpenJPEG", "blockxsize": size, "blockysize": size, "quality": 20, "ycc": "no"}
        if suffix == "tif":
            options = {"driver": "GTiff", "tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"}
        with rasterio.open(folder / f"{name}.{suffix}", "w", **profile, **options) as target:
            target.write(_draw((rows, columns), number), 1)
    return folder


def _draw(shape: tuple[int, int], seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    values = generator.normal(0, 25, (_CROP_PX, _CROP_PX)).astype(np.float32)
    for scale in (8, 64, 256):
        coarse = generator.normal(0, 150, (_CROP_PX // scale, _CROP_PX // scale)).astype(np.float32)
        values += np.kron(coarse, np.ones((scale, scale), np.float32))
    crop = np.clip(values + 1500, 1, 10_000).astype(np.uint16)
    repeats = (-(-shape[0] // _CROP_PX), -(-shape[1] // _CROP_PX))
    return np.tile(crop, repeats)[: shape[0], : shape[1]]


def _measure(root: Path, uri: str, scene: Path, backbone: str, num_batches: int = 92) -> list[Figure]:
    count, suffix = (-(-SIDE_M // WINDOW_M)) ** 2, scene.name
    decode_s = float(_run([sys.executable, "-c", _DECODE, *map(str, sorted(scene.iterdir()))]))
    model_s = float(_run([sys.executable, "-c", _MODEL, uri, str(count), str(num_batches)]).split()[-1])
    wall_s, peak_mb, processor_s = run_map(root, uri, scene)
    reference_s = (decode_s + model_s) / (os.cpu_count() or 1)
    what = f"{suffix}, {backbone}"
    sys.stdout.write(
        f"map, {what}: decoding {decode_s:.1f} s and model {model_s:.1f} s of processor time alone; map"
        f" {processor_s:.1f} s of processor time, {wall_s:.1f} s by the clock\n"
    )
    sys.stdout.flush()
    return [
        Figure(f"map: a tile as {what}", wall_s, "s", reference_s, wall_s / reference_s, MOST[suffix] * reference_s),
        Figure(f"map: memory of all processes, {what}", peak_mb, "MB", MOST_MB, peak_mb / MOST_MB, MOST_MB),
    ]


def _measure_growth(root: Path, uri: str) -> Figure:
    """Compare the time of half the rows with the straight line between that of a tenth and that of the whole."""
    walls = {}
    for share in (PART, 0.5, 1.0):
        folder = root / "tif" if share == 1 else write_scene(root / f"part{share:g}", "tif", share)
        walls[share] = run_map(root, uri, folder)[0]
    line_s = walls[PART] + (walls[1.0] - walls[PART]) * (0.5 - PART) / (1 - PART)
    sys.stdout.write(f"map: {', '.join(f'{share:g} of the rows {wall:.1f} s' for share, wall in walls.items())}\n")
    return Figure(
        "map: straight line from a tenth to the whole at the half, beside the half", line_s, "s", walls[0.5],
        line_s / walls[0.5], MOST_GROWTH * walls[0.5],
    )  # fmt: skip


def run_map(root: Path, uri: str, scene: Path) -> tuple[float, float, float]:
    """Return wall seconds, peak memory in MB and processor seconds of `landscribe map`."""
    command = [sys.executable, "-m", "landscribe.cli", "map", str(scene), "--model", uri, "--out", str(root / "map")]
    before, began = os.times(), time.monotonic()
    process = subprocess.Popen(command, env=os.environ | {"DVC_ROOT": str(root)}, stderr=subprocess.DEVNULL)
    peak_mb = 0.0
    while process.poll() is None:
        peak_mb = max(peak_mb, measure_memory_mb(process.pid))
        time.sleep(0.5)
    wall_s, after = time.monotonic() - began, os.times()
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    used_s = after.children_user + after.children_system - before.children_user - before.children_system
    return wall_s, peak_mb, used_s


def _run(command: list[str]) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout


if __name__ == "__main__":
    sys.stdout.write(json.dumps([vars(figure) for figure in run()], indent=1))
