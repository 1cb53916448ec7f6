"""Fitting: one epoch after the other, val macro average precision after each, the best epoch's weights kept.

Two models of the same architecture: `trained` learns, on one device or several, in 32 or 16 bits; `evaluated` is what
will be saved, on one device in float32. After each epoch it takes over the weights, or their moving average.

With a frozen backbone there are two phases: in the first the head alone learns, in the second everything, at a lower
rate. Each is a separate training: a new optimizer state, a warm-up and a schedule over its epochs.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from landscribe.core.errors import TrainingError
from landscribe.models.classifier import freeze_backbone, freeze_batch_norm
from landscribe.pipeline.backend import keras
from landscribe.runtime.progress import track
from landscribe.training.config import EpochLog, TrainConfig
from landscribe.training.epoch_lines import EpochMeter
from landscribe.training.norms import NormEstimator
from landscribe.training.optimizers import build_optimizer, read_weights
from landscribe.training.state import Snapshot, TrainState


class DivergedError(TrainingError):
    """The weights became infinite or NaN: the learning rate is too high."""


@dataclass(frozen=True)
class FitResult:
    """The result of a training.

    Attributes:
        history: one row per epoch: epoch (from 1), loss, val_loss, val_macro_ap, learning_rate, seconds.
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

    @property
    def outcome(self) -> dict[str, float]:
        """Metrics of all epochs together."""
        return {"best_epoch": self.best_epoch, "best_val_macro_ap": self.best_val_macro_ap}


@dataclass(frozen=True, kw_only=True)
class FitTask:
    """The data, the loss and the evaluation of a training.

    Attributes:
        make_batches: first epoch, from 0 -> dataset of (bands, multi_hot) over the epochs from there to the last.
        steps: batches per epoch.
        loss: Keras loss of (multi_hot, logits).
        evaluate: model -> {"val_loss", "val_macro_ap"}, measured on the whole val split.
        start: called with both models before the first epoch of a training, not of one that goes on; None: nothing.
        norm_batches: inputs from which batch-normalisation statistics are computed again; none: never.
    """

    make_batches: Callable[[int], Any]
    steps: int
    loss: Any
    evaluate: Callable[[Any], Mapping[str, float]]
    start: Callable[[Any, Any], None] | None = None
    norm_batches: Iterable[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Phase:
    """Epochs of a training in which the same weights learn.

    Attributes:
        first_epoch: from 0.
        frozen: the head alone learns.
        config: section `train` with the epochs and the learning rate of the phase.
    """

    first_epoch: int
    frozen: bool
    config: TrainConfig

    @property
    def end_epoch(self) -> int:
        """The first epoch after the phase, from 0."""
        return self.first_epoch + self.config.epochs


def plan_phases(config: TrainConfig) -> list[Phase]:
    """Return the phases in their order: the frozen one, then the rest; a phase without epochs is left out."""
    frozen_epochs = config.epochs if config.freeze_epochs == "all" else min(config.freeze_epochs, config.epochs)
    rest: dict[str, float] = {"epochs": config.epochs - frozen_epochs}
    if frozen_epochs:
        rest |= {"learning_rate": config.learning_rate * config.unfrozen_rate_factor}
    phases = [
        Phase(0, True, config.model_copy(update={"epochs": frozen_epochs})),
        Phase(frozen_epochs, False, config.model_copy(update=rest)),
    ]
    return [phase for phase in phases if phase.config.epochs]


def fit(
    trained: Any,
    evaluated: Any,
    task: FitTask,
    config: TrainConfig,
    log_epoch: EpochLog,
    state: TrainState | None = None,
    what: str = "training",
) -> FitResult:
    """Train `trained`; `evaluated` ends with the weights that `config.keep` names.

    Args:
        trained: Keras model of logits, not compiled.
        evaluated: another of the same architecture, whose weights are replaced.
        task: batches, loss and evaluation.
        config: section `train`.
        log_epoch: receives (epoch from 1, row of the history) after each epoch.
        state: where to go on from, and what to write after each epoch.
        what: the words of the progress shown.
    """
    epochs = _Epochs(evaluated, task, config, log_epoch, state)
    if snapshot := state.read() if state else None:
        epochs.restore(trained, snapshot)
    elif task.start:
        task.start(trained, evaluated)
    for phase in plan_phases(config):
        if epochs.is_over() or len(epochs.history) >= phase.end_epoch:
            continue
        epochs.begin(trained, phase, snapshot)
        snapshot = None  # as large as the training: let it go
        trained.fit(
            task.make_batches(len(epochs.history)),
            steps_per_epoch=task.steps,
            initial_epoch=len(epochs.history),
            epochs=phase.end_epoch,
            callbacks=[EpochMeter(what, config.epochs, task.steps), epochs],
            verbose=0,
            shuffle=False,
        )
    freeze_backbone(evaluated, False)  # how it was trained is no part of what is saved
    evaluated.set_weights(epochs.kept_weights)
    return FitResult(epochs.history)


class _Epochs(keras.callbacks.Callback):  # type: ignore[misc]
    """After each epoch: evaluates, keeps weights and state, stops when nothing gets better."""

    def __init__(
        self, evaluated: Any, task: FitTask, config: TrainConfig, log_epoch: EpochLog, state: TrainState | None
    ) -> None:
        super().__init__()
        self.history: list[dict[str, float]] = []
        self.kept_weights: Sequence[np.ndarray] = []
        self._evaluated, self._task, self._config = evaluated, task, config
        self._log_epoch, self._state = log_epoch, state
        self._first_epoch = 0  # of the phase
        self._norms: NormEstimator
        self._learned: Sequence[np.ndarray] = []
        self._began = 0.0

    def restore(self, trained: Any, snapshot: Snapshot) -> None:
        """Put model and history back to where they were."""
        _assign(trained.variables, snapshot.variables[: len(trained.variables)])
        self.history, self.kept_weights = list(snapshot.history), snapshot.kept_weights

    def begin(self, trained: Any, phase: Phase, snapshot: Snapshot | None) -> None:
        """Let the weights of a phase learn, with a new optimizer, or with that of a snapshot out of the phase."""
        for model in (trained, self._evaluated):
            freeze_backbone(model, phase.frozen)
            if self._config.freeze_batch_norm:
                freeze_batch_norm(model)
        with trained.distribute_strategy.scope():
            optimizer = build_optimizer(phase.config, trained, self._task.steps)
            trained.compile(optimizer=optimizer, loss=self._task.loss)
            trained.optimizer.build(trained.trainable_variables)  # where Keras wrapped it, to scale the loss of float16
        if snapshot and len(snapshot.history) > phase.first_epoch:
            _assign(trained.optimizer.variables, snapshot.variables[len(trained.variables) :])
        self._first_epoch = phase.first_epoch
        self._norms = NormEstimator(self._evaluated)

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
        self._publish(epoch)
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
            # All that the next step depends on: weights, statistics and dropout seeds, and what the optimizer keeps.
            variables = [*self.model.variables, *self.model.optimizer.variables]
            values = [variable.numpy() for variable in variables]
            self._state.write(Snapshot(values, self.kept_weights, self.history))
        self._learned = [variable.numpy() for variable in self.model.trainable_variables]
        self._log_epoch(epoch + 1, row)
        self.model.stop_training = self.is_over()

    def on_train_end(self, logs: Any = None) -> None:
        """Put back what Keras has just replaced by averages: the next phase begins with the weights themselves."""
        _assign(self.model.trainable_variables, self._learned)

    def _publish(self, epoch: int) -> None:
        """Give the evaluated model the weights of the trained one, with statistics that are theirs."""
        averaged = self._config.ema_momentum > 0
        weights = read_weights(self.model, averaged)
        first_averaged = self._config.epochs - round(self._config.average_last_fraction * self._config.epochs)
        if epoch > first_averaged:  # what is kept so far is the mean of the epochs from there
            share, averaged = 1 / (epoch - first_averaged + 1), True
            weights = [old + (new - old) * share for old, new in zip(self.kept_weights, weights, strict=True)]
        self._evaluated.set_weights(weights)
        num_steps = (epoch + 1 - self._first_epoch) * self._task.steps
        if self._config.norm_batches and (averaged or self._norms.is_due(num_steps)):
            for _ in track([0], total=1, what="computing batch statistics", unit="passes"):  # takes long to trace
                self._norms.estimate(self._task.norm_batches)


def _assign(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
