"""Options of the input pipeline, importable without TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from landscribe.core.params import Section


class AugmentationConfig(Section):
    """Options of the augmentation of a training patch.

    Attributes:
        dihedral: draw one of the 8 flips and quarter turns of the square. The ground has no preferred heading.
        shift_fraction: largest shift along rows and along columns, as part of the side; pixels that enter at the
            border are reflected. 0: no shift.
        zoom_fraction: largest part of the side that is cropped: a window of 1 - zoom_fraction to 1 of the side, at a
            random place, is enlarged to the whole, after Szegedy et al., "Going Deeper with Convolutions",
            arXiv:1409.4842. 0: no zoom.
        size_fraction: side of a training patch as part of the stored side. Zoom shows objects larger than in whole
            patches; windows resized to fewer pixels show them in the original size, after Touvron et al., "Fixing the
            train-test resolution discrepancy", arXiv:1906.06423, and cost less. Rounded to whole pixels of the coarsest
            band. 1: the stored side.
        gain_fraction: each band of a patch is multiplied by its own factor, 1 - gain_fraction to 1 + gain_fraction, as
            changes of light and air would do; decibels change by the same factor of power. 0: none.
        contrast_fraction: the distances of a patch's pixels from the mean of their band are multiplied by one factor
            per patch, 1 - contrast_fraction to 1 + contrast_fraction. 0: none.
        saturation_fraction: the same with the distances of the bands from their mean in each pixel, over bands of one
            size and dtype: 0 would be grey. 0: none.
        mixup_alpha: two patches and their multi_hot are mixed with a weight drawn from Beta(alpha, alpha), after
            Zhang et al., "mixup: Beyond Empirical Risk Minimization", arXiv:1710.09412. 0: no mixup.
        cutmix_alpha: a square of a patch is replaced by that of another one, its part of the area from Beta(alpha,
            alpha), and multi_hot is mixed by area, after Yun et al., "CutMix", arXiv:1905.04899. With mixup too, each
            patch is mixed in one of the ways, with equal chance. 0: no CutMix.
    """

    dihedral: bool
    shift_fraction: float = Field(ge=0.0, le=0.5)
    zoom_fraction: float = Field(ge=0.0, le=0.9)
    size_fraction: float = Field(gt=0.0, le=1.0)
    gain_fraction: float = Field(ge=0.0, le=0.9)
    contrast_fraction: float = Field(ge=0.0, le=1.0)
    saturation_fraction: float = Field(ge=0.0, le=1.0)
    mixup_alpha: float = Field(ge=0.0, allow_inf_nan=False)
    cutmix_alpha: float = Field(ge=0.0, allow_inf_nan=False)

    def scale_sides(self, sides: Mapping[str, int]) -> dict[str, int]:
        """Return the side of a training patch by band, in pixels.

        That of the coarsest band is rounded, to at least one pixel; the ratios between the bands stay the same.

        Args:
            sides: stored side by band, multiples of the coarsest.
        """
        coarsest_px = min(sides.values())
        scaled_px = max(1, round(self.size_fraction * coarsest_px))
        return {name: side_px * scaled_px // coarsest_px for name, side_px in sides.items()}


NO_AUGMENTATION = AugmentationConfig(
    dihedral=False,
    shift_fraction=0.0,
    zoom_fraction=0.0,
    size_fraction=1.0,
    gain_fraction=0.0,
    contrast_fraction=0.0,
    saturation_fraction=0.0,
    mixup_alpha=0.0,
    cutmix_alpha=0.0,
)
"""Patches as they are stored."""


class PipelineConfig(Section):
    """How training batches are made."""

    batch_size_patches: int = Field(ge=1)
    shuffle_buffer_patches: int = Field(ge=1)
    augmentation: AugmentationConfig


@dataclass(frozen=True)
class Replica:
    """One of several readers that share the batches of one training, each in a separate process.

    Attributes:
        index: which one, from 0.
        count: how many there are.
    """

    index: int
    count: int


ONLY_REPLICA = Replica(index=0, count=1)
"""A training in one process; Keras itself splits the batches among the devices of one machine."""
