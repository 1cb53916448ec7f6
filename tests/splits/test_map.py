"""A map shows every known place, says when there is none, and does not depend on what is unknown."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from landscribe.figures.charts import COLOURS
from landscribe.splits.map import draw_map

SIDE_CELLS = 6


def make_index(num_granules: int = 2) -> pd.DataFrame:
    """Return square granules with cells and degrees."""
    cells = np.indices((num_granules, SIDE_CELLS, SIDE_CELLS)).reshape(3, -1)
    return pd.DataFrame(
        {
            "granule": [f"S2A_MSIL2A_20170613T1010{number:02d}" for number in cells[0]],
            "tile": [f"33U{number:02d}" for number in cells[0]],
            "column": cells[1].astype(float),
            "row": cells[2].astype(float),
            "longitude": 10 + 3 * cells[0] + cells[1] / 60,
            "latitude": 50 - cells[2] / 90,
        }
    )


def make_groups(index: pd.DataFrame) -> pd.Series:
    """Return a group for each row, each of the four in turn."""
    return pd.Series(np.resize(list(COLOURS), len(index)), index=index.index)


def read_pixels(path: Path) -> np.ndarray:
    """Return uint8 [row, column, 3]."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def has_colour(path: Path, group: str) -> bool:
    """Whether a square of 3 x 3 pixels or more shows the group, which no letter does."""
    red, green, blue = bytes.fromhex(COLOURS[group][1:])
    same = (read_pixels(path) == (red, green, blue)).all(axis=-1)
    return bool((same[1:-1, 1:-1] & same[:-2, 1:-1] & same[2:, 1:-1] & same[1:-1, :-2] & same[1:-1, 2:]).any())


UNKNOWN: dict[str, tuple[str, ...]] = {
    "all known": (),
    "cells alone": ("longitude", "latitude", "tile"),
    "degrees alone": ("granule", "column", "row", "tile"),
}


@pytest.mark.parametrize("unknown", UNKNOWN)
def test_a_map_shows_each_split_and_has_the_same_bytes_again(unknown: str, tmp_path: Path) -> None:
    index = make_index()
    for column in UNKNOWN[unknown]:
        index[column] = None if index[column].dtype == object else np.nan
    for name in ("first.png", "second.png"):
        assert draw_map(tmp_path / name, "Patches by split", index, make_groups(index))
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    assert all(has_colour(tmp_path / "first.png", group) for group in COLOURS)


def test_a_group_without_a_patch_is_not_shown(tmp_path: Path) -> None:
    index = make_index()
    draw_map(tmp_path / "map.png", "Patches", index, make_groups(index).replace("left out", "train"))
    assert not has_colour(tmp_path / "map.png", "left out")


def test_without_any_place_the_picture_says_so(tmp_path: Path) -> None:
    index = make_index().assign(longitude=np.nan, latitude=np.nan, granule=None, column=np.nan, row=np.nan, tile=None)
    assert not draw_map(tmp_path / "map.png", "Patches", index, make_groups(index))
    assert read_pixels(tmp_path / "map.png").std() > 1


def test_at_most_twelve_granules_are_shown_whatever_a_name_claims(tmp_path: Path) -> None:
    index = make_index(15).drop(columns=["longitude", "latitude"]).assign(longitude=np.nan, latitude=np.nan)
    index.loc[0, ["column", "row"]] = 2.0e9  # a mistaken name asks for no picture of this size
    assert draw_map(tmp_path / "map.png", "Patches", index, make_groups(index))
    assert max(read_pixels(tmp_path / "map.png").shape) < 1500
