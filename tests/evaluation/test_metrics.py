"""Metrics against definitions written out by hand, and the laws that they keep."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from landscribe.evaluation.average_precision import compute_average_precisions, compute_macro_ap
from landscribe.evaluation.baseline import compute_ridge_macro_ap
from landscribe.evaluation.metrics import compute_class_rows, compute_metrics
from landscribe.files import read_json, write_json
from landscribe.scores import Scores
from tests.model_fixtures import TinyRecords

pytest_plugins = ["tests.model_fixtures"]

HALF = 0.5


def draw_problem(seed: int, num_patches: int = 40, num_classes: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and float32 scores with ties, the last class without a positive."""
    rng = np.random.default_rng(seed)
    truth = rng.random((num_patches, num_classes)) < rng.uniform(0.05, 0.6, num_classes)
    truth[:, -1] = False
    truth[0, :-1] = True
    scores = np.round(np.clip(0.3 * truth + rng.random(truth.shape) * 0.8, 0, 1), 1)
    return truth.astype(np.float32), scores.astype(np.float32)


def count_f(pairs: list[tuple[bool, bool]], beta: float) -> float:
    """Return F of (truth, predicted) pairs, by counting; 0 where nothing is true or predicted."""
    hits = sum(true and predicted for true, predicted in pairs)
    false_alarms = sum(predicted and not true for true, predicted in pairs)
    misses = sum(true and not predicted for true, predicted in pairs)
    below = (1 + beta**2) * hits + beta**2 * misses + false_alarms
    return (1 + beta**2) * hits / below if below else 0.0


def list_pairs(truth: np.ndarray, predicted: np.ndarray, average: str) -> list[list[tuple[bool, bool]]]:
    """Return the groups of (truth, predicted) pairs whose F an average averages."""
    pairs = [
        [(bool(true), bool(said)) for true, said in zip(*rows, strict=True)]
        for rows in zip(truth, predicted, strict=True)
    ]
    by_class = [list(column) for column in zip(*pairs, strict=True)]
    return {
        "sample": pairs,
        "micro": [[pair for row in pairs for pair in row]],
        "macro": [column for column in by_class if any(true for true, _ in column)],
    }[average]


def count_average_precision(truth: np.ndarray, scores: np.ndarray) -> float:
    """Return the sum of precision times the step in recall over all cut points, by counting."""
    total = 0.0
    recall = 0.0
    for cut in sorted(set(scores.tolist()), reverse=True):
        above = scores >= cut
        new_recall = float(truth[above].sum() / truth.sum())
        total += float(truth[above].mean()) * (new_recall - recall)
        recall = new_recall
    return total


@pytest.mark.parametrize("average", ["macro", "micro", "sample"])
@pytest.mark.parametrize("seed", range(4))
def test_f_scores_are_what_counting_gives(seed: int, average: str) -> None:
    truth, scores = draw_problem(seed)
    thresholds = np.random.default_rng(seed).uniform(0.2, 0.8, truth.shape[1:])
    metrics = compute_metrics(truth, scores, thresholds)
    for suffix, limits in (("", thresholds), ("_at_half", np.full_like(thresholds, HALF))):
        groups = list_pairs(truth, scores >= limits, average)
        for beta in (1, 2):
            expected = np.mean([count_f(group, beta) for group in groups])
            assert metrics[f"{average}_f{beta}{suffix}"] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_what_counting_gives(seed: int) -> None:
    truth, scores = draw_problem(seed)
    metrics = compute_metrics(truth, scores, np.full(truth.shape[1], HALF))
    by_class = [count_average_precision(truth[:, k], scores[:, k]) for k in range(truth.shape[1] - 1)]
    np.testing.assert_allclose(compute_average_precisions(truth, scores)[:-1], by_class)
    assert metrics["macro_ap"] == pytest.approx(np.mean(by_class))
    assert metrics["micro_ap"] == pytest.approx(count_average_precision(truth.ravel(), scores.ravel()))


def test_perfect_scores_give_one_everywhere() -> None:
    truth, _ = draw_problem(0)
    truth[:, 0] = 1  # every patch has a class: a patch without one has no recall
    metrics = compute_metrics(truth, truth, np.full(truth.shape[1], HALF))
    rates = {name: value for name, value in metrics.items() if not name.startswith("num_") and "prior" not in name}
    assert set(rates.values()) == {1.0}


def test_the_opposite_of_the_truth_is_the_worst_ranking() -> None:
    truth, scores = draw_problem(1)
    worst = compute_average_precisions(truth, 1 - truth)[:-1]
    assert (worst <= compute_average_precisions(truth, scores)[:-1]).all()
    metrics = compute_metrics(truth, 1 - truth, np.full(truth.shape[1], HALF))
    assert {metrics[f"{average}_f1"] for average in ("macro", "micro", "sample")} == {0.0}


def test_a_class_without_a_positive_changes_no_macro_metric() -> None:
    truth, scores = draw_problem(2)
    limits = np.full(truth.shape[1], HALF)
    whole = compute_metrics(truth, scores, limits)
    scored = compute_metrics(truth[:, :-1], scores[:, :-1], limits[:-1])
    assert {name: value for name, value in whole.items() if name.startswith("macro")} == {
        name: value for name, value in scored.items() if name.startswith("macro")
    }
    assert whole["num_classes_scored"] == scored["num_classes_scored"] == truth.shape[1] - 1
    assert whole["micro_f1"] < scored["micro_f1"]  # its false alarms count where decisions are pooled


def test_a_single_class_is_scored_by_its_positives_alone() -> None:
    truth, scores = np.array([[1], [1], [0], [0]]), np.array([[0.9], [0.1], [0.2], [0.1]])
    metrics = compute_metrics(truth, scores, np.array([HALF]))
    for average in ("macro", "micro"):
        assert (metrics[f"{average}_precision"], metrics[f"{average}_recall"]) == (1.0, 0.5)
    (row,) = compute_class_rows(truth, scores, np.array([HALF]), ["water"])
    assert (row["precision"], row["recall"], row["num_positives"]) == (1.0, 0.5, 2)


def test_the_prior_is_the_average_precision_of_a_constant_score() -> None:
    truth, scores = draw_problem(3)
    metrics = compute_metrics(truth, scores, np.full(truth.shape[1], HALF))
    assert metrics["macro_ap_prior"] == pytest.approx(compute_macro_ap(truth, np.full_like(scores, 0.3)))


def test_only_the_order_of_scores_matters_to_average_precision() -> None:
    truth, scores = draw_problem(4)
    np.testing.assert_array_equal(
        compute_average_precisions(truth, scores), compute_average_precisions(truth, scores.astype(float) ** 3)
    )


def test_a_row_a_class_repeats_the_averages() -> None:
    truth, scores = draw_problem(5)
    thresholds = np.linspace(0.3, 0.7, truth.shape[1])
    classes = [f"class {k}" for k in range(truth.shape[1])]
    table = pd.DataFrame(compute_class_rows(truth, scores, thresholds, classes))
    metrics = compute_metrics(truth, scores, thresholds)
    scored = table[table["num_positives"] > 0]
    assert table["class"].tolist() == classes
    for column in ("precision", "recall", "f1", "f2"):
        assert scored[column].mean() == pytest.approx(metrics[f"macro_{column}"])
    assert scored["average_precision"].mean() == pytest.approx(metrics["macro_ap"])
    assert math.isnan(table["average_precision"].iloc[-1])  # nothing to find: no number is invented


@pytest.mark.parametrize("truth", [np.zeros((3, 2)), np.ones((3, 2)), np.eye(3)[:, :2]])
@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
def test_metrics_are_finite_numbers_in_json(tmp_path: Path, truth: np.ndarray, score: float) -> None:
    metrics = compute_metrics(truth, np.full((3, 2), score, np.float32), np.full(2, HALF))
    path = tmp_path / "test.json"
    write_json(path, metrics)
    assert all(math.isfinite(value) for value in read_json(path).values())


def make_linear_toy(records: TinyRecords) -> tuple[pd.DataFrame, Scores]:
    """Return an index whose first class is what one band's mean says, its second what another's says, and the test."""
    statistics = pd.read_parquet(records.patch_statistics_path)
    features = statistics.set_index("patch_id")[["B02_mean", "VV_mean"]]
    truth = (features > features.median()).rename(columns={"B02_mean": "bright", "VV_mean": "rough"})
    labels = [[name for name in truth if row[name]] for _, row in truth.iterrows()]
    test = statistics.loc[statistics["split"] == "test", "patch_id"].tolist()
    values = truth.loc[test].to_numpy(np.float32)
    index = pd.DataFrame({"patch_id": truth.index, "labels": labels})
    return index, Scores(tuple(test), values, np.zeros_like(values), ("bright", "rough"))


@pytest.mark.parametrize("num_classes", [1, 2])
def test_the_ridge_baseline_learns_what_a_line_can_tell(records: TinyRecords, tmp_path: Path, num_classes: int) -> None:
    index, test = make_linear_toy(records)
    classes = test.classes[:num_classes]
    index["labels"] = [[name for name in names if name in classes] for names in index["labels"]]
    index.to_parquet(path := tmp_path / "index.parquet")
    scored = Scores(test.patch_ids, test.truth[:, :num_classes], test.scores[:, :num_classes], classes)
    assert compute_ridge_macro_ap(path, records.patch_statistics_path, scored) > 0.9
