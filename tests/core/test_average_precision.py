"""Average precision against scikit-learn, and the law of weights: a patch of weight two is a patch there twice."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from landscribe.core.average_precision import (
    compute_average_precisions,
    compute_macro_ap,
    rank_decisions,
    weigh_average_precision,
)
from tests.support.problems import draw_problem


def count_average_precision(truth: np.ndarray, scores: np.ndarray) -> float:
    """Return the sum of precision times the step in recall over all cut points, by counting."""
    total = recall = 0.0
    for cut in sorted(set(scores.tolist()), reverse=True):
        above = scores >= cut
        new_recall = float(truth[above].sum() / truth.sum())
        total += float(truth[above].mean()) * (new_recall - recall)
        recall = new_recall
    return total


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_that_of_scikit_learn_and_of_counting(seed: int) -> None:
    truth, scores = draw_problem(seed)
    values = compute_average_precisions(truth, scores)
    for number in range(truth.shape[1] - 1):
        assert values[number] == pytest.approx(average_precision_score(truth[:, number], scores[:, number]))
        assert values[number] == pytest.approx(count_average_precision(truth[:, number], scores[:, number]))
    assert np.isnan(values[-1])  # no positive: no number is invented
    assert compute_macro_ap(truth, scores) == pytest.approx(values[:-1].mean())
    assert compute_macro_ap(truth[:, -1:], scores[:, -1:]) == 0


@pytest.mark.parametrize("seed", range(4))
def test_a_weight_is_a_number_of_copies(seed: int) -> None:
    truth, scores = draw_problem(seed)
    weights = np.random.default_rng(seed).integers(0, 4, (5, len(truth)), np.int32)
    weights[4] = 0
    patches = np.repeat(np.arange(len(truth)), truth.shape[1])
    pooled = weigh_average_precision(rank_decisions(truth.ravel(), scores.ravel(), patches), weights)
    for draw, value in zip(weights[:4], pooled, strict=False):
        copies = np.repeat(truth, draw, axis=0).ravel(), np.repeat(scores, draw, axis=0).ravel()
        assert value == pytest.approx(average_precision_score(*copies))
    assert np.isnan(pooled[4])


def test_only_the_order_of_scores_matters_and_not_that_of_patches() -> None:
    truth, scores = draw_problem(4)
    values = compute_average_precisions(truth, scores)
    np.testing.assert_array_equal(values, compute_average_precisions(truth, scores.astype(float) ** 3))
    order = np.random.default_rng(0).permutation(len(truth))
    np.testing.assert_array_equal(values, compute_average_precisions(truth[order], scores[order]))


def test_perfect_is_one_and_worst_is_every_positive_at_the_end() -> None:
    truth, scores = draw_problem(1)
    worst = compute_average_precisions(truth, ~truth * 1.0)[:-1]
    np.testing.assert_array_equal(compute_average_precisions(truth, truth * 1.0)[:-1], 1)
    np.testing.assert_allclose(worst, truth.mean(axis=0)[:-1])  # equal scores below all others: the prevalence
    distinct = np.arange(10.0)
    last = compute_average_precisions((distinct < 3)[:, None], distinct[:, None])[0]
    assert last == pytest.approx(np.mean([1 / 8, 2 / 9, 3 / 10]))  # no order of three positives in ten is worse
    assert (worst <= compute_average_precisions(truth, scores)[:-1] + 1e-12).all()
