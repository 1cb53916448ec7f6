"""Losses of multi-label training by name: one formula, whose neutral values are binary cross-entropy.

With a target y in [0, 1] (soft after mixup or smoothing) and a score p = sigmoid(logit), for every patch and class

    loss = - w_pos * y * (1 - p)^gamma_pos * log(p) - w_neg * (1 - y) * q^gamma_neg * log(1 - q)
    q = max(p - margin, 0)

and the loss of a patch is its mean over the classes.

- `bce`: gammas and margin 0, weights 1; binary cross-entropy.
- `weighted_bce`: w_pos = ((n - n_c) / n_c)^power for a class with n_c of the n train patches. With power 1 positives
  and negatives of a class weigh the same in total; 0 is `bce`. King and Zeng, "Logistic Regression in Rare Events
  Data", Political Analysis 9(2), 2001.
- `focal`: gamma_pos = gamma_neg = gamma; w_pos = alpha and w_neg = 1 - alpha, or both 1 where alpha is null. Gamma 0
  without alpha is `bce`. Lin et al., "Focal Loss for Dense Object Detection", arXiv:1708.02002.
- `asymmetric`: two gammas and the margin; all 0 are `bce`. Ridnik et al., "Asymmetric Loss For Multi-Label
  Classification", arXiv:2009.14119.

Label smoothing moves every target towards 1/2 first: y * (1 - s) + s / 2 (Szegedy et al., arXiv:1512.00567).
"""

from typing import Any

import numpy as np

from landscribe.pipeline.backend import keras
from landscribe.training.config import TrainConfig

ops = keras.ops


class MultiLabelLoss(keras.losses.Loss):  # type: ignore[misc]
    """The formula above, on logits: finite for every finite logit."""

    def __init__(
        self,
        *,
        positive_weight: np.ndarray | float = 1.0,
        negative_weight: float = 1.0,
        positive_gamma: float = 0.0,
        negative_gamma: float = 0.0,
        margin: float = 0.0,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(name="loss", dtype="float32")
        self._positive_weight = np.asarray(positive_weight, np.float32)
        self._negative_weight = negative_weight
        self._positive_gamma, self._negative_gamma, self._margin = positive_gamma, negative_gamma, margin
        self._label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return float32 [batch].

        Args:
            y_true: targets in [0, 1], float32 [batch, class].
            y_pred: logits, float32 [batch, class].
        """
        target = y_true * (1 - self._label_smoothing) + self._label_smoothing / 2
        positive = _focus(ops.log_sigmoid(y_pred), ops.log_sigmoid(-y_pred), self._positive_gamma)
        if self._margin:
            negative = self._shifted_negative(y_pred)
        else:
            negative = _focus(ops.log_sigmoid(-y_pred), ops.log_sigmoid(y_pred), self._negative_gamma)
        terms = self._positive_weight * target * positive + self._negative_weight * (1 - target) * negative
        return -ops.mean(terms, axis=-1)

    def _shifted_negative(self, logits: Any) -> Any:
        """Return q^gamma * log(1 - q); where a negative is as easy as the margin asks, 0 and with no gradient."""
        shifted = ops.sigmoid(logits) - self._margin
        counts = shifted > 0
        safe = ops.where(counts, shifted, 0.5)  # 0^gamma has no gradient, and one of nan * 0 would spread
        return ops.where(counts, _focus(ops.log1p(-safe), ops.log(safe), self._negative_gamma), 0.0)


def _focus(log_likelihood: Any, log_doubt: Any, gamma: float) -> Any:
    """Return the log-likelihood times doubt^gamma."""
    return log_likelihood * ops.exp(gamma * log_doubt) if gamma else log_likelihood


def build_loss(config: TrainConfig, num_positives: np.ndarray, num_patches: int) -> MultiLabelLoss:
    """Return the loss that the section `train` names.

    Args:
        config: section `train`.
        num_positives: train patches with each class, [class]; read by `weighted_bce` alone.
        num_patches: of the train split.
    """
    smoothing = config.label_smoothing
    match config.loss.name:
        case "bce":
            return MultiLabelLoss(label_smoothing=smoothing)
        case "weighted_bce":
            weights = compute_positive_weights(num_positives, num_patches, config.loss.weighted_bce.power)
            return MultiLabelLoss(positive_weight=weights, label_smoothing=smoothing)
        case "focal":
            gamma, alpha = config.loss.focal.gamma, config.loss.focal.alpha
            return MultiLabelLoss(
                positive_weight=1.0 if alpha is None else alpha,
                negative_weight=1.0 if alpha is None else 1 - alpha,
                positive_gamma=gamma,
                negative_gamma=gamma,
                label_smoothing=smoothing,
            )
        case "asymmetric":
            form = config.loss.asymmetric
            return MultiLabelLoss(
                positive_gamma=form.positive_gamma,
                negative_gamma=form.negative_gamma,
                margin=form.margin,
                label_smoothing=smoothing,
            )


def compute_positive_weights(num_positives: np.ndarray, num_patches: int, power: float) -> np.ndarray:
    """Return ((n - n_c) / n_c)^power, float64 [class]; 1 for a class that no train patch has, or that all have."""
    positives = np.asarray(num_positives, np.float64)
    negatives = num_patches - positives
    known = (positives > 0) & (negatives > 0)
    odds = np.divide(negatives, positives, out=np.ones_like(positives), where=known)
    weights: np.ndarray = odds**power
    return weights
