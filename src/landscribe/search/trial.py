"""One trial of the search, in a process of its own: `python -m landscribe.search.trial`, started by `trials`.

It claims a trial before it imports TensorFlow: where none is left it ends in a moment.
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from landscribe.core.errors import TrainingError
from landscribe.models.config import Device
from landscribe.records.schema import Manifest, read_manifest
from landscribe.records.statistics import read_statistics
from landscribe.runtime.entry import run_or_exit
from landscribe.runtime.progress import make_logger, never_silent
from landscribe.search.config import SearchConfig
from landscribe.search.processes import NO_TRIAL, name_worker, read_task
from landscribe.search.storage import explain_failures
from landscribe.search.study import Study, Trial
from landscribe.search.variation import make_space
from landscribe.training.config import TrainConfig

if TYPE_CHECKING:
    from landscribe.models.pretrained import Pretrained


class TrialTask(BaseModel, frozen=True):
    """The inputs of a worker, which are passed to it as JSON.

    Attributes:
        search: section `search`.
        train: section `train`; what a trial does not vary.
        device: where to compute, `machine.device`.
        manifest_path: of the records, which lie beside it.
        statistics_path: band statistics of the train split.
        study_name: of the study in the storage.
        parent_run_id: of the study's run.
        tags: of every run, without the device.
    """

    search: SearchConfig
    train: TrainConfig
    device: Device
    manifest_path: Path
    statistics_path: Path
    study_name: str
    parent_run_id: str
    tags: dict[str, str]

    def vary_train(self, values: Mapping[str, Any]) -> TrainConfig:
        """Return the section `train` of a trial with these values."""
        return self.train.vary({**values, "epochs": self.search.epochs})


class _HopelessError(Exception):
    """Ends a fit whose trial is pruned."""


def main() -> int:
    """Do one trial; return the exit status: 0 done, `NO_TRIAL`."""
    task = TrialTask.model_validate(read_task())
    with explain_failures():
        study = Study(task.study_name, task.search, make_space(task.search, task.train))
        with study.claim(name_worker(os.getpid())) as trial:
            if trial is None:
                return NO_TRIAL
            with never_silent(f"trial {trial.number}"):
                run_trial(task, trial)
    return 0


def run_trial(task: TrialTask, trial: Trial) -> None:
    """Train with the values of a trial, tell the study and log to a run of its own.

    Raises:
        TrainingError: training cannot start, or gives no number.
    """
    make_logger("search").info("trial %d begins: %s", trial.number, format_values(trial.values))
    # Imported here: a worker without a trial needs no TensorFlow.
    from landscribe.tracking import runs, studies
    from landscribe.training.recipe import prepare, read_pretrained

    manifest = read_manifest(task.manifest_path)
    config = task.vary_train(trial.values)
    device, start = prepare(manifest, config, task.device), read_pretrained(manifest, config)
    tags, params = {**task.tags, "device": device}, {"train": config.model_dump()}
    with studies.start_trial(trial.number, task.parent_run_id, tags, params, trial.retry_of):
        state, value, num_epochs = _fit(task, trial, config, manifest, start)
        runs.log_metrics({"best_val_macro_ap": value, "num_epochs": num_epochs})
        state = trial.tell(state, value if state == "COMPLETE" else None)
        studies.end_trial(state)
    ended = "" if state == "COMPLETE" else f", {state.lower()} after epoch {num_epochs}"
    words = format_values(trial.values)
    make_logger("search").info("trial %d: %s: val macro AP %.4f%s", trial.number, words, value, ended)


def _fit(
    task: TrialTask, trial: Trial, config: TrainConfig, manifest: Manifest, start: "Pretrained | None"
) -> tuple[str, float, int]:
    """Return the state COMPLETE or PRUNED, the best val macro average precision and the number of epochs."""
    from landscribe.tracking import runs
    from landscribe.training.fit import DivergedError
    from landscribe.training.recipe import fit_classifier

    values: list[float] = []

    def log_epoch(epoch: int, row: Mapping[str, float]) -> None:
        values.append(row["val_macro_ap"])
        if math.isnan(values[-1]):
            raise TrainingError("val macro AP is no number: no patch of val has a class; raise split.fractions.val.")
        runs.log_epoch(epoch, row)
        if trial.report(epoch, values[-1]) and epoch < config.epochs:
            raise _HopelessError

    statistics = read_statistics(task.statistics_path)
    try:
        fit_classifier(
            manifest, task.manifest_path.parent, statistics, config, log_epoch, None, start, f"trial {trial.number}"
        )
    except _HopelessError:
        return "PRUNED", max(values), len(values)
    except DivergedError:  # an answer too: the worst
        return "COMPLETE", 0.0, len(values)
    return "COMPLETE", max(values), len(values)


def format_values(values: Mapping[str, object]) -> str:
    """Return the values of a trial as text, numbers with three digits."""
    return ", ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in values.items()
    )


if __name__ == "__main__":
    run_or_exit(main)
