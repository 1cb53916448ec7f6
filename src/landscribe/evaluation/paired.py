"""Two models on the same patches: the paired difference of every metric, with its interval."""

from dataclasses import dataclass

import numpy as np

from landscribe.core.errors import ForeignError
from landscribe.core.nomenclature import check_same_classes
from landscribe.core.scores import Scores
from landscribe.evaluation.bootstrap import ScoredSplit, compute_draws, compute_interval
from landscribe.evaluation.config import BootstrapConfig
from landscribe.evaluation.metrics import compute_metrics


@dataclass(frozen=True)
class Difference:
    """Challenger minus champion; if the interval contains 0, the difference may be chance.

    Attributes:
        value: of the metric on all patches.
        low: end of the interval; `high` the other.
    """

    value: float
    low: float
    high: float


def compare(
    champion: tuple[Scores, np.ndarray], challenger: tuple[Scores, np.ndarray], config: BootstrapConfig
) -> dict[str, Difference]:
    """Return the difference of every metric of `compute_metrics`, challenger minus champion.

    Both have the same draws: common variation, such as a draw of easy patches, cancels out.

    Args:
        champion: scores and thresholds, float64 [class]; the result has its order of patches.
        challenger: the same of the other model; its patches may come in another order.
        config: draws, confidence and seed.

    Raises:
        NomenclatureError: the classes differ.
        ForeignError: the patches or their truth differ.
    """
    first, second = champion[0], _align(challenger[0], champion[0])
    drawn, values = [], []
    for scores, thresholds in ((first, champion[1]), (second, challenger[1])):
        scored = ScoredSplit(scores.truth.astype(bool), scores.scores, thresholds)
        drawn.append(compute_draws(scored, config).metrics)
        values.append(compute_metrics(scores.truth, scores.scores, thresholds))
    differences = {}
    for name in drawn[0]:
        value = values[1][name] - values[0][name]
        ends = compute_interval(value, drawn[1][name] - drawn[0][name], config.confidence)
        differences[name] = Difference(value, *ends)
    return differences


def _align(scores: Scores, other: Scores) -> Scores:
    """Return the scores in the order of the other's patches."""
    check_same_classes(other.classes, scores.classes, "scores to compare", "Score both models in one class order.")
    place = {name: row for row, name in enumerate(scores.patch_ids)}
    missing = [name for name in other.patch_ids if name not in place]
    if missing or len(place) != len(other.patch_ids):
        raise ForeignError(
            f"expected scores of the same {len(other.patch_ids)} patches; received {len(place)}, {len(missing)} of them"
            " missing. Score both models on one test split."
        )
    rows = np.array([place[name] for name in other.patch_ids], np.intp)
    if not np.array_equal(scores.truth[rows], other.truth):
        raise ForeignError("expected the same truth of every patch; it differs. Score both models on one index.")
    return Scores(other.patch_ids, other.truth, scores.scores[rows], other.classes)
