"""No pair of patches within the buffer lies in two splits, whatever the units, tiles and dates."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from landscribe.archive.locate import locate_patches
from landscribe.archive.protocol import make_patches
from landscribe.core.errors import ArchiveError, ParamsError
from landscribe.splits.config import SPLITS
from landscribe.splits.leakage import audit
from landscribe.splits.strategies import make_splits
from tests.support.indices import GRANULES, make_config, make_grid, make_index, shuffle

pytestmark = pytest.mark.slow(6)

SIDE = 20  # patches of a tile
TILES = {"33UUP": (32633, 300_000), "33UVP": (32633, 300_000 + 1200 * 17 + 300), "32UQU": (32632, 700_000)}
COUNTRIES = {"33UUP": "Austria", "33UVP": "Serbia", "32UQU": "Switzerland"}


def make_overlapping_tiles() -> pd.DataFrame:
    """Return three tiles at two dates; two of them overlap, a quarter of a patch off each other's grid."""
    rows = []
    for tile, (epsg, left_m) in TILES.items():
        for date in ("20170613", "20180204"):
            column, row = np.indices((SIDE, SIDE)).reshape(2, -1)
            granule = f"S2A_MSIL2A_{date}T101031_N9999_R022_T{tile}"
            cells = pd.DataFrame({"granule": granule, "column": column, "row": row, "tile": tile, "epsg": epsg})
            corner = {"ulx_m": left_m + 1200.0 * column, "uly_m": 5_400_000 - 1200.0 * row, "size_m": 1200.0}
            rows.append(cells.assign(**corner, country=COUNTRIES[tile]))
    patches = pd.concat(rows)
    names = patches["granule"] + "_" + patches["column"].astype(str) + "_" + patches["row"].astype(str)
    patches["patch_id"] = names
    return make_index(**{name: patches[name].tolist() for name in patches})


LOCATED = make_overlapping_tiles()
GRID = make_grid(30)


def check_apart(index: pd.DataFrame, splits: dict[str, str], buffer_cells: int) -> np.ndarray:
    """Compare all pairs; return bool [patch]: near a patch of another split, or itself in none and near one."""
    split = index["patch_id"].map(splits).map({name: number for number, name in enumerate(SPLITS)}).fillna(-1)
    number = split.to_numpy(np.int8)
    if index["epsg"].notna().all():
        plane, corner = index["epsg"].to_numpy(), index[["ulx_m", "uly_m"]].to_numpy() / 1200
    else:
        plane, corner = pd.factorize(index["granule"])[0], index[["column", "row"]].to_numpy()
    near = (np.abs(corner[:, None] - corner).max(axis=2) <= buffer_cells) & (plane[:, None] == plane)
    assert not (near & (number[:, None] != number) & (number[:, None] >= 0) & (number >= 0)).any()
    beside: np.ndarray = (near & (number >= 0)).any(axis=1)
    return beside


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("buffer_cells", [1, 2])
@pytest.mark.parametrize(
    ("index", "unit"), [(LOCATED, "block"), (LOCATED, "tile"), (LOCATED, "country"), (GRID, "block")]
)
def test_no_two_splits_touch(index: pd.DataFrame, unit: str, buffer_cells: int, seed: int) -> None:
    config = make_config("spatial", {"unit": unit, "buffer_cells": buffer_cells}, seed=seed)
    assignment = make_splits(shuffle(index), config)
    beside = check_apart(index, assignment.splits, buffer_cells)
    left_out = ~index["patch_id"].isin(list(assignment.splits))
    assert assignment.left_out == ({"buffer": left_out.sum()} if left_out.any() else {})
    assert beside[left_out].all()  # nothing is left out without need
    assert audit(index, assignment.splits).leak == 0


@pytest.mark.parametrize("unit", ["block", "tile"])
def test_no_two_splits_touch_across_utm_zones(unit: str) -> None:
    column, row = np.indices((SIDE, SIDE)).reshape(2, -1)
    tiles = []
    for tile, epsg, left_m in (("32UQU", 32632, 730_000), ("33UUP", 32633, 300_000)):
        corner = {"ulx_m": left_m + 1200.0 * column, "uly_m": 5_340_000 - 1200.0 * row, "size_m": 1200.0}
        names = [f"{tile}-{c}-{r}" for c, r in zip(column, row, strict=True)]
        tiles.append(pd.DataFrame({"patch_id": names, "tile": tile, "epsg": epsg, **corner}))
    patches = pd.concat(tiles)
    index = locate_patches(make_patches({name: patches[name].tolist() for name in patches})).to_pandas()
    splits = make_splits(index, make_config("spatial", {"unit": unit}, fractions={"val": 0.0, "test": 0.4})).splits
    split = index["patch_id"].map(splits).fillna("none").to_numpy()
    # Centres of two squares nearer than a side: they share ground, however the zones are turned to each other.
    metres = np.column_stack([
        np.radians(index["longitude"]) * np.cos(np.radians(index["latitude"])), np.radians(index["latitude"]),
    ]) * 6_371_000  # fmt: skip
    near = np.linalg.norm(metres[:, None] - metres, axis=2) < 1195
    other_zone = index["epsg"].to_numpy()[:, None] != index["epsg"].to_numpy()
    assert (near & other_zone).sum() > 100
    taken = split != "none"
    assert not (near & (split[:, None] != split) & taken[:, None] & taken).any()
    assert {"train", "test"} <= set(split)
    assert audit(index, splits).leak == 0


def test_fractions_are_met_after_the_buffer() -> None:
    index = make_grid(60)
    for seed in range(5):
        assignment = make_splits(index, make_config("spatial", seed=seed))
        assert assignment.left_out["buffer"] > 0
        values = list(assignment.splits.values())
        shares = [values.count(split) / len(values) for split in SPLITS]
        assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.01)
        assert assignment.warnings == []


def test_named_tiles_are_held_out_whole() -> None:
    assignment = make_splits(LOCATED, make_config("spatial", {"unit": "tile", "test": ["33UVP"], "val": ["32UQU"]}))
    split = LOCATED["patch_id"].map(assignment.splits)
    assert (split[LOCATED["tile"] == "33UVP"] == "test").all()
    assert (split[LOCATED["tile"] == "32UQU"] == "val").all()
    # 33UVP begins at the 17.25th column of 33UUP: columns 17 to 19 yield, at two dates.
    assert assignment.left_out == {"buffer": 3 * SIDE * 2}
    assert assignment.warnings == []


def test_a_split_without_names_is_drawn_beside_the_named_one() -> None:
    splits = make_splits(LOCATED, make_config("spatial", {"unit": "country", "test": ["Austria"]})).splits
    for country in COUNTRIES.values():
        members = LOCATED["patch_id"][LOCATED["country"] == country].map(splits).dropna()
        assert members.nunique() == 1
    assert set(splits.values()) == set(SPLITS)


def test_tiles_that_overlap_share_their_blocks() -> None:
    split = LOCATED["patch_id"].map(make_splits(LOCATED, make_config("spatial")).splits)
    block = [LOCATED["epsg"], LOCATED["ulx_m"] // 6000, LOCATED["uly_m"] // 6000]
    assert split.groupby(block).nunique().max() == 1
    assert LOCATED.groupby(block)["tile"].nunique().max() == 2


def test_granules_stand_for_unknown_tiles() -> None:
    fractions = {"val": 0.0, "test": 0.4}
    assignment = make_splits(GRID, make_config("spatial", {"unit": "tile"}, fractions=fractions))
    assert assignment.left_out == {}  # granules known by cells alone have no common border
    assert len({assignment.splits[f"{granule}_0_0"] for granule in GRANULES}) == 2
    assert assignment.warnings == [
        "test has 50.0% of the patches, 40.0% was requested: whole groups (tile) come no closer",
        "1,800 patches have no tile; they are grouped by granule instead",
    ]


def test_patches_without_a_place_are_left_out() -> None:
    index = GRID.copy()
    index.loc[:2, "column"] = None
    assert make_splits(index, make_config("spatial")).left_out["no place"] == 3
    index = LOCATED.copy()
    index.loc[index["tile"] == "32UQU", "country"] = None
    config = make_config("spatial", {"unit": "country"}, fractions={"val": 0.0, "test": 0.4})
    assert make_splits(index, config).left_out["no country"] == SIDE * SIDE * 2


@pytest.mark.parametrize(
    ("index", "spatial", "error", "message"),
    [
        (make_index(patch_id=["a", "b"]), {}, ArchiveError, "has none. Choose random, stratified or official"),
        (GRID, {"unit": "country"}, ArchiveError, "this archive names none. Choose block"),
        (GRID, {"unit": "tile"}, ArchiveError, "expected at least 3 tiles besides those held out by name; received 2"),
        (GRID, {"block_cells": 15, "buffer_cells": 40}, ArchiveError, "is in the buffer of another split"),
        (LOCATED, {"unit": "tile", "test": ["33UUQ"]}, ParamsError, "received '33UUQ'. Did you mean '33UUP'?"),
        (LOCATED, {"unit": "country", "val": ["Osterreich"]}, ParamsError, "split.spatial.val: expected a country"),
    ],
)
def test_what_cannot_be_held_apart_is_told(
    index: pd.DataFrame, spatial: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        make_splits(index, make_config("spatial", spatial))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
