"""Section `search` of params.yaml, importable without Optuna."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from landscribe.core.params import Section
from landscribe.models.config import Backbone

MIN_TRIALS = 10
"""Complete trials from which the importance of values is computed: that of fewer is noise."""

Scalar = bool | int | float | str | None
Finite = Annotated[float, Field(allow_inf_nan=False)]


class LearningRates(Section):
    """Range of the learning rate, drawn on a logarithmic scale."""

    low: float = Field(gt=0, allow_inf_nan=False)
    high: float = Field(gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low: expected at most high; received low={self.low}, high={self.high}")
        return self


class Hyperparameter(Section):
    """The choices, or the range including its ends, from which one value of the section `train` is drawn.

    Attributes:
        choices: the values to choose from.
        low: smallest value of the range.
        high: largest one.
        log: drawn on a logarithmic scale.
        step: distance between neighbours, from `low` on; None: any number; for integers, every integer.
        backbones: those that it is varied for; the others take the value of `train`. None: all.
    """

    choices: list[Scalar] | None = None
    low: int | Finite | None = None
    high: int | Finite | None = None
    log: bool = False
    step: int | Finite | None = None
    backbones: list[Backbone] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.choices is None) == (self.low is None or self.high is None):
            raise ValueError("expected either a list of choices, or both low and high")
        if self.choices is not None:
            self._check_choices(self.choices)
        elif self.low is not None and self.high is not None:
            self._check_range(self.low, self.high)
        return self

    def _check_choices(self, choices: list[Scalar]) -> None:
        if not choices or len(set(choices)) != len(choices):
            raise ValueError(f"expected one choice or more, each once; received {choices}")
        if self.log or not (self.low is self.high is self.step is None):
            raise ValueError("low, high, log and step belong to a range; choices have none")

    def _check_range(self, low: float, high: float) -> None:
        if low >= high:
            raise ValueError(f"expected low below high; received low={low}, high={high}")
        if self.log and (low <= 0 or self.step is not None):
            raise ValueError("log: expected low above 0 and no step")
        if self.step is not None:
            num_steps = (high - low) / self.step if self.step > 0 else 0.0
            if num_steps < 1 or abs(num_steps - round(num_steps)) > 1e-9 * num_steps:
                raise ValueError(f"step: expected to reach high from low in whole steps; received {self.step}")


class Pruning(Section):
    """Trials are stopped early if their best val macro AP is below the median of the complete ones at that epoch.

    The rule is that of Golovin et al., "Google Vizier", KDD 2017 (doi:10.1145/3097983.3098043), section 3.5.

    Attributes:
        startup_trials: complete trials before any is ended early.
        warmup_epochs: first epochs of a trial, after which none is ended.
    """

    startup_trials: int = Field(ge=1)
    warmup_epochs: int = Field(ge=0)


def _read_shorthand(value: Any) -> Any:
    """Return the mapping that a bare list of choices stands for."""
    return {"choices": value} if isinstance(value, list) else value


class SearchConfig(Section):
    """Section `search`; `trials: 0` passes the values of the section `train` through.

    Attributes:
        trials: complete and pruned ones together, a total over all restarts and hosts.
        backbones: to choose from.
        learning_rate: range.
        space: dotted key of `train` -> what else is varied.
        epochs: of each trial.
        pruning: None: every trial has all its epochs.
        seed: of what is drawn.
    """

    trials: int = Field(ge=0)
    backbones: list[Backbone] = Field(min_length=1)
    learning_rate: LearningRates
    space: dict[str, Annotated[Hyperparameter, BeforeValidator(_read_shorthand)]]
    epochs: int = Field(ge=1)
    pruning: Pruning | None
    seed: int = Field(ge=0, lt=2**31)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key, entry in self.space.items():
            unknown = [name for name in entry.backbones or [] if name not in self.backbones]
            if unknown:
                raise ValueError(f"space.{key}.backbones: expected names out of search.backbones; received {unknown}")
        return self
