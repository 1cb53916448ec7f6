"""BigEarthNet v2: from the metadata of 480,038 patches and their folders on disk to an index with places."""

import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import Figure
from landscribe.archive.bigearthnet_v2 import BigEarthNetV2
from landscribe.archive.locate import locate_patches
from landscribe.core.nomenclature import BEN_19_CODES, NOMENCLATURES
from landscribe.index.labels import build_index, write_index

NUM_PATCHES = 480_038
NUM_GRANULES = 115
TARGET_S = 10.0
_TILES = ("33UUP", "29SND", "35VPK", "29UPU", "34TDR", "29SNB", "32TMT", "31UFS", "29UNV", "34VER", "33TWN", "34TEQ")
_CELLS_PER_SIDE = 91
_MEAN_LABELS = 2.95  # labels a patch in the published metadata


def run() -> list[Figure]:
    """Build the index of a made archive of the published size, both sensors; the reference reads the rows alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        metadata = _write_archive(folder)
        began = time.perf_counter()
        pq.read_table(metadata).to_pylist()
        reference_s = time.perf_counter() - began
        began = time.perf_counter()
        archive = BigEarthNetV2(folder / "BigEarthNet-S2", folder / "BigEarthNet-S1", None, (metadata,))
        listing = archive.read_listing()
        read_s = time.perf_counter() - began
        listing.patches = locate_patches(listing.patches)
        index = build_index(listing, NOMENCLATURES["BEN-19"]())
        write_index(index.table, folder / "index.parquet")
        index_s = time.perf_counter() - began
    if len(index.table) != NUM_PATCHES:
        raise RuntimeError(f"expected an index of {NUM_PATCHES} patches; received {len(index.table)}")
    return [
        Figure("index_v2: metadata and folders to a listing", read_s, "s", reference_s, read_s / reference_s, None),
        Figure("index_v2: metadata to an index on disk", index_s, "s", reference_s, index_s / reference_s, TARGET_S),
    ]


def _write_archive(folder: Path) -> Path:
    """Make the folders and metadata.parquet; return the path of the latter."""
    rng = np.random.default_rng(2)
    granules = [
        f"S2A_MSIL2A_2017{7 + number // 36:02}{1 + number % 28:02}T1010{number % 60:02}_N9999_R022_T{tile}"
        for number in range(NUM_GRANULES)
        for tile in [_TILES[number % len(_TILES)]]
    ]
    cells = rng.permutation(NUM_GRANULES * _CELLS_PER_SIDE**2)[:NUM_PATCHES]
    granule, cell = cells // _CELLS_PER_SIDE**2, cells % _CELLS_PER_SIDE**2
    column, row = cell // _CELLS_PER_SIDE, cell % _CELLS_PER_SIDE
    names = [f"{granules[g]}_{c:02}_{r:02}" for g, c, r in zip(granule, column, row, strict=True)]
    scenes = [f"S1A_IW_GRDH_1SDV_{name[11:26]}" for name in granules]
    twins = [f"{scenes[g]}_{granules[g][-5:]}_{c}_{r}" for g, c, r in zip(granule, column, row, strict=True)]
    v1_names = [f"{granules[g][:26]}_{c}_{r}" for g, c, r in zip(granule, column, row, strict=True)]
    for outer, inner, published in ((granules, names, "BigEarthNet-S2"), (scenes, twins, "BigEarthNet-S1")):
        for name in outer:
            (folder / published / name).mkdir(parents=True)
        for g, name in zip(granule, inner, strict=True):
            os.mkdir(f"{folder}/{published}/{outer[g]}/{name}")  # noqa: PTH102 - a million Path objects
    flags = np.zeros(NUM_PATCHES, bool)
    table = {
        "patch_id": names,
        "labels": _draw_labels(rng),
        "split": np.array(["train", "validation", "test"])[rng.integers(0, 3, NUM_PATCHES)],
        "country": np.full(NUM_PATCHES, "Finland"),
        "s1_name": twins,
        "s2v1_name": v1_names,
        "contains_seasonal_snow": flags,
        "contains_cloud_or_shadow": flags,
    }
    pq.write_table(pa.table(table), folder / "metadata.parquet")
    return folder / "metadata.parquet"


def _draw_labels(rng: np.random.Generator) -> pa.Array:
    """Return one to five of the 19 classes for each patch."""
    classes = pa.array(list(BEN_19_CODES))
    starts = rng.integers(0, len(classes), NUM_PATCHES)
    numbers = np.clip(rng.poisson(_MEAN_LABELS, NUM_PATCHES), 1, 5)
    offsets = np.concatenate([[0], np.cumsum(numbers)])
    places = np.repeat(starts - offsets[:-1], numbers) + np.arange(offsets[-1])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), classes.take(pa.array(places % len(classes))))
