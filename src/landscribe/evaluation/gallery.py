"""The best and the worst patches in true colour, with truth and scores: what people look at before any number."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from landscribe.core.scores import Scores
from landscribe.figures.charts import draw_images, shorten
from landscribe.figures.true_colour import to_true_colour

_NUM_PATCHES = 8  # of each gallery
_MIN_LINES = 3  # classes of a caption: the true ones, and besides at least so many with a high score
_SURE = 1e-7  # scores end here: a wrong one of exactly 0 or 1 costs much, not everything


def write_galleries(folder: Path, batches: Any, scores: Scores) -> None:
    """Write best.png and worst.png, the patches of the lowest and of the highest cross-entropy.

    Args:
        folder: receives the pictures.
        batches: dataset of (patch_id, bands, multi_hot), read once.
        scores: of the split that holds the patches.
    """
    ranked = rank_patches(scores)
    best, worst = ranked[:_NUM_PATCHES], ranked[::-1][:_NUM_PATCHES]
    images = collect_images(batches, [*best, *worst])
    for name, words, chosen in (("best", "lowest", best), ("worst", "highest", worst)):
        title = f"The test patches of the {words} cross-entropy, {name} first: scores, + marks a true class"
        draw_gallery(folder / f"{name}.png", title, {patch: images[patch] for patch in chosen}, scores)


def compute_cross_entropy(scores: Scores) -> np.ndarray:
    """Return the binary cross-entropy of each patch, the mean over its classes in nats, float64 [patch]."""
    inside = np.clip(scores.scores.astype(np.float64), _SURE, 1 - _SURE)
    of_truth = np.where(scores.truth > 0, inside, 1 - inside)
    losses: np.ndarray = -np.log(of_truth).mean(axis=1)
    return losses


def rank_patches(scores: Scores) -> list[str]:
    """Return the names of all patches from the best to the worst, by cross-entropy; among equals by name."""
    losses = compute_cross_entropy(scores).tolist()
    return [name for _, name in sorted(zip(losses, scores.patch_ids, strict=True))]


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


def collect_images(batches: Any, patch_ids: Sequence[str]) -> dict[str, np.ndarray]:
    """Return patch_id -> uint8 [row, column, 3] of the wanted patches, stretched for the eye.

    Args:
        batches: dataset of (patch_id, bands, multi_hot).
        patch_ids: patches to keep.
    """
    kept = {}
    for names, bands, _ in batches:
        for number, name in enumerate(names.numpy()):
            if name.decode() in patch_ids:
                kept[name.decode()] = to_true_colour({band: values[number].numpy() for band, values in bands.items()})
    return {patch_id: kept[patch_id] for patch_id in patch_ids if patch_id in kept}


def _describe(scores: Scores, row: int) -> list[str]:
    """Return the name of a patch, its true classes and its highest scores, highest first; + marks one it carries."""
    order = np.argsort(-scores.scores[row], kind="stable")
    high = set(order[: max(_MIN_LINES, int(scores.truth[row].sum()))].tolist())
    lines = [
        f"{'+' if scores.truth[row, number] else '  '} {scores.scores[row, number]:.2f} "
        f"{shorten(scores.classes[number], 34)}"
        for number in order
        if number in high or scores.truth[row, number]
    ]
    return [*textwrap.wrap(scores.patch_ids[row], 44), *lines]
