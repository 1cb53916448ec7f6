"""A footprint is where rasterio says, to a tenth of a pixel; what has none says why."""

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rio.main import main_group
from rasterio.transform import Affine
from rasterio.warp import transform

from landscribe.archive import footprints
from landscribe.archive.image import PLANET_BAND_ORDER, inspect_image
from landscribe.archive.locate import locate_patches
from landscribe.archive.protocol import make_patches
from tests.support.georeferenced import GRIDS, NO_CODE, Grid, apply, write_grid, write_images
from tests.support.paths import ROOT

UTM = Affine(10, 0, 400_000, 0, -10, 5_300_000)
DEGREES = Affine(1e-4, 0, 14.3, 0, -1e-4, 48.3)


def to_pixels(dataset: rasterio.DatasetReader, degrees: np.ndarray) -> np.ndarray:
    """Return columns and rows, [point, 2], of longitude and latitude, [point, 2]."""
    expected = np.array(transform(dataset.crs, "EPSG:4326", *apply(dataset.transform, *middle(dataset))))
    turns = 360 * np.round((expected[0] - degrees[:, 0]) / 360)
    back = transform("EPSG:4326", dataset.crs, degrees[:, 0] + turns, degrees[:, 1])
    return np.column_stack([*apply(~dataset.transform, *map(np.array, back))])


def middle(dataset: rasterio.DatasetReader) -> tuple[np.ndarray, np.ndarray]:
    """Return column and row of the centre, [1] each."""
    return np.array([dataset.width / 2]), np.array([dataset.height / 2])


@pytest.mark.parametrize("kind", GRIDS)
def test_corners_and_centre_are_located_to_a_tenth_of_a_pixel(tmp_path: Path, kind: str) -> None:
    for row in write_grid(tmp_path, GRIDS[kind]).to_pylist():
        assert row["unlocated"] is None
        corners = np.reshape(row["footprint"], (4, 2))
        assert np.abs(corners[:, 0]).max() <= 180
        with rasterio.open(tmp_path / "images" / row["path"]) as dataset:
            width, height = dataset.width, dataset.height
            expected = [[0, 0], [width, 0], [width, height], [0, height], [width / 2, height / 2]]
            centre = [[row["longitude"], row["latitude"]]]
            found = to_pixels(dataset, np.concatenate([corners, centre]))
        np.testing.assert_allclose(found, expected, atol=0.1)


def test_the_real_tiles_of_eurosat_are_located(samples: Path) -> None:
    for path in sorted((samples / "eurosat-ms").glob("*.tif")):
        with rasterio.open(path) as dataset:
            columns = {"patch_id": ["x"], "crs": [dataset.crs.to_wkt()], "transform": [dataset.transform[:6]]}
            table = make_patches({**columns, "rows_px": [dataset.height], "columns_px": [dataset.width]})
            (row,) = locate_patches(table).to_pylist()
            found = to_pixels(dataset, np.reshape(row["footprint"], (4, 2)))
            np.testing.assert_allclose(found, [[0, 0], [64, 0], [64, 64], [0, 64]], atol=0.1)


UNLOCATED: dict[str, tuple[str | None, Affine]] = {
    footprints.NO_GEOREFERENCE: (None, Affine.identity()),
    footprints.NO_TRANSFORM: ("EPSG:32633", Affine.identity()),
    footprints.NO_CRS: (None, UTM),
    footprints.NO_AREA: ("EPSG:32633", Affine(10, 0, 400_000, 0, 0, 5_300_000)),
    footprints.SHEARED: ("EPSG:32633", Affine(10, 3, 400_000, 0, -10, 5_300_000)),
    footprints.LONG_PIXELS: ("EPSG:32633", Affine(10, 0, 400_000, 0, -15.1, 5_300_000)),
    footprints.UNKNOWN_CRS: ('LOCAL_CS["site",UNIT["metre",1]]', UTM),
    footprints.OUTSIDE: ("EPSG:4326", Affine(10, 0, 400_000, 0, -10, 5_300_000)),
}


@pytest.mark.parametrize("reason", UNLOCATED)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_what_has_no_place_says_why(tmp_path: Path, reason: str) -> None:
    images = {"with": ("EPSG:32633", UTM, 64, 64), "without": (*UNLOCATED[reason], 64, 64)}
    located, unlocated = write_images(tmp_path, images).to_pylist()
    assert located["unlocated"] is None
    assert unlocated["unlocated"] == reason
    assert [unlocated[name] for name in ("longitude", "latitude", "footprint")] == [None] * 3


@pytest.mark.parametrize(
    ("crs", "affine"),
    [
        ("EPSG:32633", Affine(10, 0, 5e5, 0, -10, 2e7)),  # beyond the pole, where UTM comes down again
        ("EPSG:3857", Affine(10, 0, 3e7, 0, -10, 0)),  # more than half a turn
        ("EPSG:4326", Affine(1e-3, 0, 14, 0, -1e-3, 90.01)),
        ("EPSG:4269", Affine(1e-3, 0, 361, 0, -1e-3, 50)),
        ("EPSG:32633", Affine(10, 0, 1e30, 0, -10, 1e30)),
        ("EPSG:3035", Affine(10, 0, 1e9, 0, -10, 1e9)),
    ],
)
def test_a_point_outside_the_domain_is_no_place(crs: str, affine: Affine) -> None:
    assert locate(crs, affine) == footprints.OUTSIDE


@pytest.mark.parametrize(
    ("crs", "affine", "reason"),
    [
        ("EPSG:32633", Affine(15, 0, 4e5, 0, -10, 5.3e6), None),
        ("EPSG:32633", Affine(15.1, 0, 4e5, 0, -10, 5.3e6), footprints.LONG_PIXELS),
        (NO_CODE, Affine(10, 0, 0, 0, -30, 0), footprints.LONG_PIXELS),
        ("EPSG:4326", Affine(1e-4, 0, 14, 0, -1e-4, 70), None),  # 2.9 times as long as wide on the ground
        ("EPSG:4326", Affine(2.9e-4, 0, 14, 0, -1e-4, 70), None),  # square on the ground
        ("EPSG:4326", Affine(2.9e-4, 0, 14, 0, -1e-4, 10), footprints.LONG_PIXELS),
    ],
)
def test_long_pixels_are_those_that_are_long_in_their_own_units_and_on_the_ground(
    crs: str, affine: Affine, reason: str | None
) -> None:
    assert locate(crs, affine) == reason


def locate(crs: str, affine: Affine) -> str | None:
    """Return why an image has no place; it stands beside one that has."""
    columns = {"patch_id": ["a", "b"], "rows_px": [64, 64], "columns_px": [64, 64]}
    places = {"crs": [crs, crs], "transform": [affine[:6], GOOD.get(crs, affine)[:6]]}
    reasons = locate_patches(make_patches(columns | places))["unlocated"].to_pylist()
    assert crs not in GOOD or reasons[1] is None
    return str(reasons[0]) if reasons[0] else None


GOOD = {"EPSG:32633": UTM, "EPSG:4326": DEGREES, "EPSG:4269": DEGREES, NO_CODE: GRIDS["a system without a code"].origin}


@pytest.mark.parametrize("reason", UNLOCATED)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning", "ignore::PendingDeprecationWarning")
def test_the_remedy_of_the_documentation_works(tmp_path: Path, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    documented = (ROOT / "docs/archive_quirks.md").read_text(encoding="utf-8")
    (remedy,) = re.findall(rf"^\| {re.escape(reason)} \|.*`rio (.+?)`", documented, re.MULTILINE)
    write_images(tmp_path, {"x": (*UNLOCATED[reason], 64, 64)})
    monkeypatch.chdir(tmp_path / "images")
    if reason == footprints.NO_GEOREFERENCE:
        with rasterio.open("x.tif", "r+") as dataset:
            dataset.gcps = ([GroundControlPoint(*place) for place in CONTROL_POINTS], CRS.from_epsg(32633))
    assert locate_file("x.tif")["unlocated"] == reason
    main_group.main(shlex.split(remedy), standalone_mode=False)
    located = locate_file("y.tif" if Path("y.tif").exists() else "x.tif")
    assert located["unlocated"] is None
    assert located["footprint"] is not None


CONTROL_POINTS = [
    (0, 0, 4e5, 5.3e6),
    (0, 64, 4e5 + 640, 5.3e6),
    (64, 0, 4e5, 5.3e6 - 640),
    (64, 64, 4e5 + 640, 5.3e6 - 640),
]


def locate_file(name: str) -> dict[str, Any]:
    """Return the located row of a file of the working folder."""
    facts = inspect_image(Path(name), PLANET_BAND_ORDER)
    columns = {name: [getattr(facts, name)] for name in ("crs", "transform", "rows_px", "columns_px")}
    (row,) = locate_patches(make_patches({"patch_id": ["x"], **columns})).to_pylist()
    return dict(row)


def test_every_reason_is_documented() -> None:
    documented = (ROOT / "docs/archive_quirks.md").read_text(encoding="utf-8")
    assert all(f"| {reason} |" in documented for reason in UNLOCATED)


def test_one_system_has_one_name_whatever_the_words(tmp_path: Path) -> None:
    words = {"code": "EPSG:32633", "proj": "+proj=utm +zone=33 +datum=WGS84", "esri": CRS.from_epsg(32633).to_wkt()}
    images = {name: (crs, UTM, 64, 48) for name, crs in words.items()}
    assert write_images(tmp_path, images)["crs"].to_pylist() == ["EPSG:32633"] * 3


def test_images_do_not_depend_on_each_other(tmp_path: Path) -> None:
    grids: list[Grid] = list(GRIDS.values())
    images = {f"{n:02}": (grid.crs, grid.origin, grid.columns_px, grid.rows_px) for n, grid in enumerate(grids)}
    together = write_images(tmp_path, images)
    backwards = together.take(list(range(len(grids)))[::-1])
    assert locate_patches(backwards).sort_by("patch_id") == together
    for number, row in enumerate(together.to_pylist()):
        assert locate_patches(together.slice(number, 1)).to_pylist() == [row]
