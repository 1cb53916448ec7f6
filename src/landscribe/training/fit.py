"""Fitting: one epoch after the other, val macro average precision after each, the best epoch's weights kept."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from landscribe.backend import keras
from landscribe.errors import TrainingError
from landscribe.training.config import EpochLog, TrainConfig
from landscribe.training.optimizers import build_optimizer


class DivergedError(TrainingError):
    """The weights became infinite or no numbers: the learning rate is too high."""


@dataclass
class FitResult:
    """The outcome of a training.

    Attributes:
        history: one row an epoch: epoch (from 1), loss, val_loss, val_macro_ap, learning_rate, seconds.
        best_epoch: the epoch with the best val macro average precision, from 1.
        best_val_macro_ap: its value.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_val_macro_ap: float = -1.0


def fit(
    model: Any,
    train_batches: Any,
    steps: int,
    evaluate: Callable[[Any], Mapping[str, float]],
    config: TrainConfig,
    log_epoch: EpochLog,
) -> FitResult:
    """Train the model in place; it ends with the weights that `config.keep` names.

    Args:
        model: Keras model of logits, not compiled.
        train_batches: dataset of (bands, multi_hot) over `config.epochs` x `steps` batches.
        steps: batches an epoch.
        evaluate: model -> {"val_loss", "val_macro_ap"}, measured on the whole val split.
        config: section `train`.
        log_epoch: receives (epoch from 1, row of the history) after each epoch.
    """
    model.compile(
        optimizer=build_optimizer(config, model, steps),
        loss=keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=config.label_smoothing),
    )
    watcher = _BestEpoch(evaluate, config.early_stopping_epochs, log_epoch)
    model.fit(train_batches, steps_per_epoch=steps, epochs=config.epochs, callbacks=[watcher], verbose=0, shuffle=False)
    if config.keep == "best":
        model.set_weights(watcher.best_weights)
    return watcher.result


class _BestEpoch(keras.callbacks.Callback):  # type: ignore[misc]
    """Evaluates after each epoch, keeps the best weights in memory, stops when nothing gets better."""

    def __init__(
        self, evaluate: Callable[[Any], Mapping[str, float]], patience_epochs: int, log_epoch: EpochLog
    ) -> None:
        super().__init__()
        self.result = FitResult()
        self.best_weights: list[Any] = []
        self._evaluate, self._patience_epochs, self._log_epoch = evaluate, patience_epochs, log_epoch
        self._began = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the epoch's clock."""
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Evaluate, remember, report, perhaps stop."""
        row = {
            "epoch": epoch + 1,
            "loss": float((logs or {})["loss"]),
            **self._evaluate(self.model),
            "learning_rate": float(self.model.optimizer.learning_rate),
            "seconds": time.monotonic() - self._began,
        }
        self.result.history.append(row)
        if row["val_macro_ap"] > self.result.best_val_macro_ap:
            self.result.best_epoch, self.result.best_val_macro_ap = epoch + 1, row["val_macro_ap"]
            self.best_weights = self.model.get_weights()
        self._log_epoch(epoch + 1, row)
        waited = epoch + 1 - self.result.best_epoch
        self.model.stop_training = 0 < self._patience_epochs <= waited
