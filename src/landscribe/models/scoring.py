"""Scoring of a whole split, by a Keras classifier or a served version: the only code that does it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from landscribe.pipeline.backend import keras
from landscribe.runtime.progress import track

Predict = Callable[[Mapping[str, Any]], np.ndarray]
"""{band: [batch, row, column] raw} -> scores in [0, 1], [batch, class]."""


def make_predict(model: Any) -> Predict:
    """Return the scores of a Keras model {band: [batch, row, column]} -> logits [batch, class]."""
    return lambda bands: np.asarray(keras.ops.sigmoid(model.predict_on_batch(bands)))


def predict_scores(
    predict: Predict, batches: Any, num_patches: int, what: str = "scoring"
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Return (patch_ids, truth float32 [patch, class], scores float32 [patch, class] in [0, 1]).

    Args:
        predict: as `make_predict` makes it of a Keras model.
        batches: dataset of (patch_id, bands, multi_hot), as `pipeline.dataset.make_eval_dataset`.
        num_patches: in all batches, for the progress bar.
        what: the verb shown.
    """
    patch_ids: list[str] = []
    truth, scores = [], []
    for names, bands, multi_hot in track(batches, total=num_patches, what=what, count=lambda batch: len(batch[0])):
        scores.append(predict(bands).astype(np.float32, copy=False))
        patch_ids += [name.decode() for name in names.numpy()]
        truth.append(multi_hot.numpy())
    return tuple(patch_ids), np.concatenate(truth), np.concatenate(scores)
