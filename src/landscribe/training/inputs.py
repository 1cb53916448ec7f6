"""Checks that the records contain what a training reads, without importing TensorFlow."""

from landscribe.records.schema import Manifest, check_not_empty, check_subset
from landscribe.training.config import TrainConfig


def check_inputs(manifest: Manifest, config: TrainConfig) -> None:
    """Check before any work that the records serve a training.

    Raises:
        RecordsError: a band is not stored, or train or val is empty.
    """
    check_subset(config.bands, manifest, "train.bands")
    check_not_empty(manifest, "train")
    check_not_empty(manifest, "val")
