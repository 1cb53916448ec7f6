"""Report of the stage `split`: classes and places of each split, and what the splits share."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from landscribe.core.files import write_csv, write_json
from landscribe.core.multi_hot import encode_multi_hot
from landscribe.figures.charts import draw_bars, draw_dots, draw_note
from landscribe.splits.assignment import Assignment
from landscribe.splits.config import SPLITS
from landscribe.splits.leakage import Leakage
from landscribe.splits.map import draw_map

_LEFT_OUT = "left out"
_MAX_DRAWN = 100  # classes, the most frequent ones: a picture cannot show more names
_CONTACTS = {
    "4_neighbours_same_date": "share an edge, same date",
    "4_neighbours_other_date": "share an edge, other date",
    "8_neighbours_same_date": "share an edge or corner, same date",
    "8_neighbours_other_date": "share an edge or corner, other date",
    "8_neighbours_any_date": "share an edge or corner, any date",
    "same_place_any_date": "show the same ground, any date",
}


def write_split_report(
    folder: Path, index: pd.DataFrame, assignment: Assignment, leakage: Leakage, classes: Sequence[str]
) -> list[str]:
    """Write the report's files and return all warnings, one sentence each.

    Args:
        folder: receives summary.json, class_balance.csv, leakage.csv and a picture of each, and map.png.
        index: all patches, as `labels.read_index`.
        assignment: the split of each patch.
        leakage: its audit.
        classes: class order.
    """
    groups = index["patch_id"].map(assignment.splits).fillna(_LEFT_OUT)
    warnings = [*assignment.warnings, *leakage.warnings]
    summary = {
        "num_patches": {split: int((groups == split).sum()) for split in SPLITS},
        "not_in_a_split": int((groups == _LEFT_OUT).sum()),
        "left_out": assignment.left_out,
        "leakage": leakage.to_summary(),
        "warnings": warnings,
    }
    write_json(folder / "summary.json", summary)
    _write_balance(folder, index["labels"], groups, classes)
    write_csv(folder / "leakage.csv", leakage.table)
    _draw_leakage(folder / "leakage.png", leakage)
    draw_map(folder / "map.png", "Patches by split", index, groups)
    return warnings


def _write_balance(folder: Path, labels: pd.Series, groups: pd.Series, classes: Sequence[str]) -> None:
    """Write the number of patches of each class in each split, and draw their share of the split."""
    multi_hot = encode_multi_hot(labels, classes)
    counts = {split: np.count_nonzero(multi_hot[groups == split], axis=0) for split in SPLITS}
    table = pd.DataFrame(counts, index=pd.Index(classes, name="class"))
    write_csv(folder / "class_balance.csv", table, index=True)
    order = np.argsort(-sum(counts.values()), kind="stable")[:_MAX_DRAWN]
    shares = {split: (counts[split][order] / max(1, (groups == split).sum())).tolist() for split in SPLITS}
    title = "Share of each split's patches that have a class (hollow: none)"
    draw_dots(folder / "class_balance.png", title, [classes[number] for number in order], shares, "share of the split")


def _draw_leakage(path: Path, leakage: Leakage) -> None:
    """Draw the shares of val and test that touch train and, if lists are given, that a backbone has seen."""
    title = "Val and test patches next to a train patch"
    rows = leakage.table[leakage.table["against"] == "train"].set_index("split")
    shares = 100 * rows[[f"share_{contact}" for contact in _CONTACTS]].astype(float).set_axis(
        _CONTACTS.values(), axis=1
    )
    if leakage.num_seen is not None:
        seen = {split: 100 * number / max(1, leakage.num_patches[split]) for split, number in leakage.num_seen.items()}
        shares["are named in split.seen_lists"] = pd.Series(seen)
    if shares.isna().all(axis=None):
        draw_note(path, title, "Unknown: the archive gives no places, or train or both val and test are empty.")
        return
    series = {split: shares.loc[split].tolist() for split in ("val", "test")}
    draw_bars(path, title, list(shares.columns), series, "% of the split's patches", "{:.1f} %")
