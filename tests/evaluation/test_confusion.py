"""Which class is invented where which is missed."""

import numpy as np
import pytest

from landscribe.evaluation.confusion import compute_confusion


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
