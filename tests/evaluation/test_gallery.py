"""Galleries: the best and the worst patches, in true colour, the same bytes for the same scores."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from landscribe.evaluation.gallery import draw_galleries
from tests.support.problems import draw_named_scores as draw_scores


@pytest.mark.parametrize("num_patches", [1, 20])
def test_galleries_are_whole_pictures_with_the_same_bytes_again(tmp_path: Path, num_patches: int) -> None:
    scores = draw_scores(num_patches)
    pixels = np.random.default_rng(1).integers(0, 256, (num_patches, 12, 12)).astype(np.uint8)
    examples = {name: {"R": pixels[number]} for number, name in enumerate(scores.patch_ids)}
    for folder in ("first", "second"):
        draw_galleries(tmp_path / folder, examples, scores)
    for name in ("best.png", "worst.png"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
        with Image.open(tmp_path / "first" / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 1
