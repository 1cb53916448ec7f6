"""Challenger against champion on the same test patches: the metric of the gate, and every class."""

from dataclasses import dataclass

import numpy as np

from landscribe.core.average_precision import compute_average_precisions
from landscribe.core.errors import PromotionError
from landscribe.core.scores import Scores
from landscribe.evaluation.config import BootstrapConfig
from landscribe.evaluation.metrics import compute_metrics
from landscribe.evaluation.paired import Difference, compare
from landscribe.registry.versions import VersionFacts


@dataclass(frozen=True, kw_only=True)
class ClassFall:
    """A class and its average precision in both models.

    Attributes:
        name: of the class.
        num_positives: test patches that have it, at least 1.
        champion: average precision of the champion; `challenger` that of the challenger.
        weighed: the fall from the champion's to the challenger's, shrunk towards 0 if positives are few.
    """

    name: str
    num_positives: int
    champion: float
    challenger: float
    weighed: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The values that the gate decides by.

    Attributes:
        metric: e.g. "test_macro_ap".
        champion: its value; `challenger` that of the challenger.
        gain: challenger minus champion, with its paired interval.
        confidence: of the interval, e.g. 0.95.
        num_patches: test patches.
        classes: those with a positive, the deepest fall first.
    """

    metric: str
    champion: float
    challenger: float
    gain: Difference
    confidence: float
    num_patches: int
    classes: tuple[ClassFall, ...]


def compare_on_test(
    champion: tuple[Scores, VersionFacts],
    challenger: tuple[Scores, VersionFacts],
    metric: str,
    shrinkage_positives: float,
    config: BootstrapConfig,
) -> Comparison:
    """Return the comparison; classes are matched by name.

    Args:
        champion: scores on the challenger's test patches, and the facts with the thresholds.
        challenger: the same of the challenger; the same classes.
        metric: a metric of test, e.g. "test_macro_ap".
        shrinkage_positives: k of `compute_falls`.
        config: draws, confidence and seed.

    Raises:
        PromotionError: a score is not a number.
        ForeignError: the patches or their truth differ.
    """
    classes = champion[0].classes
    sides = _order(*champion, classes), _order(*challenger, classes)
    name = metric.removeprefix("test_")
    gain = compare(sides[0], sides[1], config)[name]
    values = [compute_metrics(scores.truth, scores.scores, thresholds)[name] for scores, thresholds in sides]
    return Comparison(
        metric=metric,
        champion=float(values[0]),
        challenger=float(values[1]),
        gain=Difference(*map(float, (gain.value, gain.low, gain.high))),
        confidence=config.confidence,
        num_patches=len(sides[0][0].patch_ids),
        classes=compute_falls(sides[0][0], sides[1][0], shrinkage_positives),
    )


def compute_falls(champion: Scores, challenger: Scores, shrinkage_positives: float) -> tuple[ClassFall, ...]:
    """Return each class with a positive, the deepest weighed fall first.

    A fall f of a class with n positives is weighed as f * n / (n + k), k = `shrinkage_positives`: the rank of one patch
    says little about a class (docs/promotion.md).

    Args:
        champion: scores; `challenger` the other's, in the same order of classes and any order of patches.
        challenger: see there.
        shrinkage_positives: k, at least 0.
    """
    sides = [compute_average_precisions(scores.truth, scores.scores) for scores in (champion, challenger)]
    positives = champion.truth.sum(axis=0)
    falls = [
        ClassFall(
            name=name,
            num_positives=int(count),
            champion=float(before),
            challenger=float(after),
            weighed=float((before - after) * count / (count + shrinkage_positives)),
        )
        for name, count, before, after in zip(champion.classes, positives, *sides, strict=True)
        if count
    ]
    return tuple(sorted(falls, key=lambda fall: -fall.weighed))


def _order(scores: Scores, facts: VersionFacts, classes: tuple[str, ...]) -> tuple[Scores, np.ndarray]:
    """Return the scores in this order of classes, and the thresholds, float64 [class]."""
    if not np.isfinite(scores.scores).all():
        raise PromotionError("a model gave scores that are not numbers on the test patches; train it again.")
    columns = [scores.classes.index(name) for name in classes]
    ordered = Scores(scores.patch_ids, scores.truth[:, columns], scores.scores[:, columns], classes)
    return ordered, np.array([facts.thresholds[name] for name in classes])
