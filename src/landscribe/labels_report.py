"""Report of the stage `discover`: class counts, co-occurrence, quirks met, patches left out and why."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from landscribe.archive.protocol import Listing
from landscribe.charts import draw_bars, draw_matrix
from landscribe.files import replacing, write_json
from landscribe.labels import compute_cooccurrence, count_classes, encode_multi_hot
from landscribe.quarantine import LeftOut, summarise_reasons, write_left_out


def write_discover_report(
    folder: Path, labels: Sequence[Sequence[str]], classes: Sequence[str], listing: Listing, excluded: Sequence[LeftOut]
) -> dict[str, object]:
    """Write the report's files and return its summary.

    Args:
        folder: receives summary.json, class_counts.csv, left_out.csv and two pictures.
        labels: classes of each patch of the index.
        classes: class order.
        listing: what the reader found.
        excluded: sound patches that a rule left out.
    """
    multi_hot = encode_multi_hot(labels, classes)
    counts = count_classes(labels, classes)
    summary: dict[str, object] = {
        "num_patches": len(labels),
        "num_classes": len(classes),
        "labels_per_patch": round(float(multi_hot.sum(axis=1).mean()), 3),
        "quirks": {name: number for name, number in sorted(listing.quirks.items()) if number},
        "quarantined": summarise_reasons(listing.quarantined),
        "excluded": summarise_reasons(excluded),
        "classes_without_patch": [name for name, number in counts.items() if not number],
    }
    write_json(folder / "summary.json", summary)
    write_left_out(folder / "left_out.csv", quarantined=listing.quarantined, excluded=excluded)
    with replacing(folder / "class_counts.csv") as beside:
        pd.DataFrame({"class": counts.keys(), "num_patches": counts.values()}).to_csv(beside, index=False)
    shown = sorted(counts, key=lambda name: -counts[name])
    draw_bars(
        folder / "class_counts.png", "Patches by class", shown, {"patches": [counts[n] for n in shown]}, "patches"
    )
    draw_matrix(
        folder / "cooccurrence.png",
        "Share of the row's patches that also carry the column's class",
        classes,
        np.asarray(compute_cooccurrence(multi_hot)),
    )
    return summary
