"""Scores of a whole dataset: the same code measures val while training and fills `scores/`."""

from typing import Any

import numpy as np

from landscribe.pipeline.backend import keras


def predict_scores(model: Any, batches: Any) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Return (patch_ids, truth float32 [patch, class], scores float32 [patch, class] in [0, 1]).

    Args:
        model: Keras model {band: [batch, row, column]} -> logits [batch, class].
        batches: dataset of (patch_id, bands, multi_hot), as `pipeline.dataset.make_eval_dataset`.
    """
    patch_ids: list[str] = []
    truth, scores = [], []
    for names, bands, multi_hot in batches:
        logits = model.predict_on_batch(bands)
        patch_ids += [name.decode() for name in names.numpy()]
        truth.append(multi_hot.numpy())
        scores.append(np.asarray(keras.ops.sigmoid(logits)))
    return tuple(patch_ids), np.concatenate(truth), np.concatenate(scores)
