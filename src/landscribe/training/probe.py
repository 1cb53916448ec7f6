"""The linear probe: the head fitted to what a pretrained backbone makes of the training patches, before any epoch.

Ridge regression in closed form, on standardised features of every patch in all its symmetries. Epochs of gradient steps
end short of its optimum: docs/ucmerced.md has the figures. Fine-tuning that starts from a fitted head distorts the
backbone less (Kumar et al., arXiv:2202.10054).

The penalty is given. Leaving one view out, as the baseline does with one patch, would choose too small a one, since
the other views of the patch stay in.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from landscribe.models.classifier import HEAD
from landscribe.models.views import SYMMETRIES, turn_bands
from landscribe.pipeline.backend import keras
from landscribe.runtime.progress import track

MAX_VIEWS = 40_000
"""Features of more fill gigabytes. Of many patches fewer symmetries are taken, then fewer patches."""


def fit_head(model: Any, batches: Iterable[Any], num_patches: int, penalty: float, turns: bool) -> None:
    """Set kernel and bias of the head to the optimum on the features of the backbone, which stays as it is.

    The optimum is that of the mean squared error of a class plus the penalty times the squared length of its kernel, on
    features of mean 0 and standard deviation 1. What it predicts for a class becomes a logit by a slope and an offset
    (Platt, "Probabilistic Outputs for Support Vector Machines", 1999). A class that no patch has, or every patch, gets
    the log-odds of its frequency as bias and no kernel.

    Args:
        model: Keras model {band: [batch, row, column]} -> logits [batch, class].
        batches: of (patch_ids, bands, multi_hot); of more than `MAX_VIEWS` patches only the first are read.
        num_patches: in all batches.
        penalty: above 0.
        turns: take every patch in its eight symmetries, or in as many as `MAX_VIEWS` allows.
    """
    num_symmetries = max(1, MAX_VIEWS // num_patches) if turns else 1
    features, multi_hot = _read_features(model, batches, num_patches, SYMMETRIES[:num_symmetries])
    scaler = StandardScaler(copy=False).fit(features)
    scaled = scaler.transform(features)
    ridge = Ridge(alpha=penalty * len(scaled)).fit(scaled, multi_hot)
    by_class = zip(ridge.predict(scaled).T, multi_hot.T, strict=True)
    slopes, offsets = np.transpose([_fit_logit(scores, has) for scores, has in by_class])
    kernel = ridge.coef_.T / scaler.scale_[:, np.newaxis] * slopes
    bias = ridge.intercept_ * slopes + offsets - scaler.mean_ @ kernel
    model.get_layer(HEAD).set_weights([kernel, bias])


def _read_features(model: Any, batches: Any, num_patches: int, symmetries: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the pooled features, float32 [view, feature], and the labels, 0 or 1, float32 [view, class]."""
    pooled = keras.Model(model.input, model.get_layer(HEAD).input)
    features, labels, num = [], [], 0
    total, what = min(num_patches, MAX_VIEWS), "computing features"
    for _, bands, multi_hot in track(batches, total=total, what=what, count=lambda batch: len(batch[0])):
        features += [np.asarray(pooled.predict_on_batch(turn_bands(bands, *turn))) for turn in symmetries]
        labels += [np.asarray(multi_hot)] * len(symmetries)
        num += len(multi_hot)
        if num >= MAX_VIEWS:
            break
    return np.concatenate(features), np.concatenate(labels)


def _fit_logit(scores: np.ndarray, has: np.ndarray) -> tuple[float, float]:
    """Return slope and offset from a score of one class to its logit."""
    num, num_with = len(has), has.sum()
    if num_with in (0, num):
        return 0.0, float(np.log((num_with + 0.5) / (num - num_with + 0.5)))
    # Its own penalty, the default, bounds the slope where the scores separate the labels.
    found = LogisticRegression().fit(scores[:, np.newaxis], has)
    return float(found.coef_[0, 0]), float(found.intercept_[0])
