"""The report of `evaluate`: whole tables and pictures, the same bytes again, and what the log says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from landscribe.core.files import read_json
from landscribe.core.scores import Scores
from landscribe.evaluation.evaluate import Evaluation, evaluate
from landscribe.evaluation.report import make_summary, write_evaluate_report, write_metrics
from tests.evaluation.test_evaluate import make_slices
from tests.support.problems import draw_scores, make_config

TABLES = ("metrics", "per_class", "thresholds", "slices", "reliability")
PICTURES = ("average_precision", "precision_recall", "confusion", "reliability", "slices")


def make_evaluation(test: Scores, num_tiles: int) -> Evaluation:
    """Return what is known of random scores."""
    return evaluate(draw_scores(1), test, np.full(7, 0.45), make_slices(num_tiles), make_config())


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of random scores."""
    folder = tmp_path_factory.mktemp("report") / "evaluate"
    write_evaluate_report(folder, make_evaluation(draw_scores(2), 6))
    return folder


def test_the_report_holds_every_table_and_picture(report: Path) -> None:
    assert {path.name for path in report.iterdir()} == {f"{name}.csv" for name in TABLES} | {
        f"{name}.png" for name in PICTURES
    } | {"summary.json"}
    assert read_json(report / "summary.json") == make_config().model_dump()
    assert tuple(pd.read_csv(report / "per_class.csv")["class"]) == draw_scores(2).classes


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_whole_and_not_blank(report: Path, name: str) -> None:
    with Image.open(report / f"{name}.png") as image:
        assert np.asarray(image.convert("L")).std() > 1


def test_the_same_scores_give_the_same_files(report: Path, tmp_path: Path) -> None:
    write_evaluate_report(tmp_path, make_evaluation(draw_scores(2), 6))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in report.iterdir()
    }


def test_a_test_split_without_a_positive_is_reported_too(tmp_path: Path) -> None:
    scores = draw_scores(2)
    write_evaluate_report(tmp_path, make_evaluation(replace(scores, truth=np.zeros_like(scores.truth)), 0))
    assert len(list(tmp_path.iterdir())) == len(TABLES) + len(PICTURES) + 1


def test_metrics_are_written_with_the_prefix_of_their_split(tmp_path: Path) -> None:
    written = write_metrics(tmp_path, {"val": {"macro_ap": 0.5}, "test": {"macro_ap": 0.25, "num_patches": 3}})
    assert read_json(tmp_path / "val.json") == {"val_macro_ap": 0.5}
    assert read_json(tmp_path / "test.json") == {"test_macro_ap": 0.25, "test_num_patches": 3}
    assert written == read_json(tmp_path / "val.json") | read_json(tmp_path / "test.json")


def test_the_log_says_what_the_thresholds_gain_with_its_sign() -> None:
    evaluation = make_evaluation(draw_scores(2), 6)
    gain = evaluation.metrics.set_index("metric").loc["macro_f1_gain", "test"]
    assert f"macro F1 {gain:+.4f} [" in make_summary(evaluation)["thresholds"]
    assert "by tile" in make_summary(evaluation)["test_macro_ap"]
    assert "by tile" not in make_summary(make_evaluation(draw_scores(2), 0))["test_macro_ap"]
