"""Batch normalisation as one operation, for the model that learns.

Keras composes it of a dozen operations, each of which reads and writes the whole feature map: a third of a training
step of the small network on a CPU, two fifths of one of MobileNetV2. TensorFlow has it, and its gradient, as one
(https://www.tensorflow.org/api_docs/python/tf/raw_ops/FusedBatchNormV3). Weights, statistics and their order are those
of Keras' layer, which is what is saved.
"""

from typing import Any

from landscribe.models.classifier import list_batch_norm
from landscribe.pipeline.backend import keras, tf


class _FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Keras' layer, which computes the statistics of a batch and normalises by them in one operation."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the normalised feature map, [batch, row, column, channel], and move the statistics.

        Args:
            inputs: feature map.
            training: use the statistics of the batch; with those of the layer Keras' own operations are as good.
            mask: none.
        """
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        features = tf.cast(inputs, tf.float32)  # as Keras does: 16 bits are too few for a sum over a batch
        offset = tf.convert_to_tensor(self.beta)
        normalised, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=features,
            scale=tf.convert_to_tensor(self.gamma) if self.scale else tf.ones_like(offset),
            offset=offset,
            mean=(),
            variance=(),
            epsilon=self.epsilon,
            is_training=True,
        )
        # It returns the variance of the population that the batch is a sample of, Keras keeps that of the batch.
        num_values = tf.cast(tf.size(features) / features.shape[-1], tf.float32)
        self._move(self.moving_mean, mean)
        self._move(self.moving_variance, variance * ((num_values - 1) / num_values))
        return tf.cast(normalised, self.compute_dtype)

    def _move(self, average: Any, value: Any) -> None:
        average.assign(average * self.momentum + value * (1 - self.momentum))


def fuse_norms(model: Any) -> None:
    """Let every such layer of a model, of feature maps, do so; nothing is built again, so that all weights stay."""
    for layer in list_batch_norm(model):
        layer.__class__ = _FusedBatchNormalization
