"""Every metric that is reported, against its definition in docs/evaluation.md, written out with sets and loops."""

from collections.abc import Callable

import numpy as np
import pytest

from landscribe.core.scores import Scores
from landscribe.evaluation.metric_tables import measure_split
from tests.core.test_average_precision import count_average_precision
from tests.support.problems import draw_problem, make_config

NUM_BINS = 10
Problem = tuple[np.ndarray, np.ndarray]
PROBLEMS: dict[str, Callable[[], Problem]] = {
    "ties, constants, empty patches, a class without a positive": lambda: draw_problem(11),
    "perfect": lambda: (draw_problem(12)[0], draw_problem(12)[0].astype(np.float32)),
    "worst": lambda: (draw_problem(12)[0], 1 - draw_problem(12)[0].astype(np.float32)),
    "constant scores": lambda: (draw_problem(13)[0], np.full((60, 7), 0.5, np.float32)),
    "no class has a positive": lambda: (np.zeros((60, 7), bool), draw_problem(14)[1]),
    "every patch has every class": lambda: (np.ones((60, 7), bool), draw_problem(14)[1]),
    "one patch": lambda: (draw_problem(15)[0][5:6], draw_problem(15)[1][5:6]),
    "one class": lambda: (draw_problem(16)[0][:, :1], draw_problem(16)[1][:, :1]),
}


def mean(values: list[float]) -> float:
    """Return the mean; 0 of nothing."""
    return sum(values) / len(values) if values else 0.0


def define_ratios(true: set[object], predicted: set[object]) -> dict[str, float]:
    """Return precision, recall, F and Jaccard's index of two sets; a ratio over nothing is 0."""
    hits = len(true & predicted)

    def divide(below: float) -> float:
        return hits / below if below else 0.0

    f_scores = {
        name: divide((b**2 * len(true) + len(predicted)) / (1 + b**2))
        for name, b in (("f0_5", 0.5), ("f1", 1.0), ("f2", 2.0))
    }
    ratios = {"precision": divide(len(predicted)), "recall": divide(len(true)), **f_scores}
    return ratios | {"accuracy": divide(len(true | predicted))}


def define_decisions(truth: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """Return macro, micro and sample ratios, and the means over patches, of truth and predictions [patch, class]."""
    patches, classes = range(truth.shape[0]), range(truth.shape[1])

    def collect(flags: np.ndarray, rows: range | list[int], columns: range | list[int]) -> set[object]:
        return {(row, column) for row in rows for column in columns if flags[row, column]}

    scored = [column for column in classes if truth[:, column].any()]
    by_class = [define_ratios(*(collect(flags, patches, [k]) for flags in (truth, predictions))) for k in scored]
    by_patch = [define_ratios(*(collect(flags, [n], classes) for flags in (truth, predictions))) for n in patches]
    pooled = define_ratios(*(collect(flags, patches, classes) for flags in (truth, predictions)))
    defined = {f"micro_{name}": value for name, value in pooled.items()}
    for name in pooled:
        defined[f"macro_{name}"] = mean([ratios[name] for ratios in by_class])
        defined[f"sample_{name}"] = mean([ratios[name] for ratios in by_patch])
    wrong = [sum(truth[n, k] != predictions[n, k] for k in classes) for n in patches]
    return defined | {
        "hamming_loss": mean([number / len(classes) for number in wrong]),
        "subset_accuracy": mean([float(number == 0) for number in wrong]),
        "predicted_cardinality": mean([float(predictions[n].sum()) for n in patches]),
    }


def define_ranking(truth: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Return the ranking metrics of one patch, [class] both."""
    true, false = ([k for k in range(len(truth)) if truth[k] == flag] for flag in (True, False))
    rank = {k: sum(scores >= scores[k]) for k in true}
    highest = [k for k in range(len(truth)) if scores[k] == max(scores)]
    disordered = [float(scores[f] >= scores[t]) for t in true for f in false]
    return {
        "one_error": mean([float(k in false) for k in highest]),
        "coverage": float(max(rank.values(), default=0)),
        "label_cardinality": float(len(true)),
        "ranking_loss": mean(disordered),
        "label_ranking_avg_precision": mean([sum(scores[j] >= scores[k] for j in true) / rank[k] for k in true]),
    }


def define_calibration_error(truth: np.ndarray, scores: np.ndarray) -> float:
    """Return the expected calibration error by counting."""
    total = 0.0
    for number in range(NUM_BINS):
        last = number == NUM_BINS - 1
        inside = (scores >= number / NUM_BINS) & ((scores < (number + 1) / NUM_BINS) | last)
        if inside.any():
            total += inside.sum() / truth.size * abs(truth[inside].mean() - scores[inside].mean())
    return total


def define(truth: np.ndarray, scores: np.ndarray, thresholds: np.ndarray) -> dict[str, float]:
    """Return every metric of a split by its definition."""
    scored = [column for column in range(truth.shape[1]) if truth[:, column].any()]
    defined = define_decisions(truth, scores >= thresholds)
    defined |= {f"{name}_at_half": value for name, value in define_decisions(truth, scores >= 0.5).items()}
    for average in ("macro", "micro", "sample"):
        for name in ("f1", "f2"):
            key = f"{average}_{name}"
            defined[f"{key}_gain"] = defined[key] - defined[f"{key}_at_half"]
    rankings = [define_ranking(*row) for row in zip(truth, scores, strict=True)]
    defined |= {name: mean([values[name] for values in rankings]) for name in rankings[0]}
    return defined | {
        "macro_ap": mean([count_average_precision(truth[:, k], scores[:, k]) for k in scored]),
        "micro_ap": count_average_precision(truth.ravel(), scores.ravel()) if scored else 0.0,
        "macro_ap_prior": mean([float(truth[:, k].mean()) for k in scored]),
        "micro_calibration_error": define_calibration_error(truth.ravel(), scores.ravel()),
        "macro_calibration_error": mean([define_calibration_error(truth[:, k], scores[:, k]) for k in scored]),
        "num_patches": len(truth),
        "num_classes_scored": len(scored),
    }


@pytest.mark.parametrize("kind", PROBLEMS)
def test_every_metric_is_its_definition(kind: str) -> None:
    truth, scores = PROBLEMS[kind]()
    thresholds = np.linspace(0.3, 0.6, truth.shape[1])
    names = tuple(str(number) for number in range(max(truth.shape)))
    split = Scores(names[: len(truth)], truth.astype(np.float32), scores, names[: truth.shape[1]])
    measured = measure_split(split, thresholds, make_config(calibration_bins=NUM_BINS)).overall
    expected = define(truth, scores.astype(np.float64), thresholds)
    assert set(measured) == set(expected)
    for name, value in expected.items():
        assert measured[name] == pytest.approx(value, abs=1e-12), name
