"""Output of a training: one line per epoch, and the progress within the epoch."""

from collections.abc import Mapping
from typing import Any

from landscribe.pipeline.backend import keras
from landscribe.runtime.progress import Meter, make_logger
from landscribe.training.config import EpochLog, TrainConfig


def log_lines(config: TrainConfig, device: str, log_epoch: EpochLog) -> EpochLog:
    """Return a log of epochs that also writes one line each; the first line says what is trained, and where."""
    logger = make_logger("train")
    logger.info("train: %s on %s, bands %s", config.backbone, device, " ".join(config.bands))
    width = len(str(config.epochs))

    def log(epoch: int, row: Mapping[str, float]) -> None:
        numbers = (width, epoch, config.epochs, row["loss"], row["val_loss"], row["val_macro_ap"], row["seconds"])
        logger.info("epoch %*d/%d  loss %.4f  val loss %.4f  val macro AP %.4f  %.1f s", *numbers)
        log_epoch(epoch, row)

    return log


class EpochMeter(keras.callbacks.Callback):  # type: ignore[misc]
    """Shows how far the epoch is: a bar in a terminal, a line now and then in a log.

    Args:
        what: is trained, e.g. "training".
        epochs: of the whole training.
        steps: batches per epoch.
    """

    async_safe = True  # it reads no logs, so that Keras need not wait for those of each batch

    def __init__(self, what: str, epochs: int, steps: int) -> None:
        super().__init__()
        self._what, self._epochs, self._steps = what, epochs, steps
        self._meter: Meter | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin with an empty bar."""
        self._meter = Meter(self._steps, f"{self._what}, epoch {epoch + 1} of {self._epochs}", "batches")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move it on by one batch."""
        if self._meter:
            self._meter.advance()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Remove it before the epoch is evaluated."""
        if self._meter:
            self._meter.close()
