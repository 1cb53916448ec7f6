"""From the scores of val and test to all reported results."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from landscribe.core.scores import Scores
from landscribe.evaluation import metric_tables as tables
from landscribe.evaluation.calibration import make_reliability
from landscribe.evaluation.config import EvaluateConfig
from landscribe.evaluation.confusion import compute_confusion
from landscribe.evaluation.metrics import choose_headline
from landscribe.evaluation.slices import compute_slice_rows, number_units


@dataclass(frozen=True)
class Evaluation:
    """The results of a model on val and test.

    Attributes:
        config: the section that was used.
        test: truth and scores of the test split.
        headline: split -> metrics without prefix, those of metrics/*.json.
        metrics: a row per metric, with the intervals of test.
        classes: a row per class.
        thresholds: a row per class: gain of its threshold over 0.5.
        slices: a row per slice of test.
        reliability: a row per bin of scores, all classes together, test.
        confusion: float64 [class, class], as `compute_confusion` returns it.
    """

    config: EvaluateConfig
    test: Scores
    headline: dict[str, dict[str, float]]
    metrics: pd.DataFrame
    classes: pd.DataFrame
    thresholds: pd.DataFrame
    slices: pd.DataFrame
    reliability: pd.DataFrame
    confusion: np.ndarray


def evaluate(
    val: Scores, test: Scores, thresholds: np.ndarray, slices: pd.DataFrame, config: EvaluateConfig
) -> Evaluation:
    """Evaluate the scores of both splits at thresholds that were fitted on val.

    Args:
        val: truth and scores.
        test: the same of the test split.
        thresholds: float64 [class].
        slices: slices of the test patches, in their order, as `read_slices` gives them.
        config: bootstrap and calibration.
    """
    scores = {"val": val, "test": test}
    measured = {split: tables.measure_split(rows, thresholds, config) for split, rows in scores.items()}
    draws = tables.make_draws(test, thresholds, number_units(slices, "tile"), config)
    overall = measured["val"].overall, measured["test"].overall
    metrics = tables.make_metric_table(*overall, draws, config.bootstrap.confidence)
    headline = {split: choose_headline(numbers.overall) for split, numbers in measured.items()}
    interval = metrics.set_index("metric").loc["macro_ap"]
    headline["test"] |= {f"macro_ap_{end}": float(interval[f"{end}_by_patch"]) for end in ("low", "high")}
    return Evaluation(
        config=config,
        test=test,
        headline=headline,
        metrics=metrics,
        classes=tables.make_class_table(test, measured["test"], thresholds, draws["patch"], config),
        thresholds=tables.make_threshold_table(scores, measured, thresholds),
        slices=compute_slice_rows(test, thresholds, slices, config.bootstrap),
        reliability=make_reliability(test.truth, test.scores, config.calibration_bins),
        confusion=compute_confusion(test.truth, test.scores >= thresholds),
    )
