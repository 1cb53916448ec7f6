"""What a classifier must beat: the label prior, ridge regression and a random forest on colour and texture."""

from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from landscribe.core.average_precision import compute_macro_ap
from landscribe.records.reader import iter_split
from landscribe.records.schema import read_manifest

Model = Literal["prior", "ridge", "forest"]


def score_statistics(records: Path, model: Model) -> float:
    """Return the test macro AP of a model fitted on train, from RGB records."""
    manifest = read_manifest(records / "manifest.json")
    features: dict[str, np.ndarray] = {}
    truth: dict[str, np.ndarray] = {}
    for split in ("train", "test"):
        found = list(iter_split(manifest, records, split))
        features[split] = np.stack([_describe(np.stack([record.bands[band] for band in "RGB"])) for record in found])
        truth[split] = np.stack([record.multi_hot for record in found]).astype(np.int64)
    return compute_macro_ap(truth["test"].astype(np.float32), _score(model, features, truth["train"]))


def _score(model: Model, features: dict[str, np.ndarray], truth: np.ndarray) -> np.ndarray:
    """Return the scores of test, [patch, class]."""
    match model:
        case "prior":
            return np.tile(truth.mean(axis=0), (len(features["test"]), 1))
        case "ridge":
            ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 7)))
            return np.asarray(ridge.fit(features["train"], truth.astype(np.float32)).predict(features["test"]))
        case "forest":
            forest = RandomForestClassifier(500, min_samples_leaf=2, random_state=0, n_jobs=-1)
            votes = forest.fit(features["train"], truth).predict_proba(features["test"])
            return np.stack([share[:, -1] for share in votes], axis=1)


def _describe(image: np.ndarray) -> np.ndarray:
    """Return statistics of uint8 [3, row, column]: colours, and how rough the grey image is at three scales."""
    colours = image.reshape(3, -1).astype(np.float32)
    parts = [colours.mean(axis=1), colours.std(axis=1), *np.percentile(colours, [5, 25, 50, 75, 95], axis=1)]
    grey = Image.fromarray(image.mean(axis=0).astype(np.uint8))
    for side in (128, 64, 32):
        values = np.asarray(grey.resize((side, side), Image.Resampling.BOX), dtype=np.float32)
        rows, columns = np.gradient(values)
        steepness = np.hypot(rows, columns)
        parts += [np.array([steepness.mean(), steepness.std(), *np.percentile(steepness, [50, 90])])]
        parts += [np.histogram(np.arctan2(rows, columns) % np.pi, 8, (0, np.pi), weights=steepness)[0] / side**2]
    return np.concatenate(parts)
