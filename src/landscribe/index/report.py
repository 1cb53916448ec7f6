"""Report of the stage `discover`: the content of the archive, what was left out and why, and example patches."""

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from landscribe.archive.protocol import Archive
from landscribe.core.errors import LandscribeError
from landscribe.core.files import write_csv, write_json
from landscribe.core.multi_hot import encode_multi_hot
from landscribe.core.quarantine import summarise_reasons, write_left_out
from landscribe.figures.charts import draw_bars, draw_histogram, draw_images, draw_matrix
from landscribe.figures.true_colour import choose_colours, to_true_colour
from landscribe.index.ground_size import find_window_m
from landscribe.index.labels import Index, compute_cooccurrence

_NUM_EXAMPLES = 16
_MAX_DRAWN = 100  # a picture cannot show more class names
_EXAMPLE_PX = 256  # of images without a size of their own


def write_discover_report(folder: Path, index: Index, classes: Sequence[str], archive: Archive) -> dict[str, object]:
    """Write the report's files and return its summary.

    Args:
        folder: receives summary.json, class_counts.csv, tiles.csv, left_out.csv and the pictures.
        index: the patches, and those that were left out.
        classes: class order.
        archive: reader of a few patches for the gallery; one that cannot be read is skipped with a note.
    """
    multi_hot = encode_multi_hot(index.table["labels"], classes)
    counts = np.count_nonzero(multi_hot, axis=0)
    by_class = pd.Series(counts, index=pd.Index(classes, name="class"), name="num_patches")
    write_csv(folder / "class_counts.csv", by_class, index=True)
    write_csv(folder / "tiles.csv", _count(index.table, "tile").rename("num_patches").rename_axis("tile"), index=True)
    write_left_out(folder / "left_out.csv", quarantined=index.quarantined, excluded=index.excluded)
    _draw_labels(folder, multi_hot, classes)
    skipped = _draw_examples(folder / "gallery.png", index.table, choose_examples(multi_hot), archive)
    summary = _summarise(index, multi_hot, classes) | ({"not_in_the_gallery": skipped} if skipped else {})
    write_json(folder / "summary.json", summary)
    return summary


def choose_examples(multi_hot: np.ndarray, num_examples: int = _NUM_EXAMPLES) -> list[int]:
    """Return rows to show: classes in turn from the most to the least frequent, each by patches with few other classes.

    Args:
        multi_hot: [patch, class].
        num_examples: maximum number of rows; if there are more classes, they are taken evenly from the ranking.
    """
    counts = np.count_nonzero(multi_hot, axis=0)
    ranked = [int(column) for column in np.argsort(-counts, kind="stable") if counts[column]]
    turns = np.linspace(0, len(ranked) - 1, num_examples).round() if len(ranked) > num_examples else range(num_examples)
    sizes = np.count_nonzero(multi_hot, axis=1)
    free = np.ones(len(multi_hot), bool)
    chosen: list[int] = []
    for number, turn in enumerate(turns):
        carriers = np.flatnonzero(free & (multi_hot[:, ranked[int(turn) % len(ranked)]] > 0))
        if len(carriers):
            purest = carriers[sizes[carriers] == sizes[carriers].min()]
            # Evenly over the sorted names, so that the patches come from different granules.
            chosen.append(int(purest[len(purest) * number // num_examples]))
            free[chosen[-1]] = False
    return chosen


def _summarise(index: Index, multi_hot: np.ndarray, classes: Sequence[str]) -> dict[str, object]:
    sizes, table = np.count_nonzero(multi_hot, axis=1), index.table
    return ({"labels_from": index.labels_from} if index.labels_from else {}) | {
        "num_patches": table.num_rows,
        "num_classes": len(classes),
        "labels_per_patch": {"mean": round(float(sizes.mean()), 3), "max": int(sizes.max())},
        "num_tiles": len(_count(table, "tile")),
        "num_granules": len(_count(table, "granule")),
        "num_with_coordinates": table.num_rows - table["longitude"].null_count,
        "num_with_grid_cell": table.num_rows - table["column"].null_count,
        "not_located": _count(table, "unlocated").to_dict(),
        "window_m": find_window_m(table),
        "countries": _count(table, "country").to_dict(),
        "official_split": _count(table, "official_split").to_dict(),
        "quirks": {name: number for name, number in sorted(index.quirks.items()) if number},
        "quarantined": summarise_reasons(index.quarantined),
        "excluded": summarise_reasons(index.excluded),
        "absent_names": index.absent_names,
        "classes_without_patch": [classes[number] for number in np.flatnonzero(~multi_hot.any(axis=0)).tolist()],
    }


def _count(table: pa.Table, column: str) -> pd.Series:
    """Return value -> number of patches, by value; patches without one are not counted."""
    return table[column].to_pandas().value_counts().sort_index()


def _draw_labels(folder: Path, multi_hot: np.ndarray, classes: Sequence[str]) -> None:
    """Draw how frequent the classes are, which occur together, and how many each patch has."""
    counts, sizes = np.count_nonzero(multi_hot, axis=0), np.count_nonzero(multi_hot, axis=1)
    order = np.argsort(-counts, kind="stable")[:_MAX_DRAWN]
    shown = sorted(order.tolist())
    title = f"Patches by class ({len(multi_hot):,} patches)"
    draw_bars(
        folder / "class_counts.png",
        title if len(shown) == len(classes) else f"{title}: the {len(shown)} most frequent of {len(classes):,} classes",
        [classes[number] for number in order],
        {"patches": counts[order].tolist()},
        "patches",
        "{:,.0f}",
    )
    draw_matrix(
        folder / "cooccurrence.png",
        "Share of the row's patches that also have the column's class",
        [classes[number] for number in shown],
        compute_cooccurrence(multi_hot[:, shown]),
        ("patches with this class", "also carry this class"),
    )
    title = f"Classes of a patch: {sizes.mean():.1f} on average, {sizes.max()} at most"
    draw_histogram(folder / "labels_per_patch.png", title, sizes, "classes", "patches")


def _draw_examples(path: Path, table: pa.Table, rows: Sequence[int], archive: Archive) -> list[str]:
    """Draw the patches of `rows` with their classes; return a note for each that cannot be read."""
    known = archive.bands
    wavelengths_nm = {name: band.wavelength_nm for name, band in known.items() if band.wavelength_nm}
    images, captions, skipped, shown = [], [], [], set()
    for patch in table.take(rows).to_pylist():
        colours = choose_colours([name for name in patch["bands"] or known if name in known], wavelengths_nm)
        bands = [
            replace(band, size_px=band.size_px or _EXAMPLE_PX, dtype=band.dtype or patch["dtype"])
            for band in (known[name] for name in dict.fromkeys(colours))
        ]
        try:
            values = archive.read_patch(patch["path"], patch["s1_path"], bands)
            images.append(to_true_colour(values, wavelengths_nm))
        except (LandscribeError, OSError) as error:
            skipped.append(f"{patch['patch_id']}: {error}")
        else:
            captions.append([*textwrap.wrap(patch["patch_id"], 44), *patch["labels"]])
            shown.add(", ".join(colours))
    draw_images(path, f"Examples of the classes; {' or '.join(sorted(shown))} as red, green, blue", images, captions)
    return skipped
