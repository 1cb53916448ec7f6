"""Batch-normalisation statistics computed again, exactly, from train batches.

The moving averages that Keras keeps lag behind: after few steps they are still those of the initial weights, and of
averaged weights (`train.ema_momentum`) they are never the statistics at all. Before an evaluation that would suffer,
mean and variance of every layer are computed over a pass of the model in training mode, as one population and not as a
moving average: Wu and Johnson, "Rethinking 'Batch' in BatchNorm", arXiv:2105.07576, section 3.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from landscribe.models.classifier import list_batch_norm
from landscribe.pipeline.backend import tf

_SETTLED = 0.01  # largest share of the initial statistics in a moving average that has converged


class NormEstimator:
    """Gives a model the statistics of the batches that it is called with; nothing else of the model changes."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._layers = _list_learning(model)
        self._momenta = [layer.momentum for layer in self._layers]
        self._seeds = [variable for variable in model.variables if variable.path.endswith("seed_generator_state")]
        self._forward = tf.function(lambda values: model(values, training=True))

    def is_due(self, num_steps: int) -> bool:
        """Return whether a moving average over this number of steps has not converged."""
        return any(momentum**num_steps > _SETTLED for momentum in self._momenta)

    def estimate(self, batches: Iterable[Mapping[str, Any]]) -> None:
        """Set the statistics of every layer to those of its inputs over all batches.

        Args:
            batches: inputs of the model, {band: [batch, row, column]}; a larger batch counts for more. None: nothing
                is set.
        """
        if not self._layers:
            return
        weights: list[int] = []
        moments: list[list[np.ndarray]] = []  # of each batch: mean and mean square of each layer
        with self._momentless():
            for values in batches:
                self._forward(values)
                weights.append(len(next(iter(values.values()))))
                moments.append([moment for layer in self._layers for moment in _read_moments(layer)])
        if not moments:
            return
        for number, layer in enumerate(self._layers):
            mean, square = (
                np.average([row[2 * number + part] for row in moments], axis=0, weights=weights) for part in (0, 1)
            )
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(np.maximum(square - mean**2, 0))

    @contextlib.contextmanager
    def _momentless(self) -> Iterator[None]:
        """Let each batch leave its own statistics behind, and the dropout of the model untouched."""
        seeds = [variable.numpy() for variable in self._seeds]
        for layer in self._layers:
            layer.momentum = 0.0
        try:
            yield
        finally:
            for layer, momentum in zip(self._layers, self._momenta, strict=True):
                layer.momentum = momentum  # it is saved with the model
            for variable, seed in zip(self._seeds, seeds, strict=True):
                variable.assign(seed)


def synchronise_norms(model: Any) -> None:
    """Let every layer normalise by the statistics of the global batch, not by those of a replica's share."""
    for layer in _list_learning(model):
        layer.synchronized = True


def _list_learning(model: Any) -> list[Any]:
    return [layer for layer in list_batch_norm(model) if layer.trainable]


def _read_moments(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and mean square of the last batch, float64 [channel]."""
    mean = layer.moving_mean.numpy().astype(np.float64)
    return mean, layer.moving_variance.numpy().astype(np.float64) + mean**2
