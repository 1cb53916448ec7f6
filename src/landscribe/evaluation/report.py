"""Report of the stage `evaluate`: a row a class, precision-recall curves, average precision by class, errors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve

from landscribe.charts import draw_bars, draw_matrix, figure, shorten
from landscribe.evaluation.metrics import compute_class_rows
from landscribe.files import replacing
from landscribe.scores import Scores


def write_evaluate_report(folder: Path, test: Scores, thresholds: np.ndarray) -> None:
    """Write per_class.csv and pictures of the test split.

    Args:
        folder: receives the files.
        test: truth and scores.
        thresholds: [class].
    """
    table = pd.DataFrame(compute_class_rows(test.truth, test.scores, thresholds, test.classes))
    with replacing(folder / "per_class.csv") as beside:
        table.to_csv(beside, index=False)
    ranked = table.dropna(subset="average_precision").sort_values("average_precision", ascending=False)
    prior = [float(test.truth[:, test.classes.index(name)].mean()) for name in ranked["class"]]
    draw_bars(
        folder / "average_precision.png",
        "Test average precision by class, and the prior of a model that knows nothing",
        ranked["class"].tolist(),
        {"model": ranked["average_precision"].tolist(), "prior": prior},
        "average precision",
    )
    _draw_curves(folder / "precision_recall.png", test, ranked["class"].tolist())
    draw_matrix(
        folder / "confusion.png",
        "Where the row's class is missed: share of patches that carry the column's class by mistake",
        test.classes,
        compute_confusion(test.truth, test.scores >= thresholds),
    )


def compute_confusion(truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return float64 [class, class]: of the patches whose row class was missed, the share with the column invented."""
    missed = ((truth > 0.5) & ~predictions).astype(np.float64)
    invented = ((truth < 0.5) & predictions).astype(np.float64)
    shares: np.ndarray = missed.T @ invented / np.maximum(missed.sum(axis=0), 1)[:, None]
    return shares


def _draw_curves(path: Path, test: Scores, classes: Sequence[str]) -> None:
    """Draw one precision-recall curve a class, best first."""
    with figure(path, 9, 6) as axes:
        for number, name in enumerate(classes):
            column = test.classes.index(name)
            precision, recall, _ = precision_recall_curve(test.truth[:, column], test.scores[:, column])
            style = ("-", "--", ":")[number // 10 % 3]
            axes.step(recall, precision, where="post", label=shorten(name), linestyle=style, linewidth=1.2)
        axes.set(title="Precision-recall by class (test)", xlabel="recall", ylabel="precision", ylim=(0, 1.02))
        axes.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
