"""Random problems with what real ones have: ties, constants, patches without a class, classes without a positive."""

import numpy as np

from landscribe.core.scores import Scores
from landscribe.evaluation.config import EvaluateConfig


def draw_problem(seed: int, num_patches: int = 60, num_classes: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Return truth, bool, and float32 scores, [patch, class] both.

    Scores have one decimal: many ties. The first patch has every class but the last, the next three have none; the last
    class has no positive, the one before a constant score.
    """
    rng = np.random.default_rng(seed)
    truth = rng.random((num_patches, num_classes)) < rng.uniform(0.05, 0.6, num_classes)
    scores = np.round(np.clip(0.3 * truth + rng.random(truth.shape) * 0.8, 0, 1), 1)
    truth[0, :-1], truth[1:4], truth[:, -1] = True, False, False
    scores[:, -2] = 0.4
    scores[3] = 0.7
    return truth, scores.astype(np.float32)


def draw_scores(seed: int, num_patches: int = 60) -> Scores:
    """Return a problem as the scores of a split; the patches are named by number, whatever the seed."""
    truth, scores = draw_problem(seed, num_patches)
    names = (
        "Beaches, dunes, sands",
        "water",
        "forest with a name far too long to stand beside any plot",
        "a",
        "b",
        "c",
    )
    return Scores(tuple(f"patch {k}" for k in range(num_patches)), truth.astype(np.float32), scores, (*names, "rare"))


def make_config(**changed: object) -> EvaluateConfig:
    """Return a section `evaluate`: best F1, nothing shrunk, few draws."""
    values = {
        "threshold_metric": "f1",
        "min_precision": 0.8,
        "shrinkage_positives": 0.0,
        "bootstrap": {"draws": 110, "slice_draws": 110, "confidence": 0.95, "seed": 7},
        "calibration_bins": 10,
    }
    return EvaluateConfig.model_validate(values | changed)


def draw_named_scores(num_patches: int) -> Scores:
    """Return random scores of three classes."""
    rng = np.random.default_rng(0)
    truth = (rng.random((num_patches, 3)) < 0.5).astype(np.float32)
    names = tuple(f"patch {number}" for number in range(num_patches))
    return Scores(
        names, truth, rng.random((num_patches, 3)).astype(np.float32), ("_forest", "$water$", "Beaches, dunes")
    )
