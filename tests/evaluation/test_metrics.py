"""The metrics of a split: their averages against scikit-learn, their bounds, and classes without a positive."""

import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from landscribe.core.average_precision import compute_macro_ap
from landscribe.core.files import read_json, write_json
from landscribe.evaluation.metrics import HEADLINE, choose_headline, compute_metrics, measure
from tests.support.problems import draw_problem

HALF = 0.5
RATIOS = ("precision", "recall", "f0_5", "f1", "f2", "accuracy")
# The archive authors' list, in their words (macro is theirs over the classes with a positive).
RANKINGS = {"one_error", "coverage", "label_cardinality", "ranking_loss", "label_ranking_avg_precision"}
AUTHORS = {
    *RANKINGS,
    "hamming_loss",
    "subset_accuracy",
    *(f"{average}_{name}" for average in ("sample", "micro", "macro") for name in RATIOS),
}


@pytest.mark.parametrize("seed", range(4))
def test_averages_are_those_of_scikit_learn(seed: int) -> None:
    truth, scores = draw_problem(seed)
    thresholds = np.random.default_rng(seed).uniform(0.2, 0.8, truth.shape[1:])
    metrics = compute_metrics(truth, scores, thresholds)
    assert metrics["micro_ap"] == pytest.approx(average_precision_score(truth.ravel(), scores.ravel()))
    assert metrics["macro_ap"] == pytest.approx(compute_macro_ap(truth, scores))
    labels = np.flatnonzero(truth.any(axis=0)).tolist()
    for suffix, limits in (("", thresholds), ("_at_half", np.full_like(thresholds, HALF))):
        for average in ("macro", "micro", "samples"):
            chosen = labels if average == "macro" else None
            for beta in (1, 2):
                precision, recall, f_score, _ = precision_recall_fscore_support(
                    truth, scores >= limits, beta=beta, average=average, labels=chosen, zero_division=0
                )
                key = "sample" if average == "samples" else average
                assert metrics[f"{key}_f{beta}{suffix}"] == pytest.approx(f_score)
                assert metrics[f"{key}_precision{suffix}"] == pytest.approx(precision)
                assert metrics[f"{key}_recall{suffix}"] == pytest.approx(recall)


def test_the_whole_list_of_the_authors_is_there() -> None:
    truth, scores = draw_problem(0)
    metrics = compute_metrics(truth, scores, np.full(truth.shape[1], HALF))
    assert set(metrics) >= AUTHORS
    assert set(metrics) >= {f"{name}_at_half" for name in AUTHORS - RANKINGS}


def test_perfect_scores_reach_the_documented_bounds() -> None:
    truth, _ = draw_problem(0)
    empty = 1 - truth.any(axis=1).mean()
    metrics = compute_metrics(truth, truth.astype(float), np.full(truth.shape[1], HALF))
    ones = [f"{average}_{name}" for average in ("macro", "micro") for name in RATIOS]
    assert {metrics[name] for name in (*ones, "macro_ap", "micro_ap", "subset_accuracy")} == {1.0}
    for name in (*(f"sample_{ratio}" for ratio in RATIOS), "label_ranking_avg_precision"):
        assert metrics[name] == pytest.approx(1 - empty)
    assert metrics["one_error"] == pytest.approx(empty)
    assert metrics["coverage"] == pytest.approx(metrics["label_cardinality"])
    assert metrics["hamming_loss"] == metrics["ranking_loss"] == metrics["macro_f1_gain"] == 0


def test_worst_scores_reach_the_documented_bounds() -> None:
    truth, _ = draw_problem(1)
    some = truth.any(axis=1)
    metrics = compute_metrics(truth, (~truth).astype(float), np.full(truth.shape[1], HALF))
    zeros = [f"{average}_{name}" for average in ("macro", "micro", "sample") for name in RATIOS]
    assert {metrics[name] for name in (*zeros, "subset_accuracy")} == {0.0}
    assert metrics["hamming_loss"] == metrics["one_error"] == 1
    assert metrics["ranking_loss"] == pytest.approx(some.mean())
    assert metrics["coverage"] == pytest.approx(some.mean() * truth.shape[1])
    assert metrics["macro_ap"] == pytest.approx(metrics["macro_ap_prior"])  # equal scores below all others
    assert metrics["micro_ap"] == pytest.approx(truth.mean())
    assert metrics["label_ranking_avg_precision"] > 0


def test_a_class_without_a_positive_changes_no_macro_metric() -> None:
    truth, scores = draw_problem(2)
    limits = np.full(truth.shape[1], HALF)
    whole = compute_metrics(truth, scores, limits)
    scored = compute_metrics(truth[:, :-1], scores[:, :-1], limits[:-1])
    for name, value in whole.items():
        if name.startswith("macro"):
            assert value == pytest.approx(scored[name])
    assert whole["num_classes_scored"] == scored["num_classes_scored"] == truth.shape[1] - 1
    assert whole["micro_f1"] < scored["micro_f1"]  # its false alarms count where decisions are pooled


def test_a_row_a_class_repeats_the_averages() -> None:
    truth, scores = draw_problem(5)
    thresholds = np.linspace(0.3, 0.7, truth.shape[1])
    metrics = compute_metrics(truth, scores, thresholds)
    values = measure(truth, scores, thresholds).classes
    for name in (*RATIOS, *(f"{ratio}_at_half" for ratio in RATIOS)):
        assert np.isnan(values[name][-1])  # nothing to find: no number is invented
        assert values[name][:-1].mean() == pytest.approx(metrics[f"macro_{name}"])
    assert values["average_precision"][:-1].mean() == pytest.approx(metrics["macro_ap"])


def test_a_single_class_is_scored_by_its_positives_alone() -> None:
    truth, scores = np.array([[1], [1], [0], [0]]), np.array([[0.9], [0.1], [0.2], [0.1]])
    metrics = compute_metrics(truth, scores, np.array([HALF]))
    for average in ("macro", "micro"):
        assert (metrics[f"{average}_precision"], metrics[f"{average}_recall"]) == (1.0, 0.5)


def test_the_prior_is_the_average_precision_of_a_constant_score() -> None:
    truth, scores = draw_problem(3)
    metrics = compute_metrics(truth, scores, np.full(truth.shape[1], HALF))
    assert metrics["macro_ap_prior"] == pytest.approx(compute_macro_ap(truth, np.full_like(scores, 0.3)))


def test_a_gain_is_the_fitted_value_less_the_one_at_half() -> None:
    truth, scores = draw_problem(3)
    metrics = compute_metrics(truth, scores, np.full(truth.shape[1], 0.3))
    gains = [name for name in metrics if name.endswith("_gain")]
    assert any(metrics[name] < 0 for name in gains)
    for name in gains:
        key = name.removesuffix("_gain")
        assert metrics[name] == pytest.approx(metrics[key] - metrics[f"{key}_at_half"])


@pytest.mark.parametrize("truth", [np.zeros((3, 2)), np.ones((3, 2)), np.eye(3)[:, :2]])
@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
def test_metrics_are_finite_numbers_in_json(tmp_path: Path, truth: np.ndarray, score: float) -> None:
    metrics = compute_metrics(truth, np.full((3, 2), score, np.float32), np.full(2, HALF))
    path = tmp_path / "test.json"
    write_json(path, metrics)
    assert all(math.isfinite(value) for value in read_json(path).values())


def test_the_headline_leaves_a_run_below_sixty_metrics() -> None:
    # Beside both splits: three more of test, ridge twice, eight of training, twelve of the system, one GPU included.
    assert 2 * len(HEADLINE) + 4 + 8 + 12 <= 60
    values = dict.fromkeys((*HEADLINE, "coverage"), 0.5)
    assert tuple(choose_headline(values)) == HEADLINE
