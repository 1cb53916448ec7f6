"""The report of `evaluate`: a row a class, whole pictures, and which class is taken for which."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from landscribe.evaluation.report import compute_confusion, write_evaluate_report
from landscribe.scores import Scores

CLASSES = ("Beaches, dunes, sands", "water", "forest with a name far too long to stand beside any plot at all", "rare")


def draw_scores() -> Scores:
    """Return 20 patches of four classes; the last has no positive."""
    rng = np.random.default_rng(0)
    truth = (rng.random((20, 4)) < 0.4).astype(np.float32)
    truth[0], truth[:, 3] = 1, 0
    return Scores(tuple(f"patch {k}" for k in range(20)), truth, rng.random((20, 4)).astype(np.float32), CLASSES)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of random scores."""
    folder = tmp_path_factory.mktemp("report") / "evaluate"
    write_evaluate_report(folder, draw_scores(), np.full(4, 0.5))
    return folder


def test_the_table_has_a_row_a_class_in_class_order(report: Path) -> None:
    table = pd.read_csv(report / "per_class.csv")
    assert tuple(table["class"]) == CLASSES
    assert table["num_positives"].tolist() == draw_scores().truth.sum(axis=0).tolist()


@pytest.mark.parametrize("name", ["average_precision.png", "precision_recall.png", "confusion.png"])
def test_pictures_are_whole_and_not_blank(report: Path, name: str) -> None:
    with Image.open(report / name) as image:
        assert np.asarray(image.convert("L")).std() > 1


def test_the_same_scores_give_the_same_files(report: Path, tmp_path: Path) -> None:
    write_evaluate_report(tmp_path, draw_scores(), np.full(4, 0.5))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in report.iterdir()
    }


def test_confusion_is_the_share_of_missed_patches_with_an_invented_class() -> None:
    rng = np.random.default_rng(1)
    truth, predicted = rng.random((50, 3)) < 0.4, rng.random((50, 3)) < 0.5
    shares = compute_confusion(truth.astype(np.float32), predicted)
    for row in range(3):
        missed = [k for k in range(50) if truth[k, row] and not predicted[k, row]]
        for column in range(3):
            invented = [k for k in missed if predicted[k, column] and not truth[k, column]]
            assert shares[row, column] == pytest.approx(len(invented) / len(missed))


def test_nothing_is_confused_where_nothing_is_missed() -> None:
    truth = np.eye(3, dtype=np.float32)
    assert not compute_confusion(truth, truth > 0).any()
    assert not compute_confusion(truth, np.ones((3, 3), bool)).any()
