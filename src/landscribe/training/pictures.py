"""Pictures of a training, drawn from what the stage `train` wrote."""

from pathlib import Path

from landscribe.core.files import read_json
from landscribe.figures.charts import draw_panels
from landscribe.tracking.history import read_history


def draw_training(report_dir: Path, folder: Path) -> None:
    """Draw learning_curves.png: both losses, each named by its formula, and val macro average precision by epoch.

    Args:
        report_dir: of the stage `train`: history.csv and run.json.
        folder: receives the picture.
    """
    rows = read_history(report_dir / "history.csv")
    loss = read_json(report_dir / "run.json")["params"]["train"]["loss"]["name"]
    panels = {
        "loss": {f"train: {loss}": "loss", "val: binary cross-entropy": "val_loss"},
        "macro average precision": {"val": "val_macro_ap"},
    }
    series = {
        label: {name: [row[column] for row in rows] for name, column in columns.items()}
        for label, columns in panels.items()
    }
    draw_panels(folder / "learning_curves.png", "Learning curves", [row["epoch"] for row in rows], series, "epoch")
