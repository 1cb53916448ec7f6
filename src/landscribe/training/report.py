"""Report of the stage `train`: the history as CSV."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from landscribe.core.files import write_json
from landscribe.models.pretrained import Pretrained
from landscribe.tracking.history import write_history


def write_train_report(folder: Path, history: Sequence[Mapping[str, float]], pretrained: Pretrained | None) -> None:
    """Write history.csv and, where there are any, pretrained.json.

    Args:
        folder: receives the files.
        history: one row per epoch, as `fit.FitResult.history`; its seconds are left out, as no two runs share them.
        pretrained: the weights that the training started from; None for random ones.
    """
    if pretrained:
        write_json(folder / "pretrained.json", pretrained.recipe)
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in history]
    write_history(folder / "history.csv", rows)
