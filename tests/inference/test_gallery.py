"""The gallery: good and bad patches alike, in true colour, the same bytes for the same scores."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from landscribe.backend import tf
from landscribe.inference.gallery import choose_patches, collect_images, draw_gallery
from landscribe.pipeline.dataset import make_eval_dataset
from landscribe.records.reader import iter_split
from landscribe.scores import Scores
from tests.model_fixtures import TinyRecords

pytest_plugins = ["tests.model_fixtures"]


def draw_scores(num_patches: int) -> Scores:
    """Return random scores of three classes."""
    rng = np.random.default_rng(0)
    truth = (rng.random((num_patches, 3)) < 0.5).astype(np.float32)
    names = tuple(f"patch {number}" for number in range(num_patches))
    return Scores(names, truth, rng.random((num_patches, 3)).astype(np.float32), ("forest", "water", "Beaches, dunes"))


@pytest.mark.parametrize(("num_patches", "wanted"), [(40, 16), (16, 16), (5, 16), (1, 16), (40, 1)])
def test_choice_runs_from_the_best_to_the_worst_without_repetition(num_patches: int, wanted: int) -> None:
    scores = draw_scores(num_patches)
    rows = choose_patches(scores, wanted)
    errors = np.abs(scores.truth - scores.scores).mean(axis=1)
    assert len(rows) == len(set(rows)) == min(num_patches, wanted)
    assert errors[rows].tolist() == sorted(errors[rows])
    assert errors[rows[0]] == errors.min()
    assert wanted == 1 or errors[rows[-1]] == errors.max()


def test_images_are_those_of_the_patches_in_true_colour(records: TinyRecords) -> None:
    stored = {record.patch_id: record for record in iter_split(records.manifest, records.folder, "val")}
    wanted = [list(stored)[number] for number in (7, 2)]
    batches = make_eval_dataset(records.manifest, records.folder, "val", ["B02", "B05", "B04", "B03"], 5)
    images = collect_images(batches, wanted)
    assert list(images) == wanted
    for patch_id, image in images.items():
        assert image.shape == (120, 120, 3)
        assert image.dtype == np.uint8
        for channel, band in enumerate(("B04", "B03", "B02")):
            order = np.argsort(stored[patch_id].bands[band], axis=None)
            assert (np.diff(image[..., channel].ravel()[order].astype(int)) >= 0).all()
            assert image[..., channel].std() > 0


@pytest.mark.parametrize(("bands", "side_px"), [(["VV"], 120), (["B05"], 60), (["B02", "VV"], 120)])
def test_without_the_true_colour_bands_the_first_is_shown_in_grey(
    records: TinyRecords, bands: list[str], side_px: int
) -> None:
    batches = make_eval_dataset(records.manifest, records.folder, "val", bands, 5)
    patch_id = next(iter_split(records.manifest, records.folder, "val")).patch_id
    image = collect_images(batches, [patch_id])[patch_id]
    assert image.shape == (side_px, side_px, 3)
    assert (image == image[..., :1]).all()
    assert (image.min(), image.max()) == (0, 255)  # stretched for the eye


def test_images_of_8_bit_are_shown_as_they_are() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3)).astype(np.uint8)
    bands = {name: tf.constant(pixels[..., number]) for number, name in enumerate("RGB")}
    images = collect_images([(tf.constant(["one", "two"]), bands, None)], ["two"])
    np.testing.assert_array_equal(images["two"], pixels[1])


def test_the_gallery_is_a_whole_picture_with_the_same_bytes_again(tmp_path: Path) -> None:
    scores = draw_scores(6)
    rng = np.random.default_rng(1)
    images = {scores.patch_ids[row]: rng.integers(0, 256, (12, 12, 3)).astype(np.uint8) for row in (4, 1, 5, 0, 2)}
    for name in ("first.png", "second.png"):
        draw_gallery(tmp_path / name, images, scores)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    with Image.open(tmp_path / "first.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 1
