"""Report of the stage `split`: how many patches of each class went where, and what is missing."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from landscribe.charts import draw_bars
from landscribe.files import replacing, write_json
from landscribe.labels import count_classes
from landscribe.splits import SPLITS


def write_split_report(
    folder: Path, splits: Mapping[str, str], labels: Mapping[str, Sequence[str]], classes: Sequence[str]
) -> list[str]:
    """Write the report's files and return warnings, one sentence each.

    Args:
        folder: receives summary.json, class_balance.csv and a picture.
        splits: patch_id -> split.
        labels: patch_id -> classes, of every patch of the index.
        classes: class order.
    """
    members = {split: [patch_id for patch_id in splits if splits[patch_id] == split] for split in SPLITS}
    counts = {split: count_classes((labels[name] for name in members[split]), classes) for split in SPLITS}
    table = pd.DataFrame(counts, index=pd.Index(classes, name="class"))[list(SPLITS)]
    with replacing(folder / "class_balance.csv") as beside:
        table.to_csv(beside)
    warnings = [f"the split {split} is empty" for split in SPLITS if not members[split]]
    warnings += [
        f"{split} holds no patch of: {'; '.join(missing)}"
        for split in SPLITS
        if members[split] and (missing := [name for name in classes if not counts[split][name]])
    ]
    sizes = {split: len(members[split]) for split in SPLITS}
    write_json(
        folder / "summary.json",
        {"num_patches": sizes, "not_in_a_split": len(labels) - len(splits), "warnings": warnings},
    )
    shares = {split: (table[split] / max(1, sizes[split])).tolist() for split in SPLITS}
    draw_bars(folder / "class_balance.png", "Share of each split's patches by class", list(classes), shares, "share")
    return warnings
