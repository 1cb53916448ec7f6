"""Galleries: the best and the worst patches, in true colour, the same bytes for the same scores."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import log_loss

from landscribe.core.scores import Scores
from landscribe.evaluation.gallery import collect_images, compute_cross_entropy, rank_patches, write_galleries
from landscribe.figures.true_colour import to_true_colour
from landscribe.pipeline.backend import tf


def draw_scores(num_patches: int) -> Scores:
    """Return random scores of three classes."""
    rng = np.random.default_rng(0)
    truth = (rng.random((num_patches, 3)) < 0.5).astype(np.float32)
    names = tuple(f"patch {number}" for number in range(num_patches))
    return Scores(
        names, truth, rng.random((num_patches, 3)).astype(np.float32), ("_forest", "$water$", "Beaches, dunes")
    )


def test_cross_entropy_is_that_of_scikit_learn() -> None:
    scores = draw_scores(20)
    expected = [log_loss(*row, labels=[0, 1]) for row in zip(scores.truth, scores.scores.astype(float), strict=True)]
    np.testing.assert_allclose(compute_cross_entropy(scores), expected, rtol=1e-6)


def test_patches_are_ranked_by_cross_entropy_and_among_equals_by_name() -> None:
    scores = draw_scores(40)
    scores.scores[7:12], scores.truth[7:12] = scores.scores[7], scores.truth[7]
    scores.scores[3] = 1 - scores.truth[3]  # wrong, and sure of it
    ranked = rank_patches(scores)
    assert sorted(ranked) == sorted(scores.patch_ids)
    losses = dict(zip(scores.patch_ids, compute_cross_entropy(scores).tolist(), strict=True))
    assert [(losses[name], name) for name in ranked] == sorted((losses[name], name) for name in scores.patch_ids)
    assert ranked[-1] == "patch 3"
    order = np.random.default_rng(0).permutation(40)
    names = tuple(scores.patch_ids[row] for row in order)
    assert rank_patches(Scores(names, scores.truth[order], scores.scores[order], scores.classes)) == ranked


def test_images_are_those_of_the_wanted_patches_in_true_colour() -> None:
    pixels = np.random.default_rng(0).integers(0, 4000, (6, 3, 5, 5)).astype(np.uint16)
    bands = [{name: patch[number] for number, name in enumerate(("B02", "B04", "B03"))} for patch in pixels]
    batches = [
        (
            tf.constant([f"patch {row}" for row in rows]),
            {name: tf.stack([bands[row][name] for row in rows]) for name in bands[0]},
            None,
        )
        for rows in ((0, 1, 2, 3), (4, 5))
    ]
    images = collect_images(batches, ["patch 5", "patch 1", "absent"])
    assert list(images) == ["patch 5", "patch 1"]
    for row in (5, 1):
        np.testing.assert_array_equal(images[f"patch {row}"], to_true_colour(bands[row]))


@pytest.mark.parametrize("num_patches", [1, 20])
def test_galleries_are_whole_pictures_with_the_same_bytes_again(tmp_path: Path, num_patches: int) -> None:
    scores = draw_scores(num_patches)
    pixels = np.random.default_rng(1).integers(0, 256, (num_patches, 12, 12)).astype(np.uint8)
    batches = [(tf.constant(scores.patch_ids), {"R": tf.constant(pixels)}, None)]
    for folder in ("first", "second"):
        write_galleries(tmp_path / folder, batches, scores)
    for name in ("best.png", "worst.png"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
        with Image.open(tmp_path / "first" / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 1
