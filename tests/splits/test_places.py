"""Which patches touch: equality with brute force, and what the rule across coordinate systems promises."""

from datetime import date, timedelta
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rasterio.warp import transform

from landscribe.splits.places import Pairs, find_near
from landscribe.splits.rectangles import has_place

Facts = dict[tuple[str, str], tuple[bool, bool, bool]]


def list_facts(index: pd.DataFrame, pairs: Pairs) -> Facts:
    """Return (patch_id, patch_id) -> (edge, overlap, same_date)."""
    names = index["patch_id"].to_numpy()
    keys = (tuple(sorted(names[[one, other]])) for one, other in zip(pairs.first, pairs.second, strict=True))
    facts = zip(pairs.edge.tolist(), pairs.overlap.tolist(), pairs.same_date.tolist(), strict=True)
    return dict(zip(keys, facts, strict=True))


def make_located(rng: np.random.Generator, num_patches: int = 120) -> pd.DataFrame:
    """Draw patches of two sizes on the grids of two overlapping tiles of one zone; some places come twice."""
    tile = rng.integers(0, 2, num_patches)
    column, row = rng.integers(0, 9, (2, num_patches))
    days = [None, *(str(date(2017, 6, 13) + timedelta(number)) + "T10:10:31" for number in range(2))]
    return pd.DataFrame(
        {
            "patch_id": [f"patch-{number:03}" for number in range(num_patches)],
            "epsg": 32633,
            "ulx_m": 300_000.0 + tile * 8_760 + column * 1_200,
            "uly_m": 5_400_000.0 + tile * 600 - row * 1_200,
            "size_m": rng.choice([1_200.0, 600.0], num_patches, p=[0.9, 0.1]),
            "acquired_at": [days[number] for number in rng.integers(0, 3, num_patches)],
        }
    )


def find_by_brute_force(index: pd.DataFrame, reach_cells: int) -> Facts:
    """Compare every two rows of one coordinate system, rectangle with rectangle."""
    facts = {}
    for one, other in combinations(index.sort_values("patch_id").itertuples(), 2):
        overlap_x_m = min(one.ulx_m + one.size_m, other.ulx_m + other.size_m) - max(one.ulx_m, other.ulx_m)
        overlap_y_m = min(one.uly_m, other.uly_m) - max(one.uly_m - one.size_m, other.uly_m - other.size_m)
        overlaps_m = sorted([overlap_x_m, overlap_y_m])
        if overlaps_m[0] >= -(reach_cells - 1) * max(one.size_m, other.size_m):
            days = {str(row.acquired_at)[:10] for row in (one, other)}
            same_date = len(days) == 1 and str(one.acquired_at).startswith("2017")
            facts[one.patch_id, other.patch_id] = (overlaps_m[0] >= 0 < overlaps_m[1], overlaps_m[0] > 0, same_date)
    return facts


@pytest.mark.parametrize("reach_cells", [1, 2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_pairs_equal_brute_force(seed: int, reach_cells: int) -> None:
    index = make_located(np.random.default_rng(seed))
    found = list_facts(index, find_near(index, reach_cells))
    expected = find_by_brute_force(index, reach_cells)
    assert found == expected
    assert len(expected) > 100
    assert {facts[:2] for facts in expected.values()} == {(False, False), (True, False), (True, True)}


def test_pairs_are_sorted_once_each_and_do_not_depend_on_the_order_of_rows() -> None:
    index = make_located(np.random.default_rng(1))
    pairs = find_near(index)
    keys = list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    assert keys == sorted(set(keys))
    assert (pairs.first < pairs.second).all()
    shuffled = index.sample(frac=1, random_state=2)
    assert list_facts(shuffled, find_near(shuffled)) == list_facts(index, pairs)


def make_cells(*names: str) -> pd.DataFrame:
    """Return an index that knows granule, column and row alone."""
    parts = [name.rsplit("_", 2) for name in names]
    granule, column, row = zip(*parts, strict=True)
    return pd.DataFrame(
        {"patch_id": names, "granule": granule, "column": np.array(column, int), "row": np.array(row, int)}
    )


def test_cells_are_neighbours_within_their_granule_alone() -> None:
    names = ("A_20170613T1_4_4", "A_20170613T1_5_4", "A_20170613T1_5_5", "B_20170613T1_4_4", "A_20170613T1_6_4")
    pairs = find_near(make_cells(*names))
    found = list(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.edge.tolist(), strict=True))
    assert found == [(0, 1, True), (0, 2, False), (1, 2, True), (1, 4, True), (2, 4, False)]
    assert pairs.same_date.all()
    assert not pairs.overlap.any()


def test_a_granule_and_its_coordinates_give_the_same_pairs() -> None:
    # Three ways to say where 100 patches lie: by cell, by coordinates, and some patches by cell alone.
    cells = make_cells(*(f"G_20170613T101031_{column}_{row}" for column in range(10) for row in range(10)))
    located = cells.assign(
        epsg=32633, ulx_m=300_000.0 + 1_200 * cells["column"], uly_m=5_400_000.0 - 1_200 * cells["row"], size_m=1_200.0
    )
    mixed = located.copy()
    mixed.loc[::7, ["ulx_m", "uly_m"]] = np.nan
    expected = list_facts(cells, find_near(cells, 2))
    assert len(expected) == (44**2 - 100) / 2  # of 10 columns, 44 ordered pairs are at most 2 apart, rows likewise
    assert list_facts(located, find_near(located, 2)) == expected
    assert list_facts(mixed, find_near(mixed, 2)) == expected


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"acquired_at": "2017-06-13T10:10:31"}, {"acquired_at": "2017-06-13 23:59:59"}, True),
        ({"acquired_at": "2017-06-13T10:10:31"}, {"acquired_at": "2017-06-14T10:10:31"}, False),
        ({"acquired_at": "2017-06-13T10:10:31"}, {"granule": "S2A_MSIL2A_20170613T94161"}, True),
        ({"granule": "S2A_MSIL2A_20170613T1"}, {"granule": "S2B_MSIL2A_20170613T2"}, True),
        ({"granule": "without a date"}, {"granule": "without a date"}, True),
        ({"granule": "without a date"}, {"granule": "without another"}, False),
        ({}, {}, False),
        ({"acquired_at": "2017-06-13T10:10:31"}, {}, False),
    ],
)
def test_a_date_comes_from_the_metadata_else_from_the_granule(
    first: dict[str, Any], second: dict[str, Any], same: bool
) -> None:
    place = {"epsg": 32633, "ulx_m": 300_000.0, "uly_m": 5_400_000.0, "size_m": 1_200.0}
    index = pd.DataFrame([place | first, place | second], columns=[*place, "granule", "acquired_at"])
    assert find_near(index).same_date.tolist() == [same]


def make_across(rng: np.random.Generator, latitude: float, num_patches: int) -> pd.DataFrame:
    """Draw pairs of patches about one point in the overlap of zones 33 and 34: one of each zone a pair."""
    parts = []
    for epsg in (32633, 32634):
        (x_m,), (y_m,) = transform("EPSG:4326", f"EPSG:{epsg}", [18.0], [latitude])
        ulx_m, uly_m = rng.uniform(-2_500, 2_500, (2, num_patches)) + np.array([[x_m - 600], [y_m + 600]])
        centre = transform(f"EPSG:{epsg}", "EPSG:4326", (ulx_m + 600).tolist(), (uly_m - 600).tolist())
        parts.append(pd.DataFrame({"epsg": epsg, "ulx_m": ulx_m, "uly_m": uly_m, "size_m": 1_200.0}))
        parts[-1]["longitude"], parts[-1]["latitude"] = centre
    index = pd.concat(parts, ignore_index=True)
    return index.assign(patch_id=[f"{number:04}" for number in range(len(index))])


def list_corners_m(row: Any) -> np.ndarray:
    """Return the corners of a footprint in zone 33, float64 [corner, 2]."""
    xs = [row.ulx_m, row.ulx_m + row.size_m, row.ulx_m + row.size_m, row.ulx_m]
    ys = [row.uly_m, row.uly_m, row.uly_m - row.size_m, row.uly_m - row.size_m]
    return np.column_stack(transform(f"EPSG:{row.epsg}", "EPSG:32633", xs, ys))


def is_meeting(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two convex polygons meet: no edge of either separates them."""
    for polygon in (one, other):
        sides = np.roll(polygon, -1, axis=0) - polygon
        for normal in np.column_stack([-sides[:, 1], sides[:, 0]]):
            if (one @ normal).max() < (other @ normal).min() or (other @ normal).max() < (one @ normal).min():
                return False
    return True


@pytest.mark.parametrize("latitude", [1.0, 42.0, 65.0])
def test_across_zones_near_misses_no_pair_and_edge_claims_none_wrongly(latitude: float) -> None:
    index = make_across(np.random.default_rng(3), latitude, 40)
    found = list_facts(index, find_near(index))
    corners = {row.patch_id: list_corners_m(row) for row in index.itertuples()}
    zones = dict(zip(index["patch_id"], index["epsg"], strict=True))
    across = [(one, other) for one, other in combinations(sorted(zones), 2) if zones[one] != zones[other]]
    meeting = {pair for pair in across if is_meeting(corners[pair[0]], corners[pair[1]])}
    claimed = {pair for pair in across if found.get(pair, (False,))[0]}
    assert meeting <= set(found)
    assert claimed <= meeting
    assert claimed >= {pair for pair in across if found.get(pair, (False, False))[1]}
    assert len(claimed) > len(meeting) / 3


def test_the_date_line_and_the_equator_part_nobody() -> None:
    # The same few metres in two zones, and in the northern and southern halves of one.
    for longitude, latitude, systems in [(180.0, 10.0, (32601, 32660)), (15.0, 0.0, (32633, 32733))]:
        rows = []
        for epsg in systems:
            (x_m,), (y_m,) = transform("EPSG:4326", f"EPSG:{epsg}", [longitude], [latitude])
            rows.append((epsg, x_m - 600, y_m + 600, 1_200.0, longitude if epsg != 32601 else -180.0, latitude))
        columns = ["epsg", "ulx_m", "uly_m", "size_m", "longitude", "latitude"]
        assert find_near(pd.DataFrame(rows, columns=columns)).overlap.tolist() == [True]


@pytest.mark.parametrize("value", [np.nan, np.inf, None])
@pytest.mark.parametrize("column", ["epsg", "ulx_m", "uly_m", "size_m"])
def test_a_patch_without_a_place_is_near_nobody(column: str, value: float | None) -> None:
    index = make_located(np.random.default_rng(4), 30).astype({"epsg": "float64"})
    index[column] = value
    assert not len(find_near(index).first)
    assert not has_place(index).any()


def test_an_index_without_columns_of_places_and_an_empty_one_have_no_pairs() -> None:
    assert not len(find_near(pd.DataFrame({"patch_id": ["a", "b"]})).first)
    assert not len(find_near(make_located(np.random.default_rng(5), 3).iloc[:0]).first)


def test_a_size_of_zero_is_no_place() -> None:
    index = make_located(np.random.default_rng(6), 20).assign(size_m=0.0)
    assert not has_place(index).any()


def test_a_reach_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1; received 0"):
        find_near(make_located(np.random.default_rng(7), 3), 0)
