"""One threshold per class, fitted on val only.

The best cut of a class with few positives depends on chance. It is shrunk towards the cut of all decisions pooled: with
n positives on val and k = `shrinkage_positives`, the log-odds of the threshold are (n * own + k * pooled) / (n + k), so
that a class of k positives is half-way.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from landscribe.core.files import read_json, write_json
from landscribe.core.nomenclature import check_same_classes
from landscribe.evaluation.config import EvaluateConfig

DEFAULT_THRESHOLD = 0.5
_F_WEIGHTS = {"f1": 1.0, "f2": 4.0}
_SURE = 1e-6  # log-odds are clipped here, so that a cut at 0 or 1 can be shrunk too


def fit_thresholds(truth: np.ndarray, scores: np.ndarray, config: EvaluateConfig) -> np.ndarray:
    """Return the threshold of each class, float64 [class].

    `f1` and `f2` take the cut with the best value. `precision` takes the lowest cut, so the highest recall, at which
    precision is at least `min_precision`; if no cut reaches it, the most precise one. Cuts are half-way between
    neighbouring scores; among equals the one nearest to 0.5 is taken. A class without a positive takes the pooled cut;
    0.5 without shrinkage, or if no class has a positive.

    Args:
        truth: [patch, class] of 0 and 1, of val.
        scores: [patch, class] in [0, 1].
        config: metric, floor and shrinkage.
    """
    own = np.array([_fit_one(*column, config) for column in zip(truth.T, scores.T, strict=True)])
    if not config.shrinkage_positives:
        return own
    positives = truth.sum(axis=0, dtype=np.float64)
    pooled = _fit_one(truth.ravel(), scores.ravel(), config)
    own_share = positives / (positives + config.shrinkage_positives)
    log_odds = own_share * _to_log_odds(own) + (1 - own_share) * _to_log_odds(np.array(pooled))
    shrunk: np.ndarray = 1 / (1 + np.exp(-log_odds))
    return shrunk


def _to_log_odds(threshold: np.ndarray) -> np.ndarray:
    inside = np.clip(threshold, _SURE, 1 - _SURE)
    log_odds: np.ndarray = np.log(inside / (1 - inside))
    return log_odds


def _fit_one(truth: np.ndarray, scores: np.ndarray, config: EvaluateConfig) -> float:
    if not truth.any():
        return DEFAULT_THRESHOLD
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order].astype(np.float64)
    hits = np.cumsum(truth[order], dtype=np.float64)
    worth = _compute_worth(hits, config)
    below = np.append(ranked[1:], 0.0)  # below the last score everything is predicted
    candidates = (ranked + below) / 2
    worth[np.append(ranked[1:] == ranked[:-1], False)] = -1  # a threshold cannot separate equal scores
    best = np.flatnonzero(worth >= worth.max() - 1e-12)
    return float(candidates[best[np.argmin(np.abs(candidates[best] - DEFAULT_THRESHOLD))]])


def _compute_worth(hits: np.ndarray, config: EvaluateConfig) -> np.ndarray:
    """Return the value of the threshold metric at each cut, float64 [cut], from the hits above it; at least 0."""
    predicted, positives = np.arange(1, len(hits) + 1), hits[-1]
    if config.threshold_metric == "precision":
        precision = hits / predicted
        # Recall decides among the cuts that reach `min_precision`, and ranks them above all others.
        return np.where(precision >= config.min_precision, 1 + hits / positives, precision)
    weight = _F_WEIGHTS[config.threshold_metric]
    values: np.ndarray = (1 + weight) * hits / (weight * positives + predicted)
    return values


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
