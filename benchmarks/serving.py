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
from mlflow import MlflowClient

from benchmarks import Figure
from landscribe.core.bands import BANDS, S2_BANDS
from landscribe.core.nomenclature import NOMENCLATURES
from landscribe.models.artifact import write_model
from landscribe.models.card import ModelCard
from landscribe.models.classifier import ClassifierSpec, build_classifier
from landscribe.models.preprocess import BandInput
from landscribe.registry.registration import Candidate, load_served, register
from landscribe.tracking.store import open_store
from tests.support.mlflow_server import serve_model
from tests.support.model_fixtures import make_percentiles

NUM_PATCHES = 64
_PATCH_M = 1200
_NUM_TRIES = 3  # the fastest counts: the first warms up
_MEAN, _DEVIATION = 800.0, 400.0


def run() -> list[Figure]:
    """Register a model in a store of its own, serve it and ask it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {"DVC_ROOT": name, "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
        bands = _draw_patches()
        uri = _register(folder, bands)
        served = load_served(uri)
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


def _register(folder: Path, bands: dict[str, np.ndarray]) -> str:
    """Register an untrained model and return its URI."""
    classes = NOMENCLATURES["BEN-19"]().classes
    inputs = [BandInput(name, values.shape[1], "uint16", _MEAN, _DEVIATION) for name, values in bands.items()]
    spec = ClassifierSpec(bands=inputs, num_classes=len(classes), backbone="SmallResNet", dropout=0.0)
    facts = {name: {"size_px": values.shape[1], "dtype": "uint16"} for name, values in bands.items()}
    card = ModelCard(bands=facts, classes=classes, nomenclature="BEN-19", backbone="SmallResNet", resamples=False)
    write_model(build_classifier(spec), card, folder / "model.keras")
    run_id = MlflowClient().create_run(open_store()).info.run_id
    candidate = Candidate(
        model_path=folder / "model.keras",
        card=card,
        thresholds=np.full(len(classes), 0.5),
        metrics={"test_macro_ap": 0.5},
        test_digest="",
        example={name: values[:1] for name, values in bands.items()},
        statistics=dict.fromkeys(bands, make_percentiles(1, 2000)),
    )
    return f"models:/landscribe/{register(candidate, 'landscribe', run_id)['version']}"


def _measure(ask: Callable[[], Any]) -> float:
    """Return patches per second of the fastest try."""
    durations_s = []
    for _ in range(_NUM_TRIES):
        began = time.perf_counter()
        ask()
        durations_s.append(time.perf_counter() - began)
    return NUM_PATCHES / min(durations_s)
