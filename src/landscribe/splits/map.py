"""Maps of the patches by split: their places on Earth, and how the splits mix within the largest granules."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb

from landscribe.figures.charts import COLOURS, draw_note, figure, make_text, put_legend_above
from landscribe.splits.rectangles import explain_unlocated

_GROUPS = tuple(COLOURS)
_MAX_MOSAICS = 12
_MOSAIC_INCHES = 2.2  # two pixels or more for each of a tile's 91 cells
_MOSAICS_A_ROW = 4
_MAX_CELLS = 128  # per side; a tile has 91: only a wrong name has more
_POINTS_A_SIDE = 500  # of the overview: more cannot be distinguished
_MAX_NAMED_TILES = 12  # more names would cover each other
_DATE = re.compile(r"_(\d{4})(\d{2})(\d{2})T")


def draw_map(path: Path, title: str, index: pd.DataFrame, groups: pd.Series) -> bool:
    """Draw an overview by longitude and latitude and mosaics of the largest granules, as far as either is known.

    Args:
        path: PNG to write; if no place is known, with a note that says so.
        title: says what is shown.
        index: one row per patch; columns longitude, latitude, granule, tile, column and row, null where unknown.
            Without any place, `unlocated` says why.
        groups: train, val, test or "left out" for each row of `index`.

    Returns:
        Whether any place is known.
    """
    codes = pd.Categorical(groups, categories=_GROUPS).codes
    located = np.flatnonzero(np.isfinite(index[["longitude", "latitude"]].to_numpy(float)).all(axis=1))
    granules, num_granules = _find_granules(index)
    if not len(located) and not granules:
        why = explain_unlocated(index)
        draw_note(path, title, f"No map: the archive gives neither coordinates nor grid cells of its patches{why}.")
        return False
    if granules:
        which = f"largest {len(granules)} of {num_granules}" if len(granules) < num_granules else num_granules
        title += f"\nSquares: the {which} granules, a cell per patch"
    rows, columns = -(-len(granules) // _MOSAICS_A_ROW), min(len(granules), _MOSAICS_A_ROW)
    widths = (5.4 * bool(len(located)), _MOSAIC_INCHES * columns)
    with figure(path, sum(widths), max(0.9 * widths[0], 1.07 * _MOSAIC_INCHES * rows)) as whole:
        whole.axis("off")
        _write_legend(whole, title, np.bincount(codes, minlength=len(_GROUPS)))
        area = whole.get_subplotspec()
        halves = area.subgridspec(1, 2, width_ratios=widths, wspace=0.1) if all(widths) else (area, area)
        if len(located):
            _draw_overview(whole.figure.add_subplot(halves[0]), index.iloc[located], codes[located])
        for number, (name, members) in enumerate(granules.items()):
            place = halves[1].subgridspec(rows, columns, wspace=0.08, hspace=0.15)[number]
            _draw_mosaic(whole.figure.add_subplot(place), name, index.iloc[members], codes[members])
    return True


def _find_granules(index: pd.DataFrame) -> tuple[dict[str, np.ndarray], int]:
    """Return the granules with most patches, name -> row numbers, largest first; and how many granules there are."""
    cells = index[["column", "row"]].to_numpy(float)
    inside = ((cells >= 0) & (cells < _MAX_CELLS)).all(axis=1)  # false for NaN
    codes, names = pd.factorize(index["granule"].where(inside), sort=True)
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    largest = np.argsort(-sizes, kind="stable")[:_MAX_MOSAICS]
    return {str(names[code]): np.flatnonzero(codes == code) for code in largest}, len(names)


def _draw_mosaic(axes: Any, name: str, patches: pd.DataFrame, codes: np.ndarray) -> None:
    """Draw the cells of one granule, north up, each in the colour of its group."""
    columns, rows = patches["column"].to_numpy(int), patches["row"].to_numpy(int)
    mosaic = np.ones((np.ptp(rows) + 1, np.ptp(columns) + 1, 3))
    mosaic[rows - rows.min(), columns - columns.min()] = _PALETTE[codes]
    axes.imshow(mosaic, interpolation="nearest")
    axes.axis("off")
    axes.set_anchor("NW")
    date, tile = _DATE.search(name), patches["tile"].iloc[0]
    text = f"{tile}  {'-'.join(date.groups())}" if date and isinstance(tile, str) else make_text(name)
    axes.text(0, -0.02, text, transform=axes.transAxes, fontsize=7, va="top")


def _draw_overview(axes: Any, patches: pd.DataFrame, codes: np.ndarray) -> None:
    """Draw one point per patch by degrees; of several at the same place, a random one (the same each time)."""
    order = np.random.default_rng(0).permutation(len(patches))
    patches = patches.assign(longitude=_put_together(patches["longitude"].to_numpy(float)))
    places = patches[["longitude", "latitude"]].to_numpy(float)[order]
    step = max(np.ptp(places, axis=0).max(), 1e-9) / _POINTS_A_SIDE
    _, shown = np.unique(np.floor((places - places.min(axis=0)) / step), axis=0, return_index=True)
    size = np.clip(2000 / len(shown), 1.5, 16)
    axes.scatter(*places[shown].T, size, _PALETTE[codes[order][shown]], marker="s", linewidths=0)
    axes.set(xlabel="longitude", ylabel="latitude")
    axes.set_aspect(1 / np.cos(np.radians(np.clip(places[:, 1].mean(), -80, 80))), adjustable="datalim")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x - 360 * (x > 180):g}°")
    axes.yaxis.set_major_formatter("{x:g}°")
    tiles = patches.groupby("tile", sort=True)[["longitude", "latitude"]].mean()
    for name, place in tiles.iterrows() if len(tiles) <= _MAX_NAMED_TILES else ():
        axes.annotate(make_text(str(name)), place, (5, 5), textcoords="offset points", fontsize=7)


def _put_together(longitude: np.ndarray) -> np.ndarray:
    """Return longitudes from 0 to 360 where that brings them closer together, as on both sides of the antimeridian."""
    eastwards = longitude % 360
    return eastwards if np.ptp(eastwards) < np.ptp(longitude) else longitude


def _write_legend(whole: Any, title: str, counts: np.ndarray) -> None:
    """Write the title, and a legend with the number of patches of each group."""
    for group, count in zip(_GROUPS, counts, strict=True):
        if count:
            label = f"{group} {count:,} ({100 * count / counts.sum():.1f} %)"
            whole.plot([], [], "s", color=COLOURS[group], label=label)
    put_legend_above(whole, title)


_PALETTE = np.array([to_rgb(COLOURS[group]) for group in _GROUPS])  # [group, 3]
