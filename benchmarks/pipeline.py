"""pipeline: batches of 32 patches of 12 bands, beside the archive authors' parse and a `Sequence` that opens TIFFs.

And a training step of MobileNetV2 at 120 pixels with the input pipeline, beside one on a batch that stays in memory.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks import Figure
from benchmarks.fake_v1 import plan_conversion, write_s2_patches
from landscribe.conversion.converter import convert
from landscribe.records.schema import write_manifest

NUM_PATCHES = 2_048
NUM_PASSES = 7
NUM_BLOCKS = 5
SHARD_SIZE_MB = 20.0  # shards enough to read several at a time
TIMES_OFFICIAL, TIMES_CACHED_STEP = 6.0, 1.05
_CHECKOUT = Path(__file__).resolve().parents[1]


def run() -> list[Figure]:
    """Convert a made archive and read it from the cache of the system; medians of passes that take turns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_records(folder)
        rates = _measure("benchmarks.pipeline_rates", folder, NUM_PASSES)
        steps_ms = _measure("benchmarks.pipeline_steps", folder, NUM_BLOCKS)
    official, resampled = rates["official"], rates["official, 12 bands"]
    return [
        _compare("native resolution against the official parse", rates["native"], official, TIMES_OFFICIAL),
        _compare("the same, with flips and turns", rates["augmented"], official, None),
        _compare("at equal output against the official parse", rates["resampled"], resampled, None),
        _compare("at equal output against a Sequence of TIFFs", rates["resampled"], rates["sequence"], None),
        _compare("batches through one of 4 replicas against one reader", rates["replica"], rates["native"], None),
        *(
            Figure(
                f"pipeline: training step, {augmentation}, against a cached batch",
                steps_ms[augmentation],
                "ms",
                steps_ms["cached"],
                steps_ms[augmentation] / steps_ms["cached"],
                TIMES_CACHED_STEP * steps_ms["cached"],
            )
            for augmentation in steps_ms
            if augmentation != "cached"
        ),
    ]


def _compare(what: str, rate: float, reference: float, factor: float | None) -> Figure:
    target = None if factor is None else factor * reference
    return Figure(f"pipeline: {what}", rate, "patches/s", reference, rate / reference, target)


def _write_records(folder: Path) -> None:
    """Write the archive to S2, its records to records, their manifest beside them."""
    names = write_s2_patches(folder / "S2", NUM_PATCHES)
    source, config = plan_conversion(folder, names, SHARD_SIZE_MB)
    done = convert(source, config, folder / "records", folder / "scratch", num_workers=1)
    write_manifest(done.manifest, folder / "records/manifest.json")


def _measure(module: str, folder: Path, repeats: int) -> Mapping[str, float]:
    """Return the medians that a module measures: a process of its own, for TensorFlow's threads and memory."""
    paths = os.pathsep.join([str(_CHECKOUT), str(_CHECKOUT / "src")])
    environment = os.environ | {"PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": "-1"}
    words = [sys.executable, "-m", module, str(folder), str(repeats)]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    medians: Mapping[str, float] = json.loads(done.stdout.splitlines()[-1])
    return medians
