"""Fitting: one epoch after the other, val macro average precision after each, the best epoch's weights kept.

Two models of the same architecture: `trained` learns, on one device or several, in 32 or 16 bits; `evaluated` is what
will be saved, on one device in float32. After each epoch it takes over the weights, or their moving average.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from landscribe.backend import keras
from landscribe.errors import TrainingError
from landscribe.training.config import EpochLog, TrainConfig
from landscribe.training.norms import NormEstimator
from landscribe.training.optimizers import build_optimizer, read_weights
from landscribe.training.state import Snapshot, TrainState


class DivergedError(TrainingError):
    """The weights became infinite or no numbers: the learning rate is too high."""


@dataclass(frozen=True)
class FitResult:
    """The outcome of a training.

    Attributes:
        history: one row an epoch: epoch (from 1), loss, val_loss, val_macro_ap, learning_rate, seconds.
    """

    history: Sequence[Mapping[str, float]]

    @property
    def best_epoch(self) -> int:
        """The epoch with the best val macro average precision, from 1; the first among equals."""
        return int(max(self.history, key=lambda row: (row["val_macro_ap"], -row["epoch"]))["epoch"])

    @property
    def best_val_macro_ap(self) -> float:
        """Its value."""
        return self.history[self.best_epoch - 1]["val_macro_ap"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to learn from and how to tell that it was learned.

    Attributes:
        make_batches: first epoch, from 0 -> dataset of (bands, multi_hot) over the epochs from there to the last.
        steps: batches an epoch.
        loss: Keras loss of (multi_hot, logits).
        evaluate: model -> {"val_loss", "val_macro_ap"}, measured on the whole val split.
        norm_batches: inputs from which batch-normalisation statistics are computed anew; none: never.
    """

    make_batches: Callable[[int], Any]
    steps: int
    loss: Any
    evaluate: Callable[[Any], Mapping[str, float]]
    norm_batches: Iterable[Mapping[str, Any]] = ()


def fit(
    trained: Any, evaluated: Any, task: Task, config: TrainConfig, log_epoch: EpochLog, state: TrainState | None = None
) -> FitResult:
    """Train `trained`; `evaluated` ends with the weights that `config.keep` names.

    Args:
        trained: Keras model of logits, not compiled.
        evaluated: another of the same architecture, whose weights are replaced.
        task: batches, loss and evaluation.
        config: section `train`.
        log_epoch: receives (epoch from 1, row of the history) after each epoch.
        state: where to go on from, and what to write after each epoch.
    """
    with trained.distribute_strategy.scope():
        trained.compile(optimizer=build_optimizer(config, trained, task.steps), loss=task.loss)
        trained.optimizer.build(trained.trainable_variables)  # where Keras wrapped it, to scale the loss of float16
    epochs = _Epochs(evaluated, task, config, log_epoch, state)
    if snapshot := state and state.read():
        epochs.restore(trained, snapshot)
    if not epochs.is_over():
        trained.fit(
            task.make_batches(len(epochs.history)),
            steps_per_epoch=task.steps,
            initial_epoch=len(epochs.history),
            epochs=config.epochs,
            callbacks=[epochs],
            verbose=0,
            shuffle=False,
        )
    evaluated.set_weights(epochs.kept_weights)
    return FitResult(epochs.history)


class _Epochs(keras.callbacks.Callback):  # type: ignore[misc]
    """After each epoch: evaluates, keeps weights and state, stops when nothing gets better."""

    def __init__(
        self, evaluated: Any, task: Task, config: TrainConfig, log_epoch: EpochLog, state: TrainState | None
    ) -> None:
        super().__init__()
        self.history: list[dict[str, float]] = []
        self.kept_weights: Sequence[np.ndarray] = []
        self._evaluated, self._task, self._config = evaluated, task, config
        self._log_epoch, self._state = log_epoch, state
        self._norms = NormEstimator(evaluated)
        self._began = 0.0

    def restore(self, trained: Any, snapshot: Snapshot) -> None:
        """Put model, optimizer and history back to where they were."""
        for variable, value in zip(_list_variables(trained), snapshot.variables, strict=True):
            variable.assign(value)
        self.history, self.kept_weights = list(snapshot.history), snapshot.kept_weights

    def is_over(self) -> bool:
        """Return whether all epochs are done, or so many passed without a better one."""
        if not self.history:
            return False
        waited = len(self.history) - FitResult(self.history).best_epoch
        return len(self.history) == self._config.epochs or 0 < self._config.early_stopping_epochs <= waited

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the epoch's clock."""
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Evaluate, remember, report, perhaps stop."""
        self._publish((epoch + 1) * self._task.steps)
        row = {
            "epoch": epoch + 1,
            "loss": float((logs or {})["loss"]),
            **self._task.evaluate(self._evaluated),
            "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            "seconds": time.monotonic() - self._began,
        }
        self.history.append(row)
        if self._config.keep == "last" or FitResult(self.history).best_epoch == epoch + 1:
            self.kept_weights = self._evaluated.get_weights()
        if self._state:
            variables = [variable.numpy() for variable in _list_variables(self.model)]
            self._state.write(Snapshot(variables, self.kept_weights, self.history))
        self._log_epoch(epoch + 1, row)
        self.model.stop_training = self.is_over()

    def _publish(self, num_steps: int) -> None:
        """Give the evaluated model the weights of the trained one, with statistics that are theirs."""
        averaged = self._config.ema_momentum > 0
        self._evaluated.set_weights(read_weights(self.model, averaged))
        if self._config.norm_batches and (averaged or self._norms.is_due(num_steps)):
            self._norms.estimate(self._task.norm_batches)


def _list_variables(trained: Any) -> list[Any]:
    """Return all that the next step depends on: weights, statistics and dropout seeds, and what the optimizer keeps."""
    return [*trained.variables, *trained.optimizer.variables]
