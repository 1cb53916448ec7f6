"""Optuna over learning rate and backbone: a study that survives being killed, and is Optuna's only home.

The study lives in the scratch folder under the digest of all that shapes a trial, so an interrupted search goes on
and other params begin another study. `search.trials` is a total.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import optuna
from optuna.trial import TrialState
from pydantic import Field, model_validator
from ruamel.yaml import YAML

from landscribe.errors import ParamsError
from landscribe.files import replacing
from landscribe.models.config import Backbone
from landscribe.params import Section
from landscribe.progress import make_logger

PARENT_RUN = "mlflow_run_id"


class LearningRates(Section):
    """Range of the learning rate, drawn on a logarithmic scale."""

    low: float = Field(gt=0, allow_inf_nan=False)
    high: float = Field(gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low: expected at most high; received low={self.low}, high={self.high}")
        return self


class SearchConfig(Section):
    """Section `search`; `trials: 0` passes the values of the section `train` through."""

    trials: int = Field(ge=0)
    backbones: list[Backbone] = Field(min_length=1)
    learning_rate: LearningRates
    epochs: int = Field(ge=1)
    seed: int = Field(ge=0, lt=2**31)


@dataclass(frozen=True)
class Choice:
    """The values of one trial."""

    learning_rate: float
    backbone: str


Objective = Callable[[int, Choice], float]
"""(trial number, values) -> val macro average precision of the trial's best epoch."""


def open_study(config: SearchConfig, baseline: Choice, folder: Path) -> optuna.Study:
    """Return the study in `folder`, made or found again; trials that a killed process left running are requeued.

    Args:
        config: section `search`.
        baseline: values of the section `train`; they are trial 0.
        folder: scratch folder of this study.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # a warning repeats the traceback of what is raised anyway
    study = optuna.create_study(
        storage=f"sqlite:///{folder / 'study.db'}", study_name="landscribe", direction="maximize", load_if_exists=True
    )
    # The same seed after a restart would draw the same values again.
    study.sampler = optuna.samplers.TPESampler(seed=config.seed + len(study.trials))
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
    if not study.trials:
        _enqueue_first(study, config, baseline)
    return study


def _enqueue_first(study: optuna.Study, config: SearchConfig, baseline: Choice) -> None:
    """Queue the baseline, and its learning rate with every other backbone: a comparison at equal terms."""
    rates = config.learning_rate
    if not rates.low <= baseline.learning_rate <= rates.high or baseline.backbone not in config.backbones:
        make_logger("search").warning(
            "search: the section train (%s at %.2g) lies outside search.backbones or search.learning_rate and is no"
            " trial; search.trials=0 trains with it",
            *(baseline.backbone, baseline.learning_rate),
        )
    if not rates.low <= baseline.learning_rate <= rates.high:
        return
    others = [name for name in config.backbones if name != baseline.backbone]
    for backbone in [baseline.backbone, *others] if baseline.backbone in config.backbones else others:
        study.enqueue_trial({"learning_rate": baseline.learning_rate, "backbone": backbone})


def run_study(study: optuna.Study, config: SearchConfig, objective: Objective) -> None:
    """Run trials until `config.trials` of them are complete.

    Raises:
        ParamsError: none of the missing trials gave a finite result.
    """

    def run(trial: optuna.Trial) -> float:
        rates = config.learning_rate
        rate = trial.suggest_float("learning_rate", rates.low, rates.high, log=True)
        backbone = trial.suggest_categorical("backbone", list(config.backbones))
        try:
            return objective(trial.number, Choice(rate, backbone))
        except KeyboardInterrupt:  # Optuna calls this trial failed, not running: it would never come again
            study.enqueue_trial(trial.params)
            raise

    if done := len(completed(study, config)):
        make_logger("search").info("search: %d of %d trials are there from before", done, config.trials)
    while (missing := config.trials - (done := len(completed(study, config)))) > 0:
        study.optimize(run, n_trials=missing)
        if len(completed(study, config)) == done:
            raise ParamsError(f"search: none of {missing} trials gave a number; expected a lower search.learning_rate.")


def completed(study: optuna.Study, config: SearchConfig) -> list[optuna.trial.FrozenTrial]:
    """Return the first `config.trials` complete trials: fewer asked for later means fewer looked at."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))[: config.trials]


def read_best(study: optuna.Study, config: SearchConfig) -> Choice:
    """Return the values of the best of the `completed` trials; the first among equals."""
    best = max(completed(study, config), key=lambda trial: (trial.value or 0.0, -trial.number))
    return Choice(best.params["learning_rate"], best.params["backbone"])


def write_best(choice: Choice, path: Path) -> None:
    """Write the values that `train` takes over, as YAML."""
    with replacing(path) as beside:
        YAML().dump({"learning_rate": choice.learning_rate, "backbone": choice.backbone}, beside)


def read_choice(path: Path) -> dict[str, Any]:
    """Return the values written by `write_best`, as keys of the section `train`."""
    content: dict[str, Any] = YAML(typ="safe").load(path)
    return content


def make_trial_rows(trials: Sequence[optuna.trial.FrozenTrial]) -> list[Mapping[str, Any]]:
    """Return one row a trial for the report: number, values, result and duration in seconds."""
    return [
        {
            "trial": trial.number,
            **trial.params,
            "val_macro_ap": trial.value,
            "seconds": trial.duration.total_seconds() if trial.duration else None,
        }
        for trial in trials
    ]
