"""A training that survives its process: its state in the scratch folder and its run in MLflow, found again together."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from landscribe.core.params import find_scratch
from landscribe.records.schema import Manifest
from landscribe.runtime.progress import make_logger, never_silent
from landscribe.tracking import runs
from landscribe.training.config import TrainConfig
from landscribe.training.identity import TRAINING, identify
from landscribe.training.state import TrainState, open_state, remove_states

_STUDY = "train"


@contextlib.contextmanager
def open_session(
    name: str,
    config: TrainConfig,
    manifest: Manifest,
    statistics: Mapping[str, Mapping[str, Any]],
    tags: Mapping[str, str],
    *,
    study: str = _STUDY,
) -> Iterator[tuple[str, TrainState]]:
    """Yield (run id, state) of the training that these values shape, begun or gone on with.

    Args:
        name: of the run, where it is new.
        config: section `train`.
        manifest: of the records.
        statistics: band -> mean and std of the train split.
        tags: of the run; the device and the digest of the weights among them shape the training too.
        study: what the training is part of; state and run are those of this study alone.

    Raises:
        LockHeldError: another process is at the same training.
    """
    used = {band: (statistics[band]["mean"], statistics[band]["std"]) for band in config.bands}
    digest = identify(
        TRAINING, config.model_dump(), manifest.digest, used, tags["device"], tags.get("weights_digest"), study
    )
    params = {"train": config.model_dump()}
    with (
        open_state(find_scratch() / study, digest) as state,
        never_silent("train"),
        runs.start_training(name, tags, params, digest, state.read_run_id()) as run_id,
    ):
        state.write_run_id(run_id)
        if snapshot := state.read():
            runs.log_missing_epochs(snapshot.history)
            make_logger("train").info("train: %d of %d epochs are there", len(snapshot.history), config.epochs)
        if study == _STUDY:
            remove_states(find_scratch() / study, finished=True)
        yield run_id, state
        state.finish()
