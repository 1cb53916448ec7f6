"""Thresholds: the best cut of each class on the scores that they are fitted on."""

import re
from pathlib import Path

import numpy as np
import pytest

from landscribe.core.errors import NomenclatureError
from landscribe.evaluation.thresholds import fit_thresholds, read_thresholds, write_thresholds
from tests.support.problems import make_config


def draw_problem(seed: int, decimals: int) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and float32 scores of 5 classes; few decimals make many ties."""
    rng = np.random.default_rng(seed)
    truth = rng.random((30, 5)) < rng.uniform(0.1, 0.7, 5)
    truth[0] = True
    scores = np.round(np.clip(0.25 * truth + 0.8 * rng.random(truth.shape), 0, 1), decimals)
    return truth.astype(np.float32), scores.astype(np.float32)


def compute_f(truth: np.ndarray, predicted: np.ndarray, metric: str) -> float:
    """Return F1 or F2 of one class."""
    weight = {"f1": 1, "f2": 4}[metric]
    hits = float((truth * predicted).sum())
    return (1 + weight) * hits / float(weight * truth.sum() + predicted.sum())


@pytest.mark.parametrize("metric", ["f1", "f2"])
@pytest.mark.parametrize("decimals", [1, 6])
@pytest.mark.parametrize("seed", range(3))
def test_no_cut_is_better_than_the_fitted_one(seed: int, decimals: int, metric: str) -> None:
    truth, scores = draw_problem(seed, decimals)
    thresholds = fit_thresholds(truth, scores, make_config(threshold_metric=metric))
    for number, threshold in enumerate(thresholds):
        column, found = truth[:, number], scores[:, number]
        cuts = [0.0, 0.5, *found.astype(np.float64), *np.nextafter(found.astype(np.float64), 2)]
        best = max(compute_f(column, found >= cut, metric) for cut in cuts)
        assert compute_f(column, found >= threshold, metric) == pytest.approx(best)
        assert 0 <= threshold <= 1


def test_a_threshold_keeps_away_from_the_scores_that_it_parts() -> None:
    truth, scores = np.array([[0], [1], [1]]), np.array([[0.2], [0.8], [0.9]])
    assert fit_thresholds(truth, scores, make_config()) == pytest.approx([0.5])


def test_among_equal_cuts_the_nearest_to_one_half_is_taken() -> None:
    equal = np.array([[1], [0], [0], [1]]), np.array([[0.9], [0.8], [0.6], [0.4]])  # F1 2/3 after 1 and after 4
    assert fit_thresholds(*equal, make_config()) == pytest.approx([0.2])  # 0.85 is farther from 0.5


@pytest.mark.parametrize("decimals", [1, 6])
@pytest.mark.parametrize("seed", range(3))
def test_no_cut_of_enough_precision_finds_more(seed: int, decimals: int) -> None:
    truth, scores = draw_problem(seed, decimals)
    floor = 0.7
    thresholds = fit_thresholds(truth, scores, make_config(threshold_metric="precision", min_precision=floor))
    for number, threshold in enumerate(thresholds):
        column, found = truth[:, number], scores[:, number].astype(np.float64)
        cuts = {cut: (column[found >= cut].mean(), column[found >= cut].sum()) for cut in found}
        precision, hits = column[found >= threshold].mean(), column[found >= threshold].sum()
        if enough := [many for exact, many in cuts.values() if exact >= floor]:
            assert precision >= floor
            assert hits == max(enough)
        else:
            assert precision == pytest.approx(max(exact for exact, _ in cuts.values()))


@pytest.mark.parametrize("metric", ["f1", "f2", "precision"])
def test_a_class_without_a_positive_keeps_one_half(metric: str) -> None:
    config = make_config(threshold_metric=metric)
    assert fit_thresholds(np.zeros((4, 1)), np.array([[0.9], [0.1], [0.3], [0.6]]), config).tolist() == [0.5]


def test_a_rare_class_goes_to_the_pooled_cut_and_a_common_one_keeps_its_own() -> None:
    truth, scores = draw_problem(0, 6)
    truth[:, 0], truth[:, 1], truth[0, 1] = 0, 0, 1  # no positive, one positive
    own = fit_thresholds(truth, scores, make_config())
    (pooled,) = fit_thresholds(truth.reshape(-1, 1), scores.reshape(-1, 1), make_config())
    positives = truth.sum(axis=0)
    for strength in (1.0, 20.0):
        shrunk = fit_thresholds(truth, scores, make_config(shrinkage_positives=strength))
        assert shrunk[0] == pytest.approx(pooled)
        between = (np.minimum(own, pooled) - 1e-9 <= shrunk) & (shrunk <= np.maximum(own, pooled) + 1e-9)
        assert between[1:].all()
        odds = [np.log(cut / (1 - cut)) for cut in (own[1:], pooled, shrunk[1:])]
        expected = (positives[1:] * odds[0] + strength * odds[1]) / (positives[1:] + strength)
        np.testing.assert_allclose(odds[2], expected, atol=1e-6)


def test_thresholds_survive_their_file_exactly(tmp_path: Path) -> None:
    thresholds = np.random.default_rng(0).random(3)
    classes = ["Beaches, dunes, sands", "Forêt", "water"]
    write_thresholds(thresholds, classes, tmp_path / "thresholds.json")
    np.testing.assert_array_equal(read_thresholds(tmp_path / "thresholds.json", classes), thresholds)


def test_another_class_order_is_refused_with_both_lists(tmp_path: Path) -> None:
    path = tmp_path / "thresholds.json"
    write_thresholds(np.array([0.1, 0.2]), ["forest", "water"], path)
    with pytest.raises(NomenclatureError) as caught:
        read_thresholds(path, ["water", "forest"])
    assert re.search(r"expected \['water', 'forest'\]", str(caught.value))
    assert re.search(r"received \['forest', 'water'\]", str(caught.value))
