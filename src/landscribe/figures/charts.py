"""Pictures of the reports, in one style: bars, dots, heat maps, lines, galleries. Written as PNG, atomically."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("Agg")  # no display on servers; set before pyplot is loaded

import matplotlib.pyplot as plt

from landscribe.core.files import replacing

_STYLE = {
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "figure.dpi": 110,
    "font.size": 9,
    "grid.color": "#dddddd",
    "savefig.bbox": "tight",
}
# Paul Tol's bright scheme, colour-blind safe (https://personal.sron.nl/~pault/); grey for what is left out.
COLOURS = {"train": "#4477aa", "val": "#ccbb44", "test": "#ee6677", "left out": "#bbbbbb"}
_IMAGES_A_ROW = 4
_WRITTEN_SHARE = 0.1  # in a cell of a matrix
_IMAGE_INCHES = 3.0
_LINE_INCHES = 0.115  # of a caption
_TITLE_INCHES = 0.35


@contextlib.contextmanager
def figure(path: Path, width: float, height: float, rows: int = 1, columns: int = 1) -> Iterator[Any]:
    """Yield matplotlib axes of `width` x `height` inches; save them as PNG when the block ends.

    With more than one row or column the axes are an array [row, column].
    """
    with plt.rc_context(_STYLE):
        drawing, axes = plt.subplots(rows, columns, figsize=(width, height))
        try:
            yield axes
            with replacing(path) as beside:
                # No date and no version inside: the same picture gives the same bytes.
                drawing.savefig(beside, metadata={"Software": None})
        finally:
            plt.close(drawing)


def draw_bars(
    path: Path,
    title: str,
    names: Sequence[str],
    series: Mapping[str, Sequence[float]],
    unit: str,
    value_format: str | None = None,
) -> None:
    """Draw horizontal bars: one group per name, one bar per series.

    Args:
        path: PNG to write.
        title: says what is shown.
        names: labels of the groups, top to bottom.
        series: name of the series -> one value per group; NaN is unknown.
        unit: label of the value axis.
        value_format: writes each value next to its bar, e.g. "{:,.0f}"; None: no numbers.
    """
    thickness = 0.8 / len(series)
    with figure(path, 8, 1 + 0.24 * len(names) * max(1, 0.6 * len(series))) as axes:
        for number, (name, values) in enumerate(series.items()):
            offsets = np.arange(len(names)) + (number - (len(series) - 1) / 2) * thickness
            colour = COLOURS.get(name, f"C{number}" if len(series) > 1 else COLOURS["train"])
            bars = axes.barh(offsets, np.nan_to_num(values), thickness, label=make_text(name), color=colour)
            if value_format:
                words = ["unknown" if np.isnan(value) else value_format.format(value) for value in values]
                axes.bar_label(bars, words, padding=3, fontsize=7.5)
        _name_rows(axes, names)
        axes.set(title=title, xlabel=unit)
        if all(np.isnan(value) or value == 0 for values in series.values() for value in values):
            axes.set_xlim(0, 1)  # an axis around zero would show negative numbers of patches
        if len(series) > 1:
            put_legend_above(axes, title)


def draw_dots(path: Path, title: str, names: Sequence[str], series: Mapping[str, Sequence[float]], unit: str) -> None:
    """Draw shares over a logarithmic axis: one row per name, one dot per series; a hollow dot at the left end is zero.

    Args:
        path: PNG to write.
        title: says what is shown.
        names: labels of the rows, top to bottom.
        series: name of the series -> one share in [0, 1] per row.
        unit: label of the value axis.
    """
    above = [value for values in series.values() for value in values if value > 0]
    low, high = (min(above) / 2, max(above) * 1.2) if above else (0.1, 1)
    with figure(path, 8, 1.2 + 0.24 * len(names)) as axes:
        for number, (name, values) in enumerate(series.items()):
            shares = np.asarray(values, float)
            offsets = np.arange(len(names)) + (number - (len(series) - 1) / 2) * 0.24
            style = {"color": COLOURS.get(name, f"C{number}"), "markersize": 4.5, "clip_on": False, "zorder": 3}
            some = shares > 0
            axes.plot(shares[some], offsets[some], "o", label=make_text(name), **style)
            if not some.all():
                axes.plot(np.full((~some).sum(), low), offsets[~some], "o", markerfacecolor="white", **style)
        axes.set(xlabel=unit, xscale="log", xlim=(low, high))
        axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
        _name_rows(axes, names)
        axes.grid(axis="y")
        put_legend_above(axes, title)


def draw_intervals(
    path: Path,
    title: str,
    names: Sequence[str],
    values: Sequence[float],
    ends: np.ndarray,
    baseline: Sequence[float],
    unit: str,
) -> None:
    """Draw one dot with its interval per row, and a bar up to the baseline.

    Args:
        path: PNG to write.
        title: says what is shown.
        names: labels of the rows, top to bottom.
        values: one number in [0, 1] per row.
        ends: float [row, 2], of the interval; NaN where it is unknown.
        baseline: one number in [0, 1] per row.
        unit: label of the value axis.
    """
    rows = np.arange(len(names))
    with figure(path, 8, 1.3 + 0.24 * len(names)) as axes:
        axes.barh(rows, baseline, 0.7, color=COLOURS["left out"], label="prior")
        axes.hlines(rows, *np.asarray(ends).T, color=COLOURS["train"], linewidth=1.5, label="interval")
        axes.plot(values, rows, "o", color=COLOURS["train"], markersize=4.5, label="model")
        _name_rows(axes, names)
        axes.set(xlabel=unit, xlim=(0, 1.01))
        put_legend_above(axes, title)


def _name_rows(axes: Any, names: Sequence[str]) -> None:
    """Write the names at the rows 0, 1, ... from top to bottom."""
    axes.set_yticks(np.arange(len(names)), [make_text(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)


def put_legend_above(axes: Any, title: str) -> None:
    """Write the title and, between it and the axes, the legend: it does not cover any value there."""
    axes.set_title(title, pad=26)
    style = {"borderaxespad": 0.6, "borderpad": 0, "columnspacing": 1.5, "handlelength": 1.2}
    axes.legend(frameon=False, ncols=6, loc="lower left", bbox_to_anchor=(0, 1), **style)


def draw_histogram(path: Path, title: str, values: np.ndarray, unit: str, count_unit: str) -> None:
    """Draw how often each integer occurs in `values`, which has one or more numbers from 0."""
    counts = np.bincount(values)
    numbers = np.arange(values.min(), len(counts))
    with figure(path, max(4, 0.55 * len(numbers) + 1), 3.2) as axes:
        bars = axes.bar(numbers, counts[numbers], 0.85, color=COLOURS["train"])
        axes.bar_label(bars, [f"{count:,}" for count in counts[numbers]], padding=2, fontsize=7)
        axes.set(title=title, xlabel=unit, ylabel=count_unit)
        axes.set_xticks(numbers)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.grid(axis="x", visible=False)


def draw_matrix(
    path: Path,
    title: str,
    names: Sequence[str],
    values: np.ndarray,
    labels: tuple[str, str],
    row_names: Sequence[str] | None = None,
) -> None:
    """Draw a square matrix of shares in [0, 1], [class, class], as a heat map from light to dark.

    Args:
        path: PNG to write.
        title: says what is shown.
        names: of the classes.
        values: float [row, column]; NaN is unknown and grey. The largest one has the darkest colour; those from 10 %
            on are written into their cells.
        labels: of the axis of the rows and of that of the columns.
        row_names: names of the rows, where they say more than `names`.
    """
    side = 3 + 0.26 * len(names)
    highest = float(np.nanmax(values, initial=0)) or 1.0
    with figure(path, side, side) as axes:
        axes.set_facecolor("#eeeeee")
        image = axes.imshow(values, vmin=0, vmax=highest, cmap="Blues")
        ticks = np.arange(len(names))
        axes.set_xticks(ticks, [make_text(name, 24) for name in names], rotation=90)
        axes.set_yticks(ticks, [make_text(name) for name in row_names or [shorten(name, 24) for name in names]])
        for row, column in np.argwhere(values >= _WRITTEN_SHARE):
            share = values[row, column]
            colour = "white" if share > 0.6 * highest else "black"
            axes.text(column, row, f"{100 * share:.0f}", color=colour, fontsize=6, ha="center", va="center")
        axes.grid(visible=False)
        axes.set(title=title, ylabel=labels[0], xlabel=labels[1])
        axes.figure.colorbar(image, ax=axes, shrink=0.7, label="share in %", format=lambda share, _: f"{100 * share:g}")


def tick_whole_numbers(axes: Any) -> None:
    """Let the horizontal axis, of epochs or trials, have ticks at whole numbers alone, also where there is only one."""
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def draw_panels(
    path: Path, title: str, x: Sequence[float], panels: Mapping[str, Mapping[str, Sequence[float]]], x_label: str
) -> None:
    """Draw lines in panels one above the other, over a common axis of whole numbers.

    Args:
        path: PNG to write.
        title: says what is shown.
        x: places of the values, e.g. epochs.
        panels: label of a panel's value axis -> name of a series -> one value per place.
        x_label: label of the common axis.
    """
    with figure(path, 7, 1 + 3 * len(panels), rows=len(panels)) as grid:
        for axes, (label, series) in zip(np.atleast_1d(grid), panels.items(), strict=True):
            for name, values in series.items():
                axes.plot(x, values, marker="." if len(x) < 40 else None, label=make_text(name))
            tick_whole_numbers(axes)
            axes.set(ylabel=label)
            axes.legend(frameon=False)
        np.atleast_1d(grid)[0].set_title(title)
        axes.set_xlabel(x_label)


def draw_images(path: Path, title: str, images: Sequence[np.ndarray], captions: Sequence[Sequence[str]]) -> None:
    """Draw images with the lines of their captions above, four per row.

    Args:
        path: PNG to write.
        title: says what is shown.
        images: uint8 [row, column, 3] each; their sizes may differ.
        captions: lines of text of each image.
    """
    if not images:
        draw_note(path, title, "No picture: not one patch could be read.")
        return
    rows = -(-len(images) // _IMAGES_A_ROW)
    caption_inches = _LINE_INCHES * (1 + max(len(caption) for caption in captions))
    height = _TITLE_INCHES + rows * (caption_inches + _IMAGE_INCHES)
    with figure(path, 1.03 * _IMAGE_INCHES * _IMAGES_A_ROW, height, rows, _IMAGES_A_ROW) as grid:
        for axes in grid.flat:
            axes.axis("off")
        for axes, image, caption in zip(grid.flat, images, captions, strict=False):
            axes.imshow(image)
            axes.set_title("\n".join(make_text(line, 48) for line in caption), fontsize=6.5, pad=3)
        drawing = grid.flat[0].figure
        drawing.suptitle(title, x=0, y=1, ha="left", va="top", fontsize=11)
        # Own layout: that of matplotlib lets the captions of the second row overlap the first row.
        top = 1 - (_TITLE_INCHES + caption_inches) / height
        drawing.subplots_adjust(0, 0, 1, top, wspace=0.04, hspace=caption_inches / _IMAGE_INCHES)


def draw_note(path: Path, title: str, note: str) -> None:
    """Draw a picture with a note that says why there is none."""
    with figure(path, 8, 1.2) as axes:
        axes.axis("off")
        axes.set_title(title)
        axes.text(0, 0.5, make_text(note, 400), transform=axes.transAxes, va="center", wrap=True)


def make_text(name: str, limit: int = 40) -> str:
    r"""Return a name in a form that matplotlib shows literally, shortened.

    matplotlib would set `$x$` as a formula and omit names with a leading `_` from legends: `$` becomes `\$`, and a
    space is put before `_`.
    """
    short = shorten(name, limit)
    return (" " if short.startswith("_") else "") + short.replace("$", r"\$")


def shorten(name: str, limit: int) -> str:
    """Return a name of at most `limit` characters."""
    return name if len(name) <= limit else name[: limit - 1].rstrip(" ,") + "…"
