"""discover of BigEarthNet v1: the JSON of 100,000 patches, with and without twins, read into a listing."""

import json
import tempfile
import time
from pathlib import Path

from benchmarks import Figure
from benchmarks.fake_v1 import write_fake_v1
from landscribe.archive.bigearthnet_v1 import BigEarthNetV1

NUM_PATCHES = 100_000
TARGET_PER_S = 5_000.0


def run() -> list[Figure]:
    """Read a made archive from the cache of the system; the reference is a plain loop over the folders."""
    with tempfile.TemporaryDirectory() as name:
        root, s1_root = Path(name, "S2"), Path(name, "S1")
        write_fake_v1(root, s1_root, NUM_PATCHES, with_bands=False)
        roots = {"Sentinel-2": (root, None), "Sentinel-1": (None, s1_root), "pairs": (root, s1_root)}
        return [_measure(what, BigEarthNetV1(*pair)) for what, pair in roots.items()]


def _measure(what: str, archive: BigEarthNetV1) -> Figure:
    began = time.perf_counter()
    for root in filter(None, (archive.root, archive.s1_root)):
        _read_plainly(root)
    reference = NUM_PATCHES / (time.perf_counter() - began)
    began = time.perf_counter()
    listing = archive.read_listing()
    rate = NUM_PATCHES / (time.perf_counter() - began)
    if len(listing.patches) != NUM_PATCHES:
        raise RuntimeError(f"expected {NUM_PATCHES} patches; received {len(listing.patches)}")
    return Figure(f"discover_v1: {what}", rate, "patches/s", reference, rate / reference, TARGET_PER_S)


def _read_plainly(root: Path) -> list[object]:
    contents = []
    for folder in sorted(root.iterdir()):
        with (folder / f"{folder.name}_labels_metadata.json").open(encoding="utf-8") as stream:
            contents.append(json.load(stream))
    return contents
