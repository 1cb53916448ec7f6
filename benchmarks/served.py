"""A registered model with random weights, for cases that measure what is around a network of the usual size."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def register_random(
    root: Path, bands: list[str], statistics: Mapping[str, Any] | None = None, backbone: str = "SmallResNet"
) -> str:
    """Register a network of these Sentinel bands and the 19 classes in a store below `root`; return its URI.

    The environment of this process names the store afterwards.

    Args:
        root: folder of the store.
        bands: names.
        statistics: band -> percentiles of its train split; None: those of ordinary land.
        backbone: as in section `train`.
    """
    os.environ["DVC_ROOT"] = str(root)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{root / 'mlflow.db'}"
    from landscribe.core.bands import BANDS
    from landscribe.core.nomenclature import make_nomenclature
    from landscribe.models.artifact import write_model
    from landscribe.models.card import ModelCard
    from landscribe.models.classifier import ClassifierSpec, build_classifier
    from landscribe.models.preprocess import BandInput
    from landscribe.registry.registration import Candidate, register
    from landscribe.tracking.runs import start_run

    known = [BANDS[name] for name in bands]
    inputs = [BandInput(band.name, int(band.size_px or 0), str(band.dtype), 1500.0, 800.0) for band in known]
    classes = make_nomenclature("BEN-19", (), root).classes
    network = build_classifier(ClassifierSpec(bands=inputs, num_classes=19, backbone=backbone, dropout=0.0))
    card = ModelCard(
        bands={band.name: {"size_px": band.size_px, "dtype": band.dtype} for band in known},
        classes=classes,
        nomenclature="BEN-19",
        backbone=backbone,
        resamples=False,
    )
    path = root / "model.keras"
    write_model(network, card, path)
    ordinary = {"1": 1.0, "50": 1500.0, "75": 2000.0, "95": 4000.0, "99": 10_000.0}
    candidate = Candidate(
        model_path=path,
        card=card,
        thresholds=np.full(19, 0.5),
        metrics={"test_macro_ap": 0.5},
        test_digest="none",
        example={band.name: np.zeros((1, *[band.size_px or 0] * 2), str(band.dtype)) for band in known},
        statistics=statistics or {name: {"percentiles": ordinary} for name in bands},
        window_m=1200.0,
    )
    with start_run("benchmark", {}, {}) as run_id:
        version = register(candidate, "landscribe", run_id)["version"]
    return f"models:/landscribe/{version}"
