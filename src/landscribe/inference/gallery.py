"""A gallery of patches in true colour, with truth and scores: what people look at before any number."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from landscribe.charts import shorten
from landscribe.files import replacing
from landscribe.scores import Scores

_TRUE_COLOUR = (("B04", "B03", "B02"), ("R", "G", "B"), ("VV", "VH", "VV"))
_COLUMNS = 4
_WHITE_DN = 2000.0  # reflectance 0.2: above it only clouds, sand and roofs


def choose_patches(scores: Scores, num_patches: int = 4 * _COLUMNS) -> list[int]:
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
    rows = [scores.patch_ids.index(patch_id) for patch_id in images]
    height = -(-len(rows) // _COLUMNS)
    drawing, grid = plt.subplots(height, _COLUMNS, figsize=(3.1 * _COLUMNS, 4.1 * height), squeeze=False, dpi=90)
    for axes in grid.flat:
        axes.axis("off")
    for axes, row in zip(grid.flat, rows, strict=False):
        axes.imshow(images[scores.patch_ids[row]])
        axes.text(0, 1.02, _describe(scores, row), transform=axes.transAxes, fontsize=6.5, va="bottom")
    drawing.tight_layout()
    with replacing(path) as beside:
        drawing.savefig(beside, metadata={"Software": None})
    plt.close(drawing)


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
                kept[name.decode()] = _to_rgb({band: values[number].numpy() for band, values in bands.items()})
    return {patch_id: kept[patch_id] for patch_id in patch_ids if patch_id in kept}


def _to_rgb(bands: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the true-colour bands as the eye expects them, or other bands between their 1st and 99th percentile."""
    names = next((names for names in _TRUE_COLOUR if set(names) <= set(bands)), (next(iter(bands)),) * 3)
    stacked = np.stack([bands[name] for name in names], axis=-1)
    if stacked.dtype == np.uint8:
        return stacked
    low, high = (0.0, _WHITE_DN) if "B04" in names else np.percentile(stacked, (1, 99))
    # A gamma lifts the dark ground of true colour, where most of a land patch lies.
    stretched: np.ndarray = np.clip((stacked - low) / max(high - low, 1e-6), 0, 1) ** 0.625 * 255
    return stretched.astype(np.uint8)


def _describe(scores: Scores, row: int) -> str:
    """Return the truth of a patch and its highest scores; + marks a class that it carries."""
    shown = np.argsort(-scores.scores[row], kind="stable")[: max(3, int(scores.truth[row].sum()))]
    lines = [
        f"{'+' if scores.truth[row, number] else '  '} {scores.scores[row, number]:.2f} "
        f"{shorten(scores.classes[number], 34)}"
        for number in shown
    ]
    missed = [scores.classes[n] for n in np.flatnonzero(scores.truth[row]) if n not in shown]
    lines += [f"+ low: {shorten(name, 34)}" for name in missed]
    return "\n".join([*textwrap.wrap(scores.patch_ids[row], 44), *lines])
