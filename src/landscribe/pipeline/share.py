"""The part of a batch of one replica: random numbers are drawn for the whole batch, and the replica uses its part."""

from typing import NamedTuple

from landscribe.pipeline.backend import tf
from landscribe.pipeline.config import Replica


class Share(NamedTuple):
    """The patches of one replica: a consecutive part of the batch.

    Attributes:
        num_patches: int32 [], of this share; all shares have the same number.
        replica: whose.
    """

    num_patches: tf.Tensor
    replica: Replica

    @property
    def num_in_batch(self) -> tf.Tensor:
        """int32 [], patches of all shares together."""
        return self.num_patches * self.replica.count

    def take(self, drawn: tf.Tensor) -> tf.Tensor:
        """Return [.., share] of what was drawn for the whole batch, [.., batch]."""
        first = self.num_patches * self.replica.index
        return drawn[:, first : first + self.num_patches]
