"""Pictures of the best and the worst patches in true colour, with truth and scores."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from landscribe.core.bands import NO_WAVELENGTHS
from landscribe.core.scores import Scores
from landscribe.evaluation.examples import Examples, choose_examples, compute_cross_entropy
from landscribe.figures.charts import draw_images, shorten
from landscribe.figures.true_colour import to_true_colour

_MIN_LINES = 3  # classes of a caption: the true ones, and at least this number of others with a high score
_WORDS = {"best": "lowest", "worst": "highest"}


def draw_galleries(
    folder: Path, examples: Examples, scores: Scores, wavelengths_nm: Mapping[str, float] = NO_WAVELENGTHS
) -> None:
    """Draw best.png and worst.png, the patches of the lowest and of the highest cross-entropy.

    Args:
        folder: receives the pictures.
        examples: pixels of these patches, as `examples.read_examples`.
        scores: of the split that holds the patches.
        wavelengths_nm: of bands whose name does not say it.
    """
    for name, chosen in choose_examples(scores).items():
        title = f"The test patches of the {_WORDS[name]} cross-entropy, {name} first: scores, + marks a true class"
        images = {patch_id: to_true_colour(examples[patch_id], wavelengths_nm) for patch_id in chosen}
        draw_gallery(folder / f"{name}.png", title, images, scores)


def draw_gallery(path: Path, title: str, images: Mapping[str, np.ndarray], scores: Scores) -> None:
    """Draw patches with the scores of their true classes and their highest scores; + marks the truth.

    Args:
        path: PNG to write.
        title: says which patches they are.
        images: patch_id -> uint8 [row, column, 3].
        scores: of the split that holds the patches.
    """
    losses = compute_cross_entropy(scores)
    rows = {patch_id: scores.patch_ids.index(patch_id) for patch_id in images}
    captions = [[*_describe(scores, row), f"cross-entropy {losses[row]:.3f}"] for row in rows.values()]
    draw_images(path, title, list(images.values()), captions)


def _describe(scores: Scores, row: int) -> list[str]:
    """Return the name of a patch, its true classes and its highest scores, highest first; + marks a true class."""
    order = np.argsort(-scores.scores[row], kind="stable")
    high = set(order[: max(_MIN_LINES, int(scores.truth[row].sum()))].tolist())
    lines = [
        f"{'+' if scores.truth[row, number] else '  '} {scores.scores[row, number]:.2f} "
        f"{shorten(scores.classes[number], 34)}"
        for number in order
        if number in high or scores.truth[row, number]
    ]
    return [*textwrap.wrap(scores.patch_ids[row], 44), *lines]
