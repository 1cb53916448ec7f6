"""Metrics of zeros and ones against scikit-learn, by class, by patch and pooled."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    fbeta_score,
    hamming_loss,
    jaccard_score,
    precision_score,
    recall_score,
)

from landscribe.evaluation.decisions import compute_patch_decisions, compute_ratios, count
from tests.support.problems import draw_problem

SKLEARN = {
    "precision": precision_score,
    "recall": recall_score,
    "f0_5": lambda *pair, **kw: fbeta_score(*pair, beta=0.5, **kw),
    "f1": lambda *pair, **kw: fbeta_score(*pair, beta=1, **kw),
    "f2": lambda *pair, **kw: fbeta_score(*pair, beta=2, **kw),
    "accuracy": jaccard_score,
}


@pytest.mark.parametrize("name", SKLEARN)
@pytest.mark.parametrize("seed", range(3))
def test_ratios_are_those_of_scikit_learn(seed: int, name: str) -> None:
    truth, scores = draw_problem(seed)
    predicted = scores >= 0.5
    by_class, by_patch = count(truth, predicted, axis=0), count(truth, predicted, axis=1)
    expected = SKLEARN[name](truth, predicted, average=None, zero_division=0)
    np.testing.assert_allclose(compute_ratios(by_class)[name], expected)
    sample = SKLEARN[name](truth, predicted, average="samples", zero_division=0)
    assert compute_ratios(by_patch)[name].mean() == pytest.approx(sample)
    assert compute_patch_decisions(truth, predicted)[f"sample_{name}"].mean() == pytest.approx(sample)
    micro = SKLEARN[name](truth, predicted, average="micro", zero_division=0)
    assert compute_ratios(by_class.sum(axis=1))[name] == pytest.approx(micro)


@pytest.mark.parametrize("seed", range(3))
def test_hamming_loss_and_subset_accuracy_are_those_of_scikit_learn(seed: int) -> None:
    truth, scores = draw_problem(seed)
    predicted = scores >= 0.5
    values = compute_patch_decisions(truth, predicted)
    assert values["hamming_loss"].mean() == pytest.approx(hamming_loss(truth, predicted))
    assert values["subset_accuracy"].mean() == pytest.approx(accuracy_score(truth, predicted))
    assert values["predicted_cardinality"].tolist() == predicted.sum(axis=1).tolist()


def test_a_ratio_over_nothing_is_zero() -> None:
    nothing = np.zeros((2, 3), bool)
    values = compute_patch_decisions(nothing, nothing)
    assert {values[f"sample_{name}"].max() for name in SKLEARN} == {0}
    assert (values["hamming_loss"].max(), values["subset_accuracy"].min()) == (0, 1)
