"""serving: patches per second over HTTP; the reference is the same version, asked in this process.

64 patches of the twelve bands of Sentinel-2, drawn at random, labelled by an untrained SmallResNet in one request to
`mlflow models serve` on loopback. Both the request and the answer are made and read by Python's json.
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import Figure
from benchmarks.served import register_random
from landscribe.core.bands import BANDS, S2_BANDS
from landscribe.registry.served_version import open_served
from tests.support.mlflow_server import serve_model

NUM_PATCHES = 64
_PATCH_M = 1200
_NUM_TRIES = 3  # the fastest counts: the first warms up
_MEAN, _DEVIATION = 800.0, 400.0


def run() -> list[Figure]:
    """Register a model in a store of its own, serve it and ask it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bands = _draw_patches()
        uri = register_random(folder, list(S2_BANDS))
        with open_served(uri) as served:
            local = _measure(lambda: served.predict(bands))
        with serve_model(uri, os.environ["MLFLOW_TRACKING_URI"], folder) as server:
            rate = _measure(lambda: server.ask(bands))
    return [Figure("serving: over HTTP", rate, "patches/s", local, rate / local, None)]


def _draw_patches() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    patches = {}
    for name in S2_BANDS:
        side_px = _PATCH_M // (BANDS[name].resolution_m or _PATCH_M)
        patches[name] = rng.normal(_MEAN, _DEVIATION, (NUM_PATCHES, side_px, side_px)).clip(1).astype(np.uint16)
    return patches


def _measure(ask: Callable[[], Any]) -> float:
    """Return patches per second of the fastest try."""
    durations_s = []
    for _ in range(_NUM_TRIES):
        began = time.perf_counter()
        ask()
        durations_s.append(time.perf_counter() - began)
    return NUM_PATCHES / min(durations_s)
