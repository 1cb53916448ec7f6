"""Intervals: the same for any number of workers, whole tiles together, nothing where nothing varies."""

import numpy as np
import pytest

from landscribe.evaluation import bootstrap
from landscribe.evaluation.bootstrap import (
    ScoredSplit,
    compute_draws,
    compute_interval,
    compute_macro_ap_draws,
    draw_weights,
)
from landscribe.evaluation.metrics import compute_metrics
from tests.support.problems import draw_problem, make_config

pytestmark = pytest.mark.slow(3)

CONFIG = make_config().bootstrap


def make_scored(units: np.ndarray | None = None) -> ScoredSplit:
    """Return a problem to draw from."""
    truth, scores = draw_problem(3)
    return ScoredSplit(truth, scores, np.full(truth.shape[1], 0.45), units)


@pytest.mark.parametrize("num_workers", [2, 3])
def test_draws_do_not_depend_on_the_workers(monkeypatch: pytest.MonkeyPatch, num_workers: int) -> None:
    alone = compute_draws(make_scored(), CONFIG)
    groups = [make_scored().truth] * 2, [make_scored().scores] * 2
    alone_by_group = compute_macro_ap_draws(*groups, CONFIG)
    monkeypatch.setattr(bootstrap, "_DECISIONS_PER_WORKER", 1)
    monkeypatch.setattr("os.cpu_count", lambda: num_workers)
    together = compute_draws(make_scored(), CONFIG)
    for one, other in ((alone.metrics, together.metrics), (alone.classes, together.classes)):
        for name, values in one.items():
            assert len(values) == CONFIG.draws
            np.testing.assert_array_equal(values, other[name], err_msg=name)
    np.testing.assert_array_equal(alone_by_group, compute_macro_ap_draws(*groups, CONFIG))
    np.testing.assert_array_equal(alone_by_group[0], alone.metrics["macro_ap"])


def test_a_draw_takes_as_many_units_as_there_are() -> None:
    weights = np.stack([draw_weights(5, 1, draw) for draw in range(400)])
    assert (weights.sum(axis=1) == 5).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(5), abs=0.2)
    assert not np.array_equal(draw_weights(50, 1, 0), draw_weights(50, 2, 0))


def test_tiles_of_one_patch_each_are_patches() -> None:
    by_patch = compute_draws(make_scored(), CONFIG)
    by_tile = compute_draws(make_scored(np.arange(60)), CONFIG)
    for name, values in by_patch.metrics.items():
        np.testing.assert_array_equal(values, by_tile.metrics[name])


def test_every_drawn_metric_is_finite_and_has_a_value() -> None:
    scored = make_scored()
    values = compute_metrics(scored.truth, scored.scores, scored.thresholds)
    drawn = compute_draws(scored, CONFIG).metrics
    assert set(values) - set(drawn) == {"num_patches", "num_classes_scored"}
    assert all(np.isfinite(draws).all() for draws in drawn.values())


def test_where_nothing_varies_the_interval_is_the_value() -> None:
    truth, _ = draw_problem(0)
    draws = compute_draws(ScoredSplit(truth, truth.astype(np.float32), np.full(truth.shape[1], 0.5)), CONFIG)
    for name in ("macro_ap", "micro_ap", "macro_f1", "micro_f1", "subset_accuracy"):
        assert compute_interval(1.0, draws.metrics[name], 0.95) == (1, 1)


def test_the_interval_turns_the_quantiles_round_the_value_and_keeps_in_bounds() -> None:
    draws = np.linspace(0.5, 0.9, 401)
    assert compute_interval(0.6, draws, 0.9) == pytest.approx((1.2 - 0.88, 1.2 - 0.52))
    assert compute_interval(0.8, draws, 0.9, (0, 1)) == pytest.approx((1.6 - 0.88, 1))
    assert np.isnan(compute_interval(np.nan, draws, 0.9)).all()


def test_without_a_positive_there_is_nothing_to_average() -> None:
    truth, scores = draw_problem(0)
    (draws,) = compute_macro_ap_draws([np.zeros_like(truth)], [scores], CONFIG)
    assert draws.tolist() == [0] * CONFIG.draws
