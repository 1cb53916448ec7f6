"""A gallery of patches in true colour, with truth and scores: what people look at before any number."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from landscribe.charts import draw_images, shorten
from landscribe.scores import Scores
from landscribe.true_colour import to_true_colour


def choose_patches(scores: Scores, num_patches: int = 16) -> list[int]:
    """Return rows for the gallery: from the best to the worst ranked patch, evenly spaced, so that errors show."""
    gap = np.abs(scores.truth - scores.scores).mean(axis=1)
    order = np.argsort(gap, kind="stable")
    return [int(order[place]) for place in np.linspace(0, len(order) - 1, min(num_patches, len(order))).astype(int)]


def draw_gallery(path: Path, images: Mapping[str, np.ndarray], scores: Scores) -> None:
    """Draw patches with their highest scores; + marks the truth.

    Args:
        path: PNG to write.
        images: patch_id -> uint8 [row, column, 3].
        scores: of the split that holds the patches.
    """
    captions = [_describe(scores, scores.patch_ids.index(patch_id)) for patch_id in images]
    title = "Test patches from the best to the worst scored: highest scores, + marks a true class"
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
    """Return the name of a patch, its highest scores and the classes that were missed; + marks one that it carries."""
    shown = np.argsort(-scores.scores[row], kind="stable")[: max(3, int(scores.truth[row].sum()))]
    lines = [
        f"{'+' if scores.truth[row, number] else '  '} {scores.scores[row, number]:.2f} "
        f"{shorten(scores.classes[number], 34)}"
        for number in shown
    ]
    missed = [scores.classes[n] for n in np.flatnonzero(scores.truth[row]) if n not in shown]
    lines += [f"+ low: {shorten(name, 34)}" for name in missed]
    return [*textwrap.wrap(scores.patch_ids[row], 44), *lines]
