"""The gallery: good and bad patches alike, in true colour, the same bytes for the same scores."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from landscribe.backend import tf
from landscribe.inference.gallery import choose_patches, collect_images, draw_gallery
from landscribe.scores import Scores
from landscribe.true_colour import to_true_colour


def draw_scores(num_patches: int) -> Scores:
    """Return random scores of three classes."""
    rng = np.random.default_rng(0)
    truth = (rng.random((num_patches, 3)) < 0.5).astype(np.float32)
    names = tuple(f"patch {number}" for number in range(num_patches))
    return Scores(
        names, truth, rng.random((num_patches, 3)).astype(np.float32), ("_forest", "$water$", "Beaches, dunes")
    )


@pytest.mark.parametrize(("num_patches", "wanted"), [(40, 16), (16, 16), (5, 16), (1, 16), (40, 1)])
def test_choice_runs_from_the_best_to_the_worst_without_repetition(num_patches: int, wanted: int) -> None:
    scores = draw_scores(num_patches)
    rows = choose_patches(scores, wanted)
    errors = np.abs(scores.truth - scores.scores).mean(axis=1)
    assert len(rows) == len(set(rows)) == min(num_patches, wanted)
    assert errors[rows].tolist() == sorted(errors[rows])
    assert errors[rows[0]] == errors.min()
    assert wanted == 1 or errors[rows[-1]] == errors.max()


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


def test_the_gallery_is_a_whole_picture_with_the_same_bytes_again(tmp_path: Path) -> None:
    scores = draw_scores(6)
    rng = np.random.default_rng(1)
    images = {scores.patch_ids[row]: rng.integers(0, 256, (12, 12, 3)).astype(np.uint8) for row in (4, 1, 5, 0, 2)}
    for name in ("first.png", "second.png"):
        draw_gallery(tmp_path / name, images, scores)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    with Image.open(tmp_path / "first.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 1
