"""Rankings of classes against scikit-learn and against counting pairs."""

import numpy as np
import pytest
from sklearn.metrics import coverage_error, label_ranking_average_precision_score, label_ranking_loss

from landscribe.evaluation.label_ranking import compute_patch_rankings
from tests.support.problems import draw_problem


@pytest.mark.parametrize("seed", range(4))
def test_rankings_are_those_of_scikit_learn(seed: int) -> None:
    truth, scores = draw_problem(seed)
    values = compute_patch_rankings(truth, scores)
    assert values["coverage"].mean() == pytest.approx(coverage_error(truth, scores))
    assert values["ranking_loss"].mean() == pytest.approx(label_ranking_loss(truth, scores))
    some = truth.any(axis=1)  # scikit-learn counts a patch without a class as 1, the archive's authors as 0
    expected = label_ranking_average_precision_score(truth[some], scores[some])
    assert values["label_ranking_avg_precision"][some].mean() == pytest.approx(expected)
    assert values["label_cardinality"].tolist() == truth.sum(axis=1).tolist()


@pytest.mark.parametrize("seed", range(4))
def test_one_error_is_what_a_blind_choice_among_the_highest_gets_wrong(seed: int) -> None:
    truth, scores = draw_problem(seed)
    for row, value in enumerate(compute_patch_rankings(truth, scores)["one_error"]):
        highest = [k for k in range(truth.shape[1]) if scores[row, k] == max(scores[row])]
        assert value == pytest.approx(np.mean([not truth[row, k] for k in highest]))


def test_a_patch_without_a_class_and_one_with_all_follow_the_rule() -> None:
    truth = np.array([[False] * 3, [True] * 3])
    values = compute_patch_rankings(truth, np.array([[0.1, 0.2, 0.3]] * 2))
    assert values["one_error"].tolist() == [1, 0]
    assert values["coverage"].tolist() == [0, 3]
    assert values["ranking_loss"].tolist() == [0, 0]
    assert values["label_ranking_avg_precision"].tolist() == [0, 1]


def test_the_order_of_the_classes_decides_nothing() -> None:
    truth, scores = draw_problem(2)
    order = np.random.default_rng(0).permutation(truth.shape[1])
    turned = compute_patch_rankings(truth[:, order], scores[:, order])
    for name, values in compute_patch_rankings(truth, scores).items():
        np.testing.assert_allclose(turned[name], values)
