"""Calibration against counting bin by bin."""

import numpy as np
import pytest

from landscribe.evaluation.calibration import compute_calibration_error, make_reliability
from tests.support.problems import draw_problem


@pytest.mark.parametrize("num_bins", [2, 10, 15])
@pytest.mark.parametrize("seed", range(2))
def test_the_error_is_what_counting_gives(seed: int, num_bins: int) -> None:
    truth, scores = draw_problem(seed)
    pairs = list(zip(truth.ravel().tolist(), scores.astype(np.float64).ravel().tolist(), strict=True))
    total = 0.0
    for number in range(num_bins):
        low, high = number / num_bins, (number + 1) / num_bins
        inside = [pair for pair in pairs if low <= pair[1] < high or (pair[1] == 1 == high)]
        if inside:
            observed, score = np.mean(inside, axis=0)
            total += len(inside) / len(pairs) * abs(observed - score)
    assert compute_calibration_error(truth, scores, num_bins) == pytest.approx(total)


def test_every_decision_falls_into_one_bin_and_a_score_on_an_edge_into_the_upper() -> None:
    rows = make_reliability(np.zeros(5), np.array([0, 0.25, 0.5, 0.75, 1]), 4)
    assert rows["num_decisions"].tolist() == [1, 1, 1, 2]
    assert rows["low"].tolist() == [0, 0.25, 0.5, 0.75]


def test_bounds() -> None:
    truth, _ = draw_problem(0)
    assert compute_calibration_error(truth, truth.astype(float), 15) == 0
    assert compute_calibration_error(truth, (~truth).astype(float), 15) == 1
    prior = np.full(truth.shape, truth.mean())
    assert compute_calibration_error(truth, prior, 15) == pytest.approx(0)  # calibrated, though it tells nothing apart
    assert compute_calibration_error(truth[:0], truth[:0].astype(float), 15) == 0
