"""The grid of a map: where the windows lie that a model sees, and which of them stand behind each cell.

All lengths are pixels of the finest band of the scene. A cell is a square of one stride, counted from the upper left
corner of the scene; the last ones may extend past it. A window begins at every cell from which it fits; at the right
and lower edge one more is shifted inwards, so that every pixel is seen. A window stands behind the cells that it covers
whole, as far as they lie in the scene: each cell has at least one.
"""

from dataclasses import dataclass

import numpy as np

from landscribe.core.errors import ArchiveError, LandscribeError


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Windows and cells of a scene.

    Attributes:
        shape_px: rows and columns of the scene.
        window_px: side of a window.
        stride_px: side of a cell, at most that of a window.
    """

    shape_px: tuple[int, int]
    window_px: int
    stride_px: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        rows, columns = (-(-length // self.stride_px) for length in self.shape_px)
        return rows, columns

    def find_starts(self, axis: int) -> np.ndarray:
        """Return where windows begin along an axis (0: rows, 1: columns), int64, ascending."""
        last = self.shape_px[axis] - self.window_px
        starts = np.arange(0, last + 1, self.stride_px)
        return starts if starts[-1] == last else np.append(starts, last)

    def find_windows(self, axis: int) -> np.ndarray:
        """Return int64 [cell, 2]: the first window behind each cell along an axis, and the one after the last."""
        starts = self.find_starts(axis)
        begins = np.arange(self.shape[axis]) * self.stride_px
        ends = np.minimum(begins + self.stride_px, self.shape_px[axis])
        first = np.searchsorted(starts, ends - self.window_px, side="left")
        return np.stack([first, np.searchsorted(starts, begins, side="right")], axis=1)


def make_grid(shape_px: tuple[int, int], window_px: int, stride_px: int | None, coarsest_px: int) -> Grid:
    """Return the grid of a scene.

    Args:
        shape_px: rows and columns of the scene; what is left of a coarsest pixel at its edges is not seen.
        window_px: side of a window.
        stride_px: side of a cell; None: of a window.
        coarsest_px: side of a pixel of the coarsest band: windows begin and end between such pixels.

    Raises:
        ArchiveError: the scene is smaller than a window.
        LandscribeError: the stride is no whole number of coarsest pixels, or longer than a window.
    """
    rows, columns = (length - length % coarsest_px for length in shape_px)
    if min(rows, columns) < window_px:
        raise ArchiveError(
            f"expected a scene of at least one window, {window_px} x {window_px} pixels of its finest band; received"
            f" {shape_px[0]} x {shape_px[1]}. Name a larger scene; `landscribe predict` labels single patches."
        )
    stride_px = window_px if stride_px is None else stride_px
    if not 0 < stride_px <= window_px or stride_px % coarsest_px:
        fitting = range(coarsest_px, window_px + 1, coarsest_px)
        nearest = min(fitting, key=lambda px: abs(px - stride_px))
        raise LandscribeError(
            f"--stride-px {stride_px}: expected a multiple of {coarsest_px} (the side of a pixel of the coarsest band)"
            f" from {coarsest_px} to {window_px} (the side of a window); the nearest is {nearest}."
        )
    return Grid(shape_px=(rows, columns), window_px=window_px, stride_px=stride_px)
