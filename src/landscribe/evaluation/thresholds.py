"""A threshold for each class, fitted on val alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from landscribe.files import read_json, write_json
from landscribe.nomenclature import check_same_classes
from landscribe.params import Section

DEFAULT_THRESHOLD = 0.5


class EvaluateConfig(Section):
    """Section `evaluate`."""

    threshold_metric: Literal["f1", "f2"]


def fit_thresholds(truth: np.ndarray, scores: np.ndarray, metric: Literal["f1", "f2"]) -> np.ndarray:
    """Return the threshold of each class with the best F1 or F2, float64 [class].

    A class without a positive keeps 0.5. Candidates lie half-way between neighbouring scores; among equals the one
    nearest to 0.5 is taken.

    Args:
        truth: [patch, class] of 0 and 1.
        scores: [patch, class] in [0, 1].
        metric: what is maximised.
    """
    beta = {"f1": 1.0, "f2": 2.0}[metric]
    return np.array([_fit_one(truth[:, number], scores[:, number], beta) for number in range(truth.shape[1])])


def _fit_one(truth: np.ndarray, scores: np.ndarray, beta: float) -> float:
    if not truth.any():
        return DEFAULT_THRESHOLD
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order].astype(np.float64)
    hits = np.cumsum(truth[order])
    f_scores = (1 + beta**2) * hits / (beta**2 * truth.sum() + np.arange(1, len(ranked) + 1))
    below = np.append(ranked[1:], 0.0)  # below the last score everything is predicted
    candidates = (ranked + below) / 2
    f_scores[np.append(ranked[1:] == ranked[:-1], False)] = -1  # a threshold cannot part equal scores
    best = np.flatnonzero(f_scores >= f_scores.max() - 1e-12)
    return float(candidates[best[np.argmin(np.abs(candidates[best] - DEFAULT_THRESHOLD))]])


def write_thresholds(thresholds: np.ndarray, classes: Sequence[str], path: Path) -> None:
    """Write class -> threshold, in class order."""
    write_json(path, dict(zip(classes, map(float, thresholds), strict=True)))


def read_thresholds(path: Path, classes: Sequence[str]) -> np.ndarray:
    """Return the thresholds, float64 [class].

    Raises:
        NomenclatureError: the file's classes are not `classes`, in this order.
    """
    content: dict[str, float] = read_json(path)
    check_same_classes(classes, content, str(path), "Run the stage evaluate again for this model.")
    return np.array(list(content.values()))
