"""Paired differences: none of a model with itself, the opposite when turned round, in any order of patches."""

from dataclasses import replace

import numpy as np
import pytest

from landscribe.core.errors import ForeignError, NomenclatureError
from landscribe.core.scores import Scores
from landscribe.evaluation.bootstrap import ScoredSplit, compute_draws, compute_interval
from landscribe.evaluation.paired import compare
from tests.support.problems import draw_scores, make_config

CONFIG = make_config().bootstrap
HALF = np.full(7, 0.5)


def make_better(scores: Scores) -> Scores:
    """Return scores on the same patches, nearer to the truth."""
    return replace(scores, scores=(0.5 * scores.scores + 0.5 * scores.truth).astype(np.float32))


def shuffle(scores: Scores) -> Scores:
    """Return the same scores in another order of patches."""
    order = np.random.default_rng(1).permutation(len(scores.patch_ids))
    names = tuple(scores.patch_ids[row] for row in order)
    return Scores(names, scores.truth[order], scores.scores[order], scores.classes)


def test_a_model_does_not_differ_from_itself_in_another_order() -> None:
    scores = draw_scores(0)
    for difference in compare((scores, HALF), (shuffle(scores), HALF), CONFIG).values():
        assert (difference.value, difference.low, difference.high) == (0, 0, 0)


def test_turned_round_the_difference_is_the_opposite() -> None:
    one, other = draw_scores(0), make_better(draw_scores(0))
    forth = compare((one, HALF), (shuffle(other), HALF), CONFIG)
    back = compare((other, HALF), (one, HALF), CONFIG)
    for name, difference in forth.items():
        assert difference.value == pytest.approx(-back[name].value)
        assert (difference.low, difference.high) == pytest.approx((-back[name].high, -back[name].low))
    assert forth["macro_ap"].low > 0


def test_pairing_is_narrower_than_two_intervals() -> None:
    one = draw_scores(0, 400)
    noise = np.random.default_rng(0).normal(0, 0.02, one.scores.shape)
    other = replace(one, scores=np.clip(one.scores + noise, 0, 1).astype(np.float32))
    paired = compare((one, HALF), (other, HALF), CONFIG)["micro_ap"]
    widths = []
    for scores in (one, other):
        draws = compute_draws(ScoredSplit(scores.truth.astype(bool), scores.scores, HALF), CONFIG).metrics["micro_ap"]
        low, high = compute_interval(0.0, draws, CONFIG.confidence)
        widths.append(high - low)
    assert paired.high - paired.low < 0.8 * np.linalg.norm(widths)


def test_other_patches_other_truth_and_other_classes_are_refused() -> None:
    scores = draw_scores(0)
    fewer = Scores(scores.patch_ids[1:], scores.truth[1:], scores.scores[1:], scores.classes)
    for other in (fewer, replace(scores, patch_ids=(*scores.patch_ids[1:], "another"))):
        with pytest.raises(ForeignError, match="the same 60 patches"):
            compare((scores, HALF), (other, HALF), CONFIG)
    with pytest.raises(ForeignError, match="same truth"):
        compare((scores, HALF), (replace(scores, truth=1 - scores.truth), HALF), CONFIG)
    with pytest.raises(NomenclatureError, match="classes differ"):
        compare((scores, HALF), (replace(scores, classes=scores.classes[::-1]), HALF), CONFIG)
