"""`python -m benchmarks.step_train NETWORK FOLDER`: the steps of the stage `train`, in turns.

With the section of params.yaml but for bands and backbone; FOLDER holds records/, manifest.json and statistics.json.
The stage's own functions train, on its own batches: a clock in the place of its progress bar is all that differs.
"""

import json
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.step_clock import DROPOUT, StepClock, keep_cores
from landscribe.core.params import PARAMS_FILE, parse_section, read_params
from landscribe.records.schema import read_manifest
from landscribe.training.config import TrainConfig

BUFFER_PATCHES = 256  # fewer than there are records, so that they are read while steps are timed
_CHECKOUT = Path(__file__).resolve().parents[1]


def main(network: str, folder: Path) -> None:
    """Train for as many steps as the clock counts; epochs end with an evaluation and are none of its business."""
    from benchmarks.step_profile import StepProfiler
    from landscribe.training.epoch_lines import EpochMeter
    from landscribe.training.recipe import fit_classifier, prepare

    clock = StepClock(network, StepProfiler())

    class ClockedMeter(EpochMeter):
        """The progress of a training, which also has the clock."""

        def on_train_begin(self, logs: Any = None) -> None:
            clock.num_parameters = sum(int(np.prod(weight.shape)) for weight in self.model.trainable_variables)

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            clock.begin_step()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            super().on_train_batch_end(batch, logs)
            clock.end_step()
            self.model.stop_training = clock.is_over

    manifest = read_manifest(folder / "manifest.json")
    statistics = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
    config = read_config(network, manifest.bands)
    prepare(manifest, config, "cpu")
    with mock.patch("landscribe.training.fit.EpochMeter", ClockedMeter):
        fit_classifier(manifest, folder / "records", statistics, config, lambda epoch, row: None)
    clock.answer()


def read_config(network: str, bands: Any) -> TrainConfig:
    """Return the section `train` of params.yaml with another network and other bands, for one epoch."""
    config = parse_section(read_params(_CHECKOUT / PARAMS_FILE), "train", TrainConfig)
    # Statistics are computed again after an epoch, never in a step: they would only take time here.
    changed = {"epochs": 1, "norm_batches": 0, "shuffle_buffer_patches": BUFFER_PATCHES, "dropout": DROPOUT}
    return config.vary({"backbone": network, "bands": list(bands)} | changed)


if __name__ == "__main__":
    keep_cores()
    main(sys.argv[1], Path(sys.argv[2]))
