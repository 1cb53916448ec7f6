"""The best and the worst patches of a split, by cross-entropy, stored with their pixels for the pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from landscribe.core.files import replacing
from landscribe.core.scores import Scores

_NUM_PATCHES = 8  # of each kind
_SURE = 1e-7  # scores are clipped here: a wrong score of exactly 0 or 1 has a large, finite cost

Examples = dict[str, dict[str, np.ndarray]]
"""patch_id -> band -> [row, column] in native dtype."""


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


def choose_examples(scores: Scores) -> dict[str, list[str]]:
    """Return "best" and "worst" -> names of patches, the best or the worst first."""
    ranked = rank_patches(scores)
    return {"best": ranked[:_NUM_PATCHES], "worst": ranked[::-1][:_NUM_PATCHES]}


def collect_examples(batches: Any, patch_ids: Sequence[str]) -> Examples:
    """Return the pixels of the wanted patches that are in the batches.

    Args:
        batches: dataset of (patch_id, bands, multi_hot), read once.
        patch_ids: patches to keep.
    """
    kept: Examples = {}
    for names, bands, _ in batches:
        for number, name in enumerate(names.numpy()):
            if name.decode() in patch_ids:
                kept[name.decode()] = {band: values[number].numpy() for band, values in bands.items()}
    return {patch_id: kept[patch_id] for patch_id in patch_ids if patch_id in kept}


def write_examples(path: Path, examples: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Write the pixels of patches as .npz, atomically; the same pixels give the same bytes."""
    arrays = {"patch_ids": np.array(list(examples), np.str_)}
    for number, bands in enumerate(examples.values()):
        arrays |= {f"{number}/{band}": values for band, values in bands.items()}
    with replacing(path) as beside, beside.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def read_examples(path: Path) -> Examples:
    """Return what `write_examples` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        examples: Examples = {name: {} for name in arrays["patch_ids"].tolist()}
        names = list(examples)
        for key in arrays.files:
            number, _, band = key.partition("/")
            if band:
                examples[names[int(number)]][band] = arrays[key]
    return examples
