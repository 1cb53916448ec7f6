"""predict: 2,000 patches of 12 bands by `landscribe predict`, beside the processor time of its two parts alone.

The parts are the served model on batches in memory and the archive reader on the same files, each in a process of its
own. Their sum, shared by the cores of the machine, is the least wall time. That of the command is without its start-up:
the same command on one patch is subtracted, which imports TensorFlow, loads the model and traces it.
Processor time is that of user and system. Runs take turns and the best of each counts: whatever else the machine does
can only add.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks import Figure
from benchmarks.served import register_random
from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.core.bands import S2_BANDS
from landscribe.core.patch import S2_FOLDER
from landscribe.demo.config import DemoConfig
from landscribe.demo.writer import write_demo_archive

NUM_PATCHES, NUM_RUNS, NUM_TILES = 2_000, 3, 5
BATCH_SIZE_PATCHES = 64
BACKBONE, NUM_CLASSES = "SmallResNet", 19
TIMES_BOUND = 1.15
URI = "models:/landscribe/1"

# What TensorFlow and Keras alone take for one patch: import them, load the network, predict.
_BARE = """
import sys, time
began = time.perf_counter()
import keras, numpy
network = keras.saving.load_model(sys.argv[1], compile=False)
network.predict_on_batch({band.name: numpy.ones((1, *band.shape[1:]), band.dtype) for band in network.inputs})
"""


def run() -> list[Figure]:
    """Write patches, register a small network without training, predict."""
    with tempfile.TemporaryDirectory() as name, mock.patch.dict(os.environ, _make_environment(name)):
        root = Path(name)
        write_demo_archive(DemoConfig(num_patches=NUM_PATCHES, num_tiles=NUM_TILES, seed=1), root / "demo")
        s2_root = root / "demo" / S2_FOLDER
        _in_own_process(_register, root, s2_root)
        one_patch = next(s2_root.iterdir())
        measured: dict[str, list[float]] = {"whole": [], "one": [], "bare": [], "model": [], "reads": []}
        for _ in range(NUM_RUNS):
            measured["whole"].append(_time_command(s2_root, root / "labels.csv"))
            measured["one"].append(_time_command(one_patch, root / "labels.csv"))
            measured["bare"].append(_time([sys.executable, "-c", _BARE, str(root / "model.keras")]))
            measured["reads"].append(_in_own_process(_time_reads, s2_root))
            measured["model"].append(_in_own_process(_time_model, s2_root))
    best = {what: min(values) for what, values in measured.items()}
    bound = (best["model"] + best["reads"]) / (os.cpu_count() or 1)
    wall = best["whole"] - best["one"]
    return [
        Figure(
            "predict: wall without start-up against processor time of model and reads, shared by the cores",
            wall,
            "s",
            bound,
            wall / bound,
            TIMES_BOUND * bound,
        ),
        Figure(
            "predict: one patch against TensorFlow and Keras alone",
            best["one"],
            "s",
            best["bare"],
            best["one"] / best["bare"],
            None,
        ),
    ]


def _make_environment(root: str) -> dict[str, str]:
    """Return variables: a store of its own, no GPU, no lines of TensorFlow."""
    store = {"DVC_ROOT": root, "MLFLOW_TRACKING_URI": f"sqlite:///{root}/mlflow.db"}
    return store | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def _in_own_process(function: Callable[..., Any], *words: Any) -> Any:
    """Return what a function returns in a new process: no thread of TensorFlow and no cache is left from another."""
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        return executor.submit(function, *words).result()


def _time(words: list[str]) -> float:
    """Return the seconds of a command."""
    began = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True)
    return time.perf_counter() - began


def _time_command(path: Path, out: Path) -> float:
    words = [sys.executable, "-m", "landscribe.cli", "predict", str(path), "--model", URI, "--out", str(out)]
    return _time(words)


def _register(root: Path, s2_root: Path) -> None:
    """Register a small network with random weights, and the percentiles of some patches as those of its train split."""
    from landscribe.records.statistics import PERCENTILES

    archive, bands = BigEarthNetV1(s2_root, None), list(S2_BANDS.values())
    some = [archive.read_patch(folder.name, None, bands) for folder in sorted(s2_root.iterdir())[::10]]
    statistics: dict[str, Any] = {}
    for name in S2_BANDS:
        values = np.percentile([patch[name] for patch in some], PERCENTILES).tolist()
        statistics[name] = {"percentiles": dict(zip(map(str, PERCENTILES), values, strict=True))}
    register_random(root, list(S2_BANDS), statistics)


def _read(s2_root: Path) -> list[dict[str, np.ndarray]]:
    archive, bands = BigEarthNetV1(s2_root, None), list(S2_BANDS.values())
    return [archive.read_patch(name, None, bands) for name in sorted(folder.name for folder in s2_root.iterdir())]


def _time_reads(s2_root: Path) -> float:
    """Return the processor time of reading all patches, in s; the files are in the cache of the system."""
    _read(s2_root)
    began = time.process_time()
    _read(s2_root)
    return time.process_time() - began


def _time_model(s2_root: Path) -> float:
    """Return the processor time of the served model for all patches, in s; it is traced already."""
    from landscribe.registry.served_version import open_served

    patches = _read(s2_root)
    starts = range(0, len(patches), BATCH_SIZE_PATCHES)
    chunks = [patches[start : start + BATCH_SIZE_PATCHES] for start in starts]
    batches = [{name: np.stack([patch[name] for patch in chunk]) for name in S2_BANDS} for chunk in chunks]
    with open_served(URI) as served:
        for batch in (batches[0], batches[-1]):
            served.predict(batch)
        began = time.process_time()
        for batch in batches:
            served.predict(batch)
        return time.process_time() - began
