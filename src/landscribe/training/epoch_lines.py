"""What a training says of its epochs while it runs."""

from collections.abc import Mapping

from landscribe.runtime.progress import make_logger
from landscribe.training.config import EpochLog, TrainConfig


def say_epoch(config: TrainConfig, device: str, log_epoch: EpochLog) -> EpochLog:
    """Return a log of epochs that also writes one line each; the first line says what is trained, and where."""
    logger = make_logger("train")
    logger.info("train: %s on %s, bands %s", config.backbone, device, " ".join(config.bands))
    width = len(str(config.epochs))

    def say(epoch: int, row: Mapping[str, float]) -> None:
        numbers = (width, epoch, config.epochs, row["loss"], row["val_loss"], row["val_macro_ap"], row["seconds"])
        logger.info("epoch %*d/%d  loss %.4f  val loss %.4f  val macro AP %.4f  %.1f s", *numbers)
        log_epoch(epoch, row)

    return say
