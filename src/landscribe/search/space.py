"""The search space: one dimension per key of the section `train`, some of them only for some backbones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from landscribe.search.config import Scalar

if TYPE_CHECKING:
    import optuna

Values = Mapping[str, Scalar]
"""Dotted key of the section `train` -> value; `backbone` and `learning_rate` always among them."""


@dataclass(frozen=True)
class Dimension:
    """What one key is drawn from, as `config.Hyperparameter` says, in the type that the section `train` has there.

    Attributes:
        key: dotted, of the section `train`.
        choices: values to choose from; empty for a range.
        low: smallest value of a range.
        high: largest one.
        log: drawn on a logarithmic scale.
        step: distance between neighbours; None: any number; for integers, every integer.
        backbones: those that it is varied for; None: all.
    """

    key: str
    choices: Sequence[Scalar] = ()
    low: float = 0
    high: float = 0
    log: bool = False
    step: float | None = None
    backbones: Sequence[str] | None = None

    def is_for(self, backbone: object) -> bool:
        """Return whether trials of this backbone vary the key."""
        return self.backbones is None or backbone in self.backbones

    def suggest(self, trial: "optuna.Trial") -> Scalar:
        """Return the value of a trial."""
        if self.choices:
            return trial.suggest_categorical(self.key, self.choices)
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(self.key, self.low, self.high, step=int(self.step or 1), log=self.log)
        return trial.suggest_float(self.key, self.low, self.high, step=self.step, log=self.log)

    def list_extremes(self) -> list[Scalar]:
        """Return all choices, or both ends of a range."""
        return list(self.choices) or [self.low, self.high]

    def contains(self, value: Scalar) -> bool:
        """Return whether the value may be drawn."""
        if self.choices:
            return value in self.choices
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        steps = (value - self.low) / self.step if self.step else 0.0
        return self.low <= value <= self.high and abs(steps - round(steps)) < 1e-9


@dataclass(frozen=True)
class Space:
    """All that trials vary.

    Attributes:
        dimensions: `backbone` first, since others may hang on it.
        baselines: values of the first trials, in their order: those of `train`, and the same with every other backbone,
            so far as they may be drawn.
    """

    dimensions: Sequence[Dimension]
    baselines: Sequence[Values]

    def suggest(self, trial: "optuna.Trial") -> dict[str, Scalar]:
        """Return the values of a trial, drawn by the sampler or fixed by the queue."""
        values: dict[str, Scalar] = {}
        for dimension in self.dimensions:
            if dimension.is_for(values.get("backbone")):
                values[dimension.key] = dimension.suggest(trial)
        return values
