"""Report of the stage `train`: the history as CSV and as learning curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from landscribe.charts import draw_panels
from landscribe.files import write_json
from landscribe.history import write_history
from landscribe.models.pretrained import Pretrained
from landscribe.progress import make_logger
from landscribe.training.config import EpochLog, TrainConfig


def write_train_report(folder: Path, history: Sequence[Mapping[str, float]], pretrained: Pretrained | None) -> None:
    """Write history.csv, learning_curves.png and, where there are any, pretrained.json.

    Args:
        folder: receives the files.
        history: one row an epoch, as `fit.FitResult.history`; its seconds are left out, as no two runs share them.
        pretrained: the weights that the training started from; None for random ones.
    """
    if pretrained:
        write_json(folder / "pretrained.json", pretrained.recipe)
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in history]
    write_history(folder / "history.csv", rows)
    panels = {"loss": ("loss", "val_loss"), "macro average precision": ("val_macro_ap",)}
    series = {label: {name: [row[name] for row in rows] for name in names} for label, names in panels.items()}
    draw_panels(folder / "learning_curves.png", "Learning curves", [row["epoch"] for row in rows], series, "epoch")


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
