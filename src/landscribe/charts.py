"""Pictures of the reports, in one style: bars, heat maps, lines, galleries. Written as PNG, atomically."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("Agg")  # no display on servers; set before pyplot is loaded

import matplotlib.pyplot as plt

from landscribe.files import replacing

_STYLE = {
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": 110,
    "font.size": 9,
    "grid.color": "#dddddd",
    "savefig.bbox": "tight",
}
COLOURS = {"train": "#4477aa", "val": "#ccbb44", "test": "#ee6677"}  # Paul Tol's bright scheme: colour-blind safe


@contextlib.contextmanager
def figure(path: Path, width: float, height: float) -> Iterator[Any]:
    """Yield matplotlib axes of `width` x `height` inches; save them as PNG when the block ends."""
    with plt.rc_context(_STYLE):
        drawing, axes = plt.subplots(figsize=(width, height))
        try:
            yield axes
            with replacing(path) as beside:
                # No date and no version inside: the same picture gives the same bytes.
                drawing.savefig(beside, metadata={"Software": None})
        finally:
            plt.close(drawing)


def draw_bars(path: Path, title: str, names: Sequence[str], series: Mapping[str, Sequence[float]], unit: str) -> None:
    """Draw horizontal bars: one group a name, one bar a series.

    Args:
        path: PNG to write.
        title: says what is shown.
        names: labels of the groups, top to bottom.
        series: name of the series -> one value a group.
        unit: label of the value axis.
    """
    thickness = 0.8 / len(series)
    with figure(path, 8, 1 + 0.24 * len(names) * max(1, 0.6 * len(series))) as axes:
        for number, (name, values) in enumerate(series.items()):
            offsets = np.arange(len(names)) + (number - (len(series) - 1) / 2) * thickness
            axes.barh(offsets, values, thickness, label=name, color=COLOURS.get(name, f"C{number}"))
        axes.set_yticks(np.arange(len(names)), [shorten(name) for name in names])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set(title=title, xlabel=unit)
        if len(series) > 1:
            axes.legend(frameon=False)


def draw_matrix(path: Path, title: str, names: Sequence[str], values: np.ndarray) -> None:
    """Draw a square matrix of shares in [0, 1], [class, class], as a heat map."""
    side = 3 + 0.26 * len(names)
    with figure(path, side, side) as axes:
        image = axes.imshow(values, vmin=0, vmax=1, cmap="viridis")
        ticks = np.arange(len(names))
        axes.set_xticks(ticks, [shorten(name, 24) for name in names], rotation=90)
        axes.set_yticks(ticks, [shorten(name, 24) for name in names])
        axes.grid(visible=False)
        axes.set_title(title)
        axes.figure.colorbar(image, ax=axes, shrink=0.7)


def draw_lines(path: Path, title: str, x: Sequence[float], series: Mapping[str, Sequence[float]], x_label: str) -> None:
    """Draw one line a series over a common axis."""
    with figure(path, 7, 4) as axes:
        for name, values in series.items():
            axes.plot(x, values, marker="." if len(x) < 40 else None, label=name)
        axes.set(title=title, xlabel=x_label)
        axes.legend(frameon=False)


def shorten(name: str, limit: int = 40) -> str:
    """Return a class name that fits beside a plot."""
    return name if len(name) <= limit else name[: limit - 1].rstrip(" ,") + "…"
