"""From windows to cells: the mean of the windows that stand behind each."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from landscribe.maps.grid import Grid


@dataclass(frozen=True, kw_only=True)
class RowOfWindows:
    """What is known of one row of windows.

    Attributes:
        scores: float64 [window, class]; NaN where a window was not labelled.
        warning: [window], of the model, or why it was not labelled; empty for nothing.
        nodata, cloud: float64 [window], shares.
        picture: [row, column, 3], pixels of the scene from the row on to that of the next.
    """

    scores: np.ndarray
    warning: np.ndarray
    nodata: np.ndarray
    cloud: np.ndarray
    picture: np.ndarray


@dataclass(frozen=True, kw_only=True)
class RowOfCells:
    """What is known of one row of cells: float64 [cell, class], object [cell], float64 [cell] and [cell]."""

    scores: np.ndarray
    warning: np.ndarray
    nodata: np.ndarray
    cloud: np.ndarray


def make_cells(windows: Mapping[int, RowOfWindows], grid: Grid, row: int) -> RowOfCells:
    """Return one row of cells.

    Args:
        windows: number -> row of windows; those behind this row of cells at least.
        grid: of the scene.
        row: number of the row of cells.
    """
    behind = [windows[number] for number in range(*grid.find_windows(0)[row])]
    ranges = grid.find_windows(1)
    scores = np.stack([one.scores for one in behind])
    labelled = ~np.isnan(scores[..., 0])
    return RowOfCells(
        scores=_average(np.where(labelled[..., None], scores, 0), labelled, ranges),
        warning=np.array([_choose(behind, low, high) for low, high in ranges], object),
        nodata=_average(*_count([one.nodata for one in behind]), ranges)[:, 0],
        cloud=_average(*_count([one.cloud for one in behind]), ranges)[:, 0],
    )


def _count(rows: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    values = np.stack(rows)
    known = ~np.isnan(values)
    return np.where(known, values, 0)[..., None], known


def _average(values: np.ndarray, counted: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """Return [cell, number]: the mean of [row, window, number] over the counted windows of each cell; else NaN."""
    total = _sum_ranges(values.sum(axis=0), ranges)
    count = _sum_ranges(counted.sum(axis=0)[:, None], ranges)
    means: np.ndarray = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return means


def _sum_ranges(values: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """Return [range, number], the sums of [window, number] over ranges, int [range, first and after], none empty."""
    padded = np.concatenate([values, np.zeros((1, values.shape[1]), values.dtype)])  # a range may end with the windows
    sums: np.ndarray = np.add.reduceat(padded, ranges.ravel(), axis=0)[::2]
    return sums


def _choose(behind: list[RowOfWindows], low: int, high: int) -> str:
    """Return the first warning of the labelled windows of a cell; without one, why no window was labelled."""
    places = [(one, number) for one in behind for number in range(low, high)]
    labelled = [(one, number) for one, number in places if not np.isnan(one.scores[number, 0])]
    return next((str(one.warning[number]) for one, number in labelled or places if one.warning[number]), "")
