"""The ground that a patch covers."""

import numpy as np
import pyarrow as pa
import pytest

from landscribe.index.ground_size import find_window_m


def _make_table(sizes_m: list[float | None], footprints: list[list[float] | None]) -> pa.Table:
    return pa.table(
        {"size_m": pa.array(sizes_m, pa.float64()), "footprint": pa.array(footprints, pa.list_(pa.float64()))}
    )


def _make_footprint(latitude: float, side_m: float) -> list[float]:
    dy = side_m / 111_320
    dx = dy / np.cos(np.radians(latitude))
    return [10, latitude + dy, 10 + dx, latitude + dy, 10 + dx, latitude, 10, latitude]


def test_the_side_is_that_of_squares_and_of_footprints() -> None:
    assert find_window_m(_make_table([1200.0] * 5, [None] * 5)) == 1200
    found = find_window_m(_make_table([None] * 3, [_make_footprint(latitude, 640) for latitude in (0, 45, 60)]))
    assert found == pytest.approx(640, rel=0.01)


def test_images_without_a_place_or_of_several_scales_have_none() -> None:
    assert find_window_m(_make_table([None] * 3, [None] * 3)) is None
    assert find_window_m(_make_table([None] * 3 + [640.0], [None] * 4)) is None
    assert find_window_m(_make_table([640.0, 320.0] * 5, [None] * 10)) is None
