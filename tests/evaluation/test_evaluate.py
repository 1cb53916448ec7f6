"""Everything that is reported of a model fits together."""

import numpy as np
import pandas as pd
import pytest

from landscribe.evaluation.evaluate import Evaluation, evaluate
from landscribe.evaluation.metrics import HEADLINE, compute_metrics
from landscribe.evaluation.slices import KINDS
from landscribe.evaluation.thresholds import fit_thresholds
from tests.support.problems import draw_scores, make_config

CONFIG = make_config()
VAL, TEST = draw_scores(1), draw_scores(2)
THRESHOLDS = fit_thresholds(VAL.truth, VAL.scores, CONFIG)


def make_slices(num_tiles: int) -> pd.DataFrame:
    """Return slices of 60 patches: tiles, or nothing."""
    slices = pd.DataFrame({kind: pd.Series([None] * 60, dtype="string") for kind in KINDS})
    if num_tiles:
        slices["tile"] = pd.Series([f"T{row % num_tiles}" for row in range(60)], dtype="string")
    return slices


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    """The evaluation of random scores over six tiles."""
    return evaluate(VAL, TEST, THRESHOLDS, make_slices(6), CONFIG)


def test_headlines_are_finite_and_repeat_the_metrics(evaluation: Evaluation) -> None:
    for split, scores in (("val", VAL), ("test", TEST)):
        headline = evaluation.headline[split]
        assert set(headline) >= set(HEADLINE)
        assert all(np.isfinite(value) for value in headline.values())
        expected = compute_metrics(scores.truth, scores.scores, THRESHOLDS)
        assert {name: headline[name] for name in HEADLINE if name in expected} == {
            name: expected[name] for name in HEADLINE if name in expected
        }
    assert set(evaluation.headline["test"]) - set(HEADLINE) == {"macro_ap_low", "macro_ap_high"}


def test_every_metric_has_a_row_with_both_splits_and_intervals_in_its_bounds(evaluation: Evaluation) -> None:
    table = evaluation.metrics.set_index("metric")
    assert np.isfinite(table[["val", "test"]].to_numpy()).all()
    for unit in ("patch", "tile"):
        ends = table[[f"low_by_{unit}", f"high_by_{unit}"]].dropna()
        assert len(ends) == len(table) - 4  # two counts, two calibration errors
        assert (ends.iloc[:, 0] <= ends.iloc[:, 1]).all()
        shares = ends.loc[[name for name in ends.index if "cardinality" not in name and name != "coverage"]]
        assert shares.to_numpy().max() <= 1
        assert shares.drop([name for name in shares.index if name.endswith("_gain")]).to_numpy().min() >= 0


def test_classes_stand_in_their_order_and_only_those_with_a_positive_have_numbers(evaluation: Evaluation) -> None:
    table = evaluation.classes
    assert tuple(table["class"]) == TEST.classes
    assert table["num_positives"].tolist() == TEST.truth.sum(axis=0).tolist()
    for name in ("average_precision", "average_precision_low", "f1", "f1_high", "recall"):
        assert table[name].isna().tolist() == [False] * 6 + [True]
    assert table["average_precision"].mean() == pytest.approx(evaluation.headline["test"]["macro_ap"])


def test_thresholds_report_their_gain_whatever_its_sign(evaluation: Evaluation) -> None:
    table = evaluation.thresholds
    for split in ("val", "test"):
        gain = table[f"{split}_f1"] - table[f"{split}_f1_at_half"]
        np.testing.assert_allclose(table[f"{split}_f1_gain"], gain)
    assert (table["val_f1_gain"].dropna() >= 0).all()  # fitted there
    assert (table["test_f1_gain"] < 0).any()
    assert table["test_f1_gain"].mean() == pytest.approx(
        evaluation.metrics.set_index("metric").loc["macro_f1_gain", "test"]
    )


def test_without_tiles_there_is_no_interval_by_tile() -> None:
    for num_tiles in (0, 1):
        columns = evaluate(VAL, TEST, THRESHOLDS, make_slices(num_tiles), CONFIG).metrics.columns
        assert "low_by_patch" in columns
        assert "low_by_tile" not in columns
