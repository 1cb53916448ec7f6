"""Report of the stage `evaluate`: tables as CSV, and pictures of the test split."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve

from landscribe.core.files import write_csv, write_json
from landscribe.core.scores import Scores
from landscribe.evaluation.evaluate import Evaluation
from landscribe.figures.charts import draw_intervals, draw_matrix, draw_note, figure, make_text, shorten

_MAX_SLICES = 60  # drawn; the table has all
_MAX_POINTS = 1000  # of a curve: more than a picture has columns


def write_evaluate_report(folder: Path, evaluation: Evaluation) -> None:
    """Write metrics, per_class, thresholds, slices and reliability as CSV, the section as summary.json, the pictures.

    Args:
        folder: receives the files.
        evaluation: what is known of the model.
    """
    tables = {
        "metrics": evaluation.metrics,
        "per_class": evaluation.classes,
        "thresholds": evaluation.thresholds,
        "slices": evaluation.slices,
        "reliability": evaluation.reliability,
    }
    for name, table in tables.items():
        write_csv(folder / f"{name}.csv", table)
    write_json(folder / "summary.json", evaluation.config.model_dump())
    ranked = evaluation.classes.dropna(subset="average_precision").sort_values("average_precision", ascending=False)
    _draw_classes(folder / "average_precision.png", ranked)
    _draw_curves(folder / "precision_recall.png", evaluation.test, ranked)
    _draw_reliability(folder / "reliability.png", evaluation.reliability)
    _draw_slices(folder / "slices.png", evaluation.slices)
    _draw_confusion(folder / "confusion.png", evaluation)


def write_metrics(folder: Path, headline: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Write `<split>.json` for each split, keys with its prefix, and return all keys together."""
    written: dict[str, float] = {}
    for split, metrics in headline.items():
        named = {f"{split}_{name}": value for name, value in metrics.items()}
        write_json(folder / f"{split}.json", named)
        written |= named
    return written


def make_summary(evaluation: Evaluation) -> dict[str, str]:
    """Return the line for the log: the test metric with its intervals, and the gain of the thresholds."""
    rows = evaluation.metrics.set_index("metric")
    gain, macro_ap = rows.loc["macro_f1_gain"], rows.loc["macro_ap"]
    summary = {
        "test_macro_ap": f"{macro_ap['test']:.4f} [{macro_ap['low_by_patch']:.4f}, {macro_ap['high_by_patch']:.4f}]",
        "thresholds": f"macro F1 {gain['test']:+.4f} [{gain['low_by_patch']:+.4f}, {gain['high_by_patch']:+.4f}]"
        " on test against 0.5",
    }
    if "low_by_tile" in rows:
        tiles = f"[{macro_ap['low_by_tile']:.4f}, {macro_ap['high_by_tile']:.4f}]"
        summary["test_macro_ap"] += f" by patch, {tiles} by tile"
    return summary


def _draw_classes(path: Path, ranked: pd.DataFrame) -> None:
    title = "Test average precision by class with its interval, and the prior of a model that knows nothing"
    if ranked.empty:
        draw_note(path, title, "No picture: no class has a positive in test.")
        return
    names = _count_beside(ranked["class"], ranked["num_positives"])
    ends = ranked[["average_precision_low", "average_precision_high"]].to_numpy()
    draw_intervals(path, title, names, ranked["average_precision"], ends, ranked["prior"], "average precision")


def _count_beside(names: Iterable[str], numbers: Iterable[int]) -> list[str]:
    """Return each name followed by its number: a long name is shortened, never the number."""
    return [f"{shorten(name, 30)} ({number:,})" for name, number in zip(names, numbers, strict=True)]


def _draw_confusion(path: Path, evaluation: Evaluation) -> None:
    """Draw the co-occurrence of errors; the name of a row is followed by the number of its patches."""
    test, thresholds = evaluation.test, evaluation.classes["threshold"].to_numpy()
    num_missed = ((test.truth > 0) & (test.scores < thresholds)).sum(axis=0).tolist()
    title = "Of the test patches on which the row's class is missed: share given the column's by mistake"
    labels = ("true class that is missed (patches)", "class that is predicted by mistake")
    draw_matrix(path, title, test.classes, evaluation.confusion, labels, _count_beside(test.classes, num_missed))


def _draw_slices(path: Path, slices: pd.DataFrame) -> None:
    title = "Test macro average precision by slice with its interval, and its prior"
    shown = slices if len(slices) <= _MAX_SLICES else slices[slices["kind"] != "tile"]
    if shown.empty:
        draw_note(path, title, "No picture: neither country, season, tile nor satellite of the patches is known.")
        return
    names = [f"{row.kind} {row.slice} ({row.num_patches:,})" for row in shown.itertuples()]
    ends = shown[["macro_ap_low", "macro_ap_high"]].to_numpy()
    draw_intervals(path, title, names, shown["macro_ap"], ends, shown["macro_ap_prior"], "macro average precision")


def _draw_reliability(path: Path, reliability: pd.DataFrame) -> None:
    """Draw the observed share over the mean score of each bin, and how many decisions each bin has."""
    some = reliability.dropna()
    with figure(path, 5.5, 6, rows=2) as (upper, lower):
        upper.plot([0, 1], [0, 1], color="#999999", linewidth=1, label="as the scores say")
        upper.plot(
            some["mean_score"], some["observed_share"], "o-", markersize=4, label="observed", clip_on=False, zorder=3
        )
        upper.set(title="Reliability, all classes (test)", ylabel="share that has the class")
        upper.legend(frameon=False)
        width = (reliability["high"] - reliability["low"]).to_numpy()
        lower.bar(reliability["low"], reliability["num_decisions"], 0.94 * width, align="edge")
        lower.set(xlabel="score", ylabel="decisions", yscale="log")
        for axes in (upper, lower):
            axes.set_xlim(0, 1)
        upper.set_ylim(0, 1)


def _draw_curves(path: Path, test: Scores, ranked: pd.DataFrame) -> None:
    """Draw one precision-recall curve per class, best first; the area below a curve is its average precision."""
    with figure(path, 9, 6) as axes:
        for number, (name, value) in enumerate(zip(ranked["class"], ranked["average_precision"], strict=True)):
            column = test.classes.index(name)
            precision, recall, _ = precision_recall_curve(test.truth[:, column], test.scores[:, column])
            # Only the highest precision of each recall is drawn: the others would appear as vertical lines.
            steps = np.flatnonzero(recall[:-1] > recall[1:])
            some = steps[np.unique(np.linspace(0, len(steps) - 1, _MAX_POINTS).astype(int))]
            axes.step(
                np.append(recall[some], 0),
                np.append(precision[some], precision[some[-1]]),
                where="post",
                label=f"{value:.2f}  {make_text(name)}",
                linestyle=("-", "--", ":")[number // 10 % 3],
                linewidth=1.2,
            )
        title = "Precision-recall by class (test), average precision beside the name"
        axes.set(title=title, xlabel="recall", ylabel="precision", ylim=(0, 1.02))
        if len(ranked):
            axes.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
