"""A place follows from tile and cell, or from the metadata; both agree on every real patch."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import rasterio
from rasterio.warp import transform

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.archive.locate import locate_patches
from landscribe.archive.protocol import PATCH_SCHEMA, make_patches
from landscribe.core.patch import S2_FOLDER, V2_S1_NAME, V2_S2_NAME
from landscribe.core.tiles import locate_tile

PLACE = ("epsg", "ulx_m", "uly_m", "size_m")


def locate(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the located rows of a table of these facts."""
    names = sorted({name for row in rows for name in row})
    columns = {name: [row.get(name) for row in rows] for name in names}
    columns["patch_id"] = [f"{number:06}" for number in range(len(rows))]
    located = locate_patches(make_patches(columns))
    assert located.schema == PATCH_SCHEMA
    return list(located.to_pylist())


def forget(patches: pa.Table) -> pa.Table:
    """Return the table without the places."""
    for name in PLACE:
        number = patches.schema.get_field_index(name)
        patches = patches.set_column(
            number, patches.schema.field(name), pa.nulls(len(patches), patches.schema.types[number])
        )
    return patches


def check_same_places(patches: pa.Table) -> None:
    """The corner that the JSON gives is the one that tile and cell give."""
    places = patches.select(PLACE)
    assert all(column.null_count == 0 for column in places.columns)
    assert locate_patches(forget(patches)).select(PLACE) == places


def test_tile_and_cell_give_the_corner_that_real_json_has(samples: Path) -> None:
    patches = BigEarthNetV1(samples / "bigearthnet-v1/BigEarthNet-S2", None).read_listing().patches
    assert len(patches) == 4
    check_same_places(patches)


def test_tile_and_cell_give_the_corner_that_the_demo_writes(demo_root: Path) -> None:
    check_same_places(BigEarthNetV1(demo_root / S2_FOLDER, None).read_listing().patches)


def test_tile_and_cell_give_the_corner_of_every_real_tiff_of_v2(samples: Path) -> None:
    paths = sorted((samples / "bigearthnet-v2").rglob("*.tif"))
    assert len(paths) == 2 * 12 + 3 * 2 + 1
    found = [re.fullmatch(V2_S1_NAME if path.name.startswith("S1") else V2_S2_NAME, path.parent.name) for path in paths]
    rows = locate(
        *({"tile": name["tile"], "column": int(name["column"]), "row": int(name["row"])} for name in found if name)
    )
    for path, row in zip(paths, rows, strict=True):
        with rasterio.open(path) as dataset:
            box = dataset.bounds
            assert [row[name] for name in PLACE] == [dataset.crs.to_epsg(), box.left, box.top, box.right - box.left]
            centre = transform(dataset.crs, "EPSG:4326", [(box.left + box.right) / 2], [(box.bottom + box.top) / 2])
        assert (row["longitude"], row["latitude"]) == pytest.approx(np.ravel(centre), abs=1e-6)


@pytest.mark.parametrize("tile", ["33UUP", "31NEA", "31MEV", "53HNV", "01CDM", "33XWH", "19HCC", "36KWD"])
def test_a_tile_lies_in_its_own_zone_and_band(tile: str) -> None:
    """The letters say where: 6 degrees of longitude a zone, 8 of latitude per band. PROJ agrees."""
    (row,) = locate({"tile": tile, "column": 41, "row": 41})
    zone, band = int(tile[:2]), "CDEFGHJKLMNPQRSTUVWX".index(tile[2])
    assert 6 * zone - 186.5 < row["longitude"] < 6 * zone - 179.5
    assert 8 * band - 80.5 < row["latitude"] < 8 * band - 71.5 + 4 * (band == 19)


def test_what_the_metadata_says_stays() -> None:
    given = {"epsg": 32633, "ulx_m": 400000.0, "uly_m": 5300000.0, "size_m": 640.0}
    alone, with_cell, partly, elsewhere = locate(
        given,
        given | {"tile": "33UUP", "column": 3, "row": 4},
        {"ulx_m": 400000.0, "tile": "33UUP", "column": 3, "row": 4},
        {"epsg": 32634, "tile": "33UUP", "column": 3, "row": 4},
    )
    assert {name: alone[name] for name in PLACE} == {name: with_cell[name] for name in PLACE} == given
    assert [partly[name] for name in PLACE] == [32633, 400000, locate_tile("33UUP")[2] - 4800, 1200]
    assert [elsewhere[name] for name in PLACE] == [32634, None, None, None]  # another zone than the tile's


def test_what_cannot_be_known_is_null() -> None:
    rows = locate(
        {},
        {"tile": "99ZZZ", "column": 1, "row": 1},
        {"tile": "33UUP", "column": 1},
        {"epsg": 1, "ulx_m": 0.0, "uly_m": 0.0, "size_m": 1.0},
        {"epsg": -5, "ulx_m": 0.0, "uly_m": 0.0, "size_m": 1.0},
        {"epsg": 32633, "ulx_m": 400000.0, "uly_m": 5300000.0},
        {"epsg": 32633, "ulx_m": float("inf"), "uly_m": float("nan"), "size_m": 1.0},
        {"epsg": 32633, "ulx_m": 1e30, "uly_m": 1e30, "size_m": 1.0},
        {"epsg": 32633, "ulx_m": 400000.0, "uly_m": 5300000.0, "size_m": 1200.0},
    )
    assert [row["longitude"] is not None for row in rows] == [False] * 8 + [True]
    assert [row["latitude"] is not None for row in rows] == [False] * 8 + [True]
    assert rows[2]["ulx_m"] is None
    assert locate_patches(PATCH_SCHEMA.empty_table()).schema == PATCH_SCHEMA
