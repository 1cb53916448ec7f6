"""From windows to cells."""

import numpy as np
import pytest

from landscribe.maps.cells import RowOfWindows, make_cells
from landscribe.maps.geoparquet import make_polygons
from landscribe.maps.grid import make_grid


def test_a_cell_is_the_mean_of_the_labelled_windows_behind_it() -> None:
    generator = np.random.default_rng(1)
    grid = make_grid((38, 50), 12, 6, 2)
    rows, columns = (len(grid.find_starts(axis)) for axis in (0, 1))
    scores = generator.random((rows, columns, 3))
    scores[generator.random((rows, columns)) < 0.3] = np.nan
    shares = generator.random((2, rows, columns))
    windows = {
        row: RowOfWindows(
            scores=scores[row],
            warning=np.array([f"{row},{column}" for column in range(columns)]),
            nodata=shares[0, row],
            cloud=shares[1, row],
            picture=np.empty((0, 0, 3)),
        )
        for row in range(rows)
    }
    for row in range(grid.shape[0]):
        cells = make_cells(windows, grid, row)
        for column in range(grid.shape[1]):
            low, high = grid.find_windows(0)[row]
            left, right = grid.find_windows(1)[column]
            behind = scores[low:high, left:right].reshape(-1, 3)
            known = behind[~np.isnan(behind[:, 0])]
            expected = known.mean(axis=0) if len(known) else np.full(3, np.nan)
            np.testing.assert_allclose(cells.scores[column], expected)
            assert cells.nodata[column] == pytest.approx(shares[0, low:high, left:right].mean())
            named = [int(part) for part in cells.warning[column].split(",")]
            assert np.isnan(scores[named[0], named[1], 0]) == (not len(known))


def test_polygons_are_the_cells_as_far_as_they_lie_in_the_scene() -> None:
    transform = (10.0, 0.0, 500_000.0, 0.0, -10.0, 6_000_000.0)
    polygons = [make_polygons(transform, row, (130, 250), 120) for row in range(2)]
    assert [len(row) for row in polygons] == [3, 3]
    last = np.frombuffer(polygons[1][2][13:], "<f8").reshape(5, 2)
    assert last.min(axis=0).tolist() == [500_000 + 2400, 6_000_000 - 1300]
    assert last.max(axis=0).tolist() == [500_000 + 2500, 6_000_000 - 1200]
    x, y = last.T
    assert (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() > 0  # counter-clockwise
    assert last[0].tolist() == last[4].tolist()
