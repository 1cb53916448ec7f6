"""Windows and cells of a scene."""

import numpy as np
import pytest

from landscribe.core.errors import ArchiveError, LandscribeError
from landscribe.maps.grid import make_grid

SHAPES = [(120, 120), (1098, 1098), (2196, 2196), (480, 480), (126, 1212), (366, 240)]


@pytest.mark.parametrize("shape_px", SHAPES)
@pytest.mark.parametrize("stride_px", [None, 60, 48, 18])
def test_every_pixel_is_seen_and_every_cell_has_the_windows_that_cover_it_whole(
    shape_px: tuple[int, int], stride_px: int | None
) -> None:
    grid = make_grid(shape_px, 120, stride_px, 6)
    for axis, length in enumerate(grid.shape_px):
        starts = grid.find_starts(axis)
        seen = np.zeros(length, bool)
        for start in starts:
            assert 0 <= start <= length - 120
            seen[start : start + 120] = True
        assert seen.all()
        assert grid.shape[axis] * grid.stride_px >= length > (grid.shape[axis] - 1) * grid.stride_px
        for cell, (first, after) in enumerate(grid.find_windows(axis)):
            low, high = cell * grid.stride_px, min((cell + 1) * grid.stride_px, length)
            behind = [number for number, start in enumerate(starts) if start <= low and high <= start + 120]
            assert behind == list(range(first, after))
            assert behind


def test_windows_of_one_stride_stand_behind_one_cell_each() -> None:
    grid = make_grid((10980, 10980), 120, None, 6)
    assert grid.shape == (92, 92)
    assert grid.find_starts(0)[-2:].tolist() == [10800, 10860]
    assert (np.diff(grid.find_windows(0), axis=1) == 1).all()


@pytest.mark.parametrize("stride_px", [0, -6, 7, 126])
def test_a_stride_that_does_not_fit_is_refused_with_the_nearest_that_does(stride_px: int) -> None:
    with pytest.raises(LandscribeError, match=r"expected a multiple of 6 .* nearest is (\d+)\.") as caught:
        make_grid((1200, 1200), 120, stride_px, 6)
    nearest = int(str(caught.value).rsplit(" ", 1)[1].rstrip("."))
    assert make_grid((1200, 1200), 120, nearest, 6).stride_px == nearest


def test_a_scene_smaller_than_a_window_is_refused() -> None:
    with pytest.raises(ArchiveError, match="at least one window, 120 x 120"):
        make_grid((114, 1200), 120, None, 6)
