"""Scores survive their file: ids, truth, scores and class names in order."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from landscribe.core.scores import Scores, read_scores, write_scores

CLASSES = ("Beaches, dunes, sands", "forêt", "water")


def draw_scores(num_patches: int) -> Scores:
    """Return random scores."""
    rng = np.random.default_rng(0)
    truth = (rng.random((num_patches, 3)) < 0.5).astype(np.float32)
    names = tuple(f"patch {number}" for number in range(num_patches))
    return Scores(names, truth, rng.random((num_patches, 3)).astype(np.float32), CLASSES)


@pytest.mark.parametrize("num_patches", [0, 1, 300])
def test_reading_inverts_writing(tmp_path: Path, num_patches: int) -> None:
    written = draw_scores(num_patches)
    write_scores(written, tmp_path / "scores" / "test.parquet")
    read = read_scores(tmp_path / "scores" / "test.parquet")
    assert (read.patch_ids, read.classes) == (written.patch_ids, written.classes)
    for before, after in ((written.truth, read.truth), (written.scores, read.scores)):
        assert after.dtype == np.float32
        assert after.shape == before.shape
        np.testing.assert_array_equal(after, before)


def test_the_same_scores_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first.parquet", "second.parquet"):
        write_scores(draw_scores(20), tmp_path / name)
    assert (tmp_path / "first.parquet").read_bytes() == (tmp_path / "second.parquet").read_bytes()


def test_other_tools_find_lists_in_class_order_and_the_names(tmp_path: Path) -> None:
    scores = draw_scores(4)
    write_scores(scores, tmp_path / "test.parquet")
    table = pq.read_table(tmp_path / "test.parquet")
    assert table.column_names == ["patch_id", "truth", "score"]
    assert tuple(json.loads(table.schema.metadata[b"classes"])) == CLASSES
    for number, row in enumerate(table.to_pylist()):
        assert row["truth"] == scores.truth[number].astype(int).tolist()
        assert row["score"] == scores.scores[number].tolist()
