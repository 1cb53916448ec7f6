"""Neighbours are found in any units and any system, exactly as the tiles lie; the order of rows changes nothing."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rasterio.transform import Affine
from rasterio.warp import transform

from landscribe.archive import footprints
from landscribe.core.errors import ArchiveError
from landscribe.splits.leakage import audit
from landscribe.splits.map import draw_map
from landscribe.splits.places import find_near
from landscribe.splits.strategies import make_splits
from tests.splits.test_places import is_meeting, list_facts
from tests.support.georeferenced import CELLS, GRIDS, Grid, apply, make_grid_index, write_grid, write_images
from tests.support.indices import make_config, shuffle

pytestmark = pytest.mark.slow(8)

Contacts = dict[tuple[str, str], tuple[bool, bool]]


def list_contacts(index: pd.DataFrame, reach_cells: int = 1) -> Contacts:
    """Return (patch_id, patch_id) -> (edge, overlap)."""
    return {pair: facts[:2] for pair, facts in list_facts(index, find_near(index, reach_cells)).items()}


def expect_contacts(reach_cells: int) -> Contacts:
    """Return the contacts of `CELLS`, by their distances in cells."""
    contacts = {}
    for (one, cell), (other, beside) in combinations(enumerate(CELLS), 2):
        gaps = sorted(abs(mine - theirs) - 1 for mine, theirs in zip(cell, beside, strict=True))
        if gaps[1] <= reach_cells - 1:
            contacts[f"tile_{one:02}", f"tile_{other:02}"] = (gaps[1] <= 0 > gaps[0], gaps[1] < 0)
    return contacts


@pytest.mark.parametrize("kind", GRIDS)
def test_a_grid_has_exactly_the_known_neighbours(tmp_path: Path, kind: str) -> None:
    index = write_grid(tmp_path, GRIDS[kind]).to_pandas()
    for reach_cells in (1, 2):
        assert list_contacts(index, reach_cells) == expect_contacts(reach_cells)
        assert list_contacts(shuffle(index), reach_cells) == expect_contacts(reach_cells)


def test_the_audit_counts_the_neighbours_of_a_grid_and_of_nothing_else(tmp_path: Path) -> None:
    for kind, grid in GRIDS.items():
        (tmp_path / kind).mkdir()
        index = write_grid(tmp_path / kind, grid).to_pandas()
        # Tile 0, the upper left one, is the only one in test; 1, 3 and 4 touch it, the last of them by a corner.
        for train, edge, corner in (([1], 1, 1), ([3], 1, 1), ([4], 0, 1), ([2, 5, 6], 0, 0)):
            splits = {"tile_00": "test"} | {f"tile_{number:02}": "train" for number in train}
            summary = audit(index, splits).to_summary()
            assert summary["num_located"] == {"train": len(train), "val": 0, "test": 1}
            found = (summary["test_4_neighbours_any_date"], summary["test_8_neighbours_any_date"])
            assert found == (edge, corner), (kind, train)
        summary = audit(index, {"tile_11": "test", "tile_13": "train"}).to_summary()
        assert summary["test_same_place_any_date"] == 1


@pytest.mark.parametrize("kind", GRIDS)
def test_the_strategy_spatial_keeps_splits_apart(kind: str) -> None:
    index = make_grid_index(GRIDS[kind], 20, 20)
    assignment = make_splits(index, make_config("spatial"))
    number = {name: [int(part) for part in name.split("_")[1:]] for name in index["patch_id"]}
    placed = sorted(assignment.splits)
    cells = np.array([number[name] for name in placed])
    split = np.array([assignment.splits[name] for name in placed])
    near = np.abs(cells[:, None] - cells).max(axis=2) <= 1
    assert not (near & (split[:, None] != split)).any()
    assert audit(index, assignment.splits).leak == 0
    assert {name: np.count_nonzero(split == name) > 20 for name in ("train", "val", "test")} == {
        "train": True, "val": True, "test": True,
    }  # fmt: skip
    assert make_splits(shuffle(index), make_config("spatial")).splits == assignment.splits


def test_blocks_do_not_depend_on_small_differences_of_size() -> None:
    grid = GRIDS["pixels of EuroSAT"]
    even = make_grid_index(grid, 20, 20)
    uneven = even.copy()
    by = np.random.default_rng(1).choice([0.9999, 1.0, 1.0001], len(even))
    uneven["transform"] = [
        [t[0] * factor, t[1], t[2], t[3], t[4] * factor, t[5]] for t, factor in zip(even["transform"], by, strict=True)
    ]
    left_out = [len(index) - len(make_splits(index, make_config("spatial")).splits) for index in (even, uneven)]
    assert left_out[1] <= 1.1 * left_out[0]


@pytest.mark.parametrize("latitude", [1.0, 42.0, 65.0])
def test_across_systems_near_misses_no_pair_and_edge_claims_none_wrongly(tmp_path: Path, latitude: float) -> None:
    draw, images = np.random.default_rng(3), {}
    (x_m,), (y_m,) = transform("EPSG:4326", "EPSG:32633", [18.0], [latitude])
    for number in range(25):
        right, down = draw.uniform(-0.02, 0.02, 2)
        images[f"d{number:02}"] = ("EPSG:4326", Affine(1e-4, 0, 18 + right, 0, -1e-4, latitude + down), 64, 48)
        right, down = draw.uniform(-2_000, 2_000, 2)
        images[f"u{number:02}"] = ("EPSG:32633", Affine(10.1, 0, x_m + right, 0, -9.9, y_m + down), 64, 64)
    index = write_images(tmp_path, images).to_pandas()
    found = list_contacts(index)
    corners = {}
    for name, (crs, affine, columns, rows) in images.items():
        x, y = apply(affine, np.array([0, columns, columns, 0]), np.array([0, 0, rows, rows]))
        corners[name] = np.column_stack(transform(crs, "EPSG:32633", x, y))
    across = [pair for pair in combinations(sorted(images), 2) if pair[0][0] != pair[1][0]]
    meeting = {pair for pair in across if is_meeting(corners[pair[0]], corners[pair[1]])}
    claimed = {pair for pair in across if found.get(pair, (False,))[0]}
    assert meeting <= set(found)
    assert claimed <= meeting
    assert len(claimed) > len(meeting) / 5


def test_images_of_one_system_meet_whether_square_or_not(tmp_path: Path) -> None:
    square, oblong = GRIDS["squares in metres"], Grid("EPSG:32633", Affine(10, 0, 400_640, 0, -10, 5_300_000), 32, 64)
    images = {
        name: (grid.crs, grid.origin, grid.columns_px, grid.rows_px) for name, grid in (("a", square), ("b", oblong))
    }
    assert list_contacts(write_images(tmp_path, images).to_pandas()) == {("a", "b"): (True, False)}


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_unknown_places_are_explained(tmp_path: Path) -> None:
    images = {f"x{number}": ("EPSG:32633", Affine.identity(), 16, 16) for number in range(4)}
    images["y"] = ("EPSG:32633", Affine(10, 0, 4e5, 0, -20, 5e6), 16, 16)
    index = write_images(tmp_path, images).to_pandas()
    splits = {"x0": "test", "x1": "test", "x2": "train", "x3": "train", "y": "val"}
    why = f"(4 with {footprints.NO_TRANSFORM}; 1 with {footprints.LONG_PIXELS})"
    assert f"no places are known {why}: whether splits touch stays unknown" in audit(index, splits).warnings
    with pytest.raises(ArchiveError) as caught:
        make_splits(index, make_config("spatial"))
    assert f"this archive has none {why}. Choose random" in str(caught.value)
    assert not draw_map(tmp_path / "map.png", "Patches", index, pd.Series("train", index.index))
    images["z"] = ("EPSG:32633", Affine(10, 0, 4e5, 0, -10, 5e6), 16, 16)
    (tmp_path / "more").mkdir()
    index = write_images(tmp_path / "more", images).to_pandas()
    warning = f"5 patches have no known place {why}: they are not in the shares of neighbours"
    assert warning in audit(index, splits | {"z": "train"}).warnings


def test_a_map_is_the_same_whether_longitudes_are_cut_at_the_antimeridian_or_not(tmp_path: Path) -> None:
    index = make_grid_index(GRIDS["degrees across the antimeridian"], 8, 8)
    assert index["longitude"].min() < -179 < 179 < index["longitude"].max()
    for name, table in (("cut.png", index), ("whole.png", index.assign(longitude=index["longitude"] % 360))):
        assert draw_map(tmp_path / name, "Patches", table, pd.Series("train", table.index))
    assert (tmp_path / "cut.png").read_bytes() == (tmp_path / "whole.png").read_bytes()
