"""Options of the input pipeline, known without importing TensorFlow."""

from dataclasses import dataclass

from pydantic import Field

from landscribe.params import Section


class AugmentationConfig(Section):
    """What may happen to a training patch.

    Attributes:
        dihedral: draw one of the 8 flips and quarter turns of the square. The ground has no preferred heading.
        shift_fraction: largest shift along rows and along columns, as part of the side; pixels that enter at the
            border are reflected. 0: no shift.
        mixup_alpha: two patches and their multi_hot are mixed with a weight drawn from Beta(alpha, alpha), after
            Zhang et al., "mixup: Beyond Empirical Risk Minimization", arXiv:1710.09412. 0: no mixup.
    """

    dihedral: bool
    shift_fraction: float = Field(ge=0.0, le=0.5)
    mixup_alpha: float = Field(ge=0.0, allow_inf_nan=False)


class PipelineConfig(Section):
    """How training batches are made."""

    batch_size_patches: int = Field(ge=1)
    shuffle_buffer_patches: int = Field(ge=1)
    augmentation: AugmentationConfig


@dataclass(frozen=True)
class Replica:
    """One of several readers that share the batches of one training, each in a process of its own.

    Attributes:
        index: which one, from 0.
        count: how many there are.
    """

    index: int
    count: int


ONLY_REPLICA = Replica(index=0, count=1)
"""A training in one process; Keras itself splits the batches among the devices of one machine."""
