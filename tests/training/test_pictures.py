"""Pictures of a training: from its files alone."""

from pathlib import Path

from PIL import Image

from landscribe.core.files import write_json
from landscribe.tracking.history import write_history
from landscribe.training.pictures import draw_training


def test_learning_curves_are_drawn_from_the_files_of_train(tmp_path: Path) -> None:
    rows = [{"epoch": epoch, "loss": 1 / epoch, "val_loss": 2 / epoch, "val_macro_ap": 0.1 * epoch} for epoch in (1, 2)]
    write_history(tmp_path / "history.csv", rows)
    write_json(tmp_path / "run.json", {"params": {"train": {"loss": {"name": "focal"}}}})
    draw_training(tmp_path, tmp_path / "drawn")
    with Image.open(tmp_path / "drawn/learning_curves.png") as picture:
        assert picture.width > 300
