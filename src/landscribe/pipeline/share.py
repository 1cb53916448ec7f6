"""The part of a batch that a replica makes: draws are made for the whole batch, and it takes its own."""

from typing import NamedTuple

from landscribe.pipeline.backend import tf
from landscribe.pipeline.config import Replica


class Share(NamedTuple):
    """The patches of one replica: a run of the whole batch.

    Attributes:
        num_patches: int32 [], of this share, as of every other.
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
