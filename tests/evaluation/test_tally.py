"""The laws of weights, for every metric: a patch of weight two is a patch there twice, a unit is all its patches."""

import numpy as np
import pytest

from landscribe.evaluation.metrics import compute_metrics, measure
from landscribe.evaluation.tally import make_tally, weigh
from tests.support.problems import draw_problem


@pytest.mark.parametrize("seed", range(3))
def test_a_weight_is_a_number_of_copies(seed: int) -> None:
    truth, scores = draw_problem(seed)
    thresholds = np.random.default_rng(seed).uniform(0.2, 0.8, truth.shape[1:])
    weights = np.random.default_rng(seed).integers(0, 3, (4, len(truth)), np.int32)
    weights[:, 0] += 1  # the patch with every class but the last: each keeps a positive
    weighed = weigh(make_tally(truth, scores, thresholds), weights)
    for draw, weight in enumerate(weights):
        copies = np.repeat(truth, weight, axis=0), np.repeat(scores, weight, axis=0), thresholds
        expected = compute_metrics(*copies)
        for name, values in weighed.metrics.items():
            assert values[draw] == pytest.approx(expected[name]), name
        for name, row in measure(*copies).classes.items():
            np.testing.assert_allclose(weighed.classes[name][draw], row, err_msg=name)


@pytest.mark.parametrize("seed", range(3))
def test_the_weight_of_a_unit_is_that_of_each_of_its_patches(seed: int) -> None:
    truth, scores = draw_problem(seed)
    thresholds = np.full(truth.shape[1], 0.45)
    rng = np.random.default_rng(seed)
    units = rng.permutation(np.arange(len(truth)) % 7)
    weights = rng.integers(0, 3, (4, 7), np.int32)
    weights[:, units[0]] += 1
    by_unit = weigh(make_tally(truth, scores, thresholds, units), weights)
    by_patch = weigh(make_tally(truth, scores, thresholds), weights[:, units])
    for one, other in ((by_unit.metrics, by_patch.metrics), (by_unit.classes, by_patch.classes)):
        for name, values in one.items():
            np.testing.assert_allclose(values, other[name], rtol=1e-12, atol=1e-15, err_msg=name)


def test_a_class_that_a_draw_misses_counts_with_its_usual_value() -> None:
    truth, scores = draw_problem(1)
    tally = make_tally(truth, scores, np.full(truth.shape[1], 0.5))
    usual = weigh(tally, np.ones((1, len(truth)), np.int32))
    without = (~truth[:, 0]).astype(np.int32)[None]
    assert weigh(tally, without).classes["f1"][0, 0] != weigh(tally, without).classes["f1"][0, 0]  # NaN
    completed = weigh(tally, without, usual)
    for name, values in completed.classes.items():
        assert values[0, 0] == usual.classes[name][0, 0]
        assert np.isnan(values[0, -1])  # no positive at all: in no mean
    assert completed.metrics["macro_ap"][0] == pytest.approx(completed.classes["average_precision"][0, :-1].mean())
