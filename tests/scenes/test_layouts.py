"""Scenes in every layout: the same bands, grid and pixels; what does not fit is refused before it is read."""

import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from landscribe.core.bands import S2_BANDS
from landscribe.core.errors import LandscribeError
from landscribe.scenes.layouts import check_scene, open_scene
from landscribe.scenes.reading import plan_chunks, read_chunk
from landscribe.scenes.scene import Scene, SceneBand
from tests.support.fake_scenes import (
    EARTH_SEARCH,
    ORIGIN,
    PRODUCT,
    draw_pixels,
    find_resolution_m,
    write_band,
    write_band_folder,
    write_raster,
    write_safe,
    zip_safe,
)

NAMES = ("B02", "B05", "B09")
PIXELS = draw_pixels((*NAMES, "SCL"), 4)


def read(band: SceneBand) -> np.ndarray:
    """Return all pixels of a band that fits into one chunk."""
    ((chunk,),) = plan_chunks([band])
    values: np.ndarray = read_chunk(chunk)[0]
    return values


def write_named(folder: Path, **options: Any) -> Path:
    """Write the bands as files of a folder."""
    return write_band_folder(folder / "scene", PIXELS, **options)


def write_old_product(folder: Path) -> Path:
    """Write a product whose files are named as before 2017."""
    safe = write_safe(folder, PIXELS)
    for file in safe.rglob("*.jp2"):
        file.rename(file.with_name(f"S2A_USER_MSI_L2A_TL_SGS__20160605T100601_A007300_T33UUP_{file.name[-11:]}"))
    return safe


LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "product": lambda folder: write_safe(folder, PIXELS),
    "old names": write_old_product,
    "folder of a product": lambda folder: write_safe(folder, PIXELS).parent,
    "product in a ZIP": lambda folder: zip_safe(write_safe(folder, PIXELS)),
    "product stored in a ZIP": lambda folder: zip_safe(write_safe(folder, PIXELS), compressed=False),
    "coarser copies in a product": lambda folder: write_safe(
        folder, PIXELS | draw_pixels(("B02_60m", "B05_60m", "SCL_60m"), 4)
    ),
    "file per band": write_named,
    "names of a catalogue": lambda folder: write_named(folder, names=EARTH_SEARCH),
    "long names": lambda folder: write_named(folder, pattern="T33UUP_20220605T100601_{}_x.jp2"),
    "unpadded names": lambda folder: write_named(folder, names={"B02": "S2_b2", "B05": "S2_b5", "B09": "S2_b9"}),
    "folder of bands in a ZIP": lambda folder: zip_safe(write_named(folder)),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_scene(layout: str, tmp_path: Path) -> None:
    scene = open_scene(LAYOUTS[layout](tmp_path), NAMES)
    assert list(scene.bands) == list(NAMES)
    assert scene.transform == pytest.approx((10, 0, ORIGIN[0], 0, -10, ORIGIN[1]))
    assert rasterio.crs.CRS.from_wkt(scene.crs_wkt).to_epsg() == 32633
    for name, band in scene.bands.items():
        assert (band.resolution_m, band.nodata, band.dtype) == (find_resolution_m(name), 0, "uint16")
        np.testing.assert_array_equal(read(band), PIXELS[name])
    assert scene.cloud is not None
    assert scene.cloud.resolution_m == 20
    np.testing.assert_array_equal(read(scene.cloud), PIXELS["SCL"])
    assert pickle.loads(pickle.dumps(scene.bands["B02"])) == scene.bands["B02"]  # noqa: S301


def test_the_name_is_that_of_the_product(tmp_path: Path) -> None:
    safe = write_safe(tmp_path, PIXELS)
    assert {open_scene(path, NAMES).name for path in (safe, tmp_path, zip_safe(safe))} == {PRODUCT}
    named = write_named(tmp_path / "bands")
    assert {open_scene(path, NAMES).name for path in (named, zip_safe(named))} == {"scene"}


def test_bands_come_in_the_order_of_the_model_and_only_those(tmp_path: Path) -> None:
    assert list(open_scene(write_safe(tmp_path, PIXELS), ("B09", "B02")).bands) == ["B09", "B02"]


@pytest.mark.parametrize(("descriptions", "order"), [(True, None), (False, NAMES)])
def test_a_raster_is_named_by_descriptions_or_by_an_order(
    tmp_path: Path, descriptions: bool, order: Sequence[str] | None
) -> None:
    pixels = {name: draw_pixels(["B02"], 4, seed)["B02"] for seed, name in enumerate(NAMES)}
    path = write_raster(tmp_path / "scene.tif", pixels, descriptions)
    scene = open_scene(path, ("B09", "B05"), band_order=order)
    assert scene.name == "scene"
    assert scene.cloud is None
    for name, band in scene.bands.items():
        np.testing.assert_array_equal(read(band), pixels[name])


def test_colours_and_transparency_of_an_image(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 4, (4, 32, 32), np.uint8)
    pixels = dict(zip(("R", "G", "B", "alpha"), values, strict=True))
    path = write_raster(tmp_path / "scene.tif", pixels, False, photometric="RGB", alpha="YES")
    scene = open_scene(path, ("B", "R"))
    for name, band in scene.bands.items():
        assert band.nodata == 0
        np.testing.assert_array_equal(read(band), np.where(values[3] == 0, 0, np.maximum(pixels[name], 1)))
    assert (scene.offset.value, scene.offset.source) == (0, "")


@pytest.mark.parametrize("where", ["here", "folder", "raster"])
def test_sentinel_1_lies_in_the_folder_or_elsewhere(tmp_path: Path, where: str) -> None:
    radar = {name: draw_pixels(["B02"], 4, seed)["B02"].astype(np.float32) for seed, name in enumerate(("VV", "VH"))}
    path, s1_root = write_named(tmp_path), tmp_path / "s1"
    if where == "raster":
        write_raster(s1_root / "s1.tif", radar)
    else:
        write_band_folder(path if where == "here" else s1_root, radar)
    given = {"here": None, "folder": s1_root, "raster": s1_root / "s1.tif"}[where]
    scene = open_scene(path, ("B02", "VV", "VH"), s1_root=given)
    for name in ("VV", "VH"):
        assert scene.bands[name].nodata is None
        np.testing.assert_array_equal(read(scene.bands[name]), radar[name])


@pytest.mark.parametrize(
    ("epsg", "side", "resolution_m"),
    [(32756, 10.0, 10.0), (2263, 32.8, 32.8 * 1200 / 3937), (4326, 1e-4, 9.16), (4807, 1e-4, 8.73)],
)
def test_the_resolution_is_in_metres(tmp_path: Path, epsg: int, side: float, resolution_m: float) -> None:
    # In degrees: 1e-4 of a great circle by that times cos(latitude), whose geometric mean is the size; grads are 0.9.
    origin = {4326: (14.3, 48.3), 4807: (13.0, 45.0)}.get(epsg, ORIGIN)
    path = write_raster(tmp_path / "scene.tif", draw_pixels(["B02"], 4), epsg=epsg, resolution=side, origin=origin)
    assert open_scene(path, ["B02"]).bands["B02"].resolution_m == pytest.approx(resolution_m, rel=0.01)


def test_several_files_of_a_band_are_distinguished_by_resolution(tmp_path: Path) -> None:
    folder = write_band_folder(tmp_path, draw_pixels(("B02_10m", "B02_60m", "SCL_60m", "SCL_20m"), 4))
    scene = open_scene(folder, ["B02"])
    assert scene.bands["B02"].resolution_m == 10
    assert scene.cloud is not None
    assert scene.cloud.resolution_m == 20


def test_a_corner_may_differ_by_less_than_half_a_pixel(tmp_path: Path) -> None:
    pixels = draw_pixels(("B02", "B05"), 4)
    for shift_m, fits in ((4.9, True), (-4.9, True), (5.1, False), (12_000, False)):
        folder = tmp_path / str(shift_m)
        write_band_folder(folder, {"B02": pixels["B02"]})
        write_band_folder(folder, {"B05": pixels["B05"]}, origin=(ORIGIN[0] + shift_m, ORIGIN[1]))
        if fits:
            open_scene(folder, ("B02", "B05"))
        else:
            with pytest.raises(LandscribeError, match="upper left corners of B02 and B05 differ"):
                open_scene(folder, ("B02", "B05"))


def break_crs(folder: Path) -> Path:
    """Write a band in another zone."""
    write_band_folder(folder, {"B02": PIXELS["B02"]})
    return write_band_folder(folder, {"B05": PIXELS["B05"]}, epsg=32632)


def break_extent(folder: Path) -> Path:
    """Write a band that is 40 m shorter than another, of 20 m."""
    write_band_folder(folder, {"B02": PIXELS["B02"]})
    return write_band_folder(folder, {"B05": PIXELS["B05"][:-2]})


def cut_zip(folder: Path) -> Path:
    """Write the first half of a ZIP."""
    path = zip_safe(write_safe(folder, PIXELS))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def cut_header(folder: Path) -> Path:
    """Write a file that ends in its header."""
    (write_named(folder) / "B02.tif").write_bytes(b"II*\0")
    return folder / "scene"


def write_two_products(folder: Path) -> Path:
    """Write two products."""
    write_safe(folder, PIXELS, product=PRODUCT.replace("T33UUP", "T33UVP"))
    return write_safe(folder, PIXELS).parent


def write_two_granules(folder: Path) -> Path:
    """Write a product with two granules."""
    granule = next((safe := write_safe(folder, PIXELS)).glob("GRANULE/*"))
    shutil.copytree(granule, granule.with_name("L2A_T33UVP"))
    return safe


def write_text(folder: Path) -> Path:
    """Write something that is no raster."""
    (folder / "notes.txt").write_text("no raster")
    return folder


def write_unplaced(folder: Path) -> Path:
    """Write a raster without georeference."""
    return write_raster(folder / "B02.tif", {"B02": PIXELS["B02"]}, crs=None, transform=rasterio.Affine.identity())


def draw_unnamed(count: int) -> dict[str, np.ndarray]:
    """Return bands of one size."""
    return {str(number): PIXELS["B02"] for number in range(count)}


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "absent": (lambda folder: folder / "absent", "expected a scene.*no such file"),
    "nothing like a scene": (write_text, r"received notes\.txt.*Name the folder or file"),
    "no raster": (lambda folder: write_text(folder) / "notes.txt", "expected JPEG, PNG, TIFF or JPEG 2000"),
    "wrong suffix": (
        lambda folder: write_raster(folder / "B02.tif", {"B02": PIXELS["B02"]}).rename(folder / "B02.jp2"),
        r"expected the suffix of TIFF.*Rename it to \*\.tif",
    ),
    "cut ZIP": (cut_zip, "damaged or cut off.*Download it again"),
    "two products": (write_two_products, r"expected one product; received .*T33UUP.*T33UVP.*Name one"),
    "two granules": (write_two_granules, "expected one granule.*Copy the .jp2 files"),
    "level 1C": (
        lambda folder: write_safe(folder, PIXELS, product=PRODUCT.replace("MSIL2A", "MSIL1C")),
        "expected surface reflectance, level 2A; received a product of level 1C",
    ),
    "missing files": (
        lambda folder: write_safe(folder, {"B02": PIXELS["B02"]}),
        r"B05 at 20 m, B09 at 60 m missing\. There are: B02_10m",
    ),
    "coarser only": (
        lambda folder: write_safe(folder, draw_pixels(("B02_60m", "B05", "B09"), 4)),
        "B02 at 10 m missing; B02 is there at 60 m alone, the model takes 10 m. There are: B02_60m, B05_20m, B09_60m",
    ),
    "missing band": (
        lambda folder: write_band_folder(folder, {"B02": PIXELS["B02"], "B09": PIXELS["B09"]}),
        r"missing are B05\. There are: B02\.tif, B09\.tif",
    ),
    "two files of a band": (
        lambda folder: write_band_folder(write_named(folder), {"B02": PIXELS["B02"]}, pattern="copy_{}.tif"),
        r"expected one file of band B02.*B02\.tif \(10 m\), copy_B02\.tif \(10 m\)",
    ),
    "another system": (break_crs, "coordinate systems of B02 and B05 differ.*EPSG:32633.*EPSG:32632"),
    "another extent": (break_extent, "extents of B02 and B05 differ"),
    "cut header": (cut_header, "B02.tif is unreadable.*download it again"),
    "unnamed bands": (
        lambda folder: write_raster(folder / "scene.tif", draw_unnamed(12), False),
        f"received 12 without such names.*--band-order {','.join(S2_BANDS)}",
    ),
    "missing in a raster": (
        lambda folder: write_raster(folder / "scene.tif", {"B02": PIXELS["B02"], "B03": PIXELS["B02"]}),
        "expected the bands B05, B09 as well.*received B02, B03.*by --band-order",
    ),
    "no georeference": (write_unplaced, "no usable coordinate system and no transform"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_a_sentence(case: str, tmp_path: Path) -> None:
    write, words = REFUSED[case]
    names = ["B02"] if case == "no georeference" else ["B02", "B05"] if "another" in case else NAMES
    path = write(tmp_path)
    with pytest.raises(LandscribeError, match=f"(?s){words}") as caught:
        open_scene(path, names)
    assert str(caught.value).endswith(".")


def test_advice_on_an_order_of_bands_works(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", draw_unnamed(12), False)
    with pytest.raises(LandscribeError) as caught:
        open_scene(path, ["B02"])
    found = re.search(r"--band-order (\S+?)\.$", str(caught.value))
    assert found
    assert list(open_scene(path, ["B8A"], band_order=found[1].split(",")).bands) == ["B8A"]
    with pytest.raises(LandscribeError, match=r"expected 12 names, one per band of .*; received 2"):
        open_scene(path, ["B02"], band_order=["B02", "B03"])
    with pytest.raises(LandscribeError, match="Leave it out"):
        check_scene(write_named(tmp_path), None, NAMES)


def test_advice_on_sentinel_1_works(tmp_path: Path) -> None:
    radar = {name: PIXELS["B02"].astype(np.float32) for name in ("VV", "VH")}
    safe, s1_root = write_safe(tmp_path, PIXELS), write_band_folder(tmp_path / "s1", radar)
    for path in (safe, write_named(tmp_path)):
        with pytest.raises(LandscribeError, match=r"VV\.tif and VH\.tif on the same grid by --s1-root"):
            open_scene(path, ("B02", "VV", "VH"))
        assert open_scene(path, ("B02", "VV", "VH"), s1_root=s1_root).bands["VH"].dtype == "float32"
    unnamed = write_raster(tmp_path / "s1.tif", radar, False)
    with pytest.raises(LandscribeError, match=r"rio stack --bidx 1 s1\.tif VV\.tif"):
        open_scene(safe, ("B02", "VV", "VH"), s1_root=unnamed)
    with pytest.raises(LandscribeError, match=r"--s1-root .*no such path"):
        check_scene(safe, tmp_path / "absent")


def test_advice_on_grids_works(tmp_path: Path) -> None:
    folder = break_crs(tmp_path)
    run_rio("warp", folder / "B05.tif", tmp_path / "copy.tif", "--like", folder / "B02.tif")
    (tmp_path / "copy.tif").replace(folder / "B05.tif")
    assert open_scene(folder, ("B02", "B05")).bands["B05"].resolution_m == 10
    unplaced = write_unplaced(tmp_path / "unplaced")
    run_rio("edit-info", "--crs", "EPSG:32633", "--transform", "[10, 0, 400000, 0, -10, 5300000]", unplaced)
    assert open_scene(unplaced, ["B02"]).transform[2] == 400_000


def run_rio(*words: object) -> None:
    """Run a command that a message advises."""
    subprocess.run([Path(sys.executable).with_name("rio"), *map(str, words)], check=True, capture_output=True)


def test_a_product_of_several_granules_is_read_as_advised(tmp_path: Path) -> None:
    safe = write_two_granules(tmp_path)
    folder = tmp_path / "one"
    folder.mkdir()
    for file in (*safe.glob("GRANULE/L2A_T33UUP_*/IMG_DATA/*/*.jp2"), safe / "MTD_MSIL2A.xml"):
        shutil.copy(file, folder)
    scene = open_scene(folder, NAMES)
    assert list(scene.bands) == list(NAMES)
    assert (scene.offset.value, scene.offset.source) == (-1000, "MTD_MSIL2A.xml")


def test_a_turned_grid_is_a_grid(tmp_path: Path) -> None:
    for name, step in (("B02", 1), ("B05", 2)):
        turned = rasterio.Affine(8 * step, 6 * step, ORIGIN[0], 6 * step, -8 * step, ORIGIN[1])
        write_band(tmp_path / f"{name}.tif", PIXELS[name], 10 * step, transform=turned)
    scene = open_scene(tmp_path, ("B05", "B02"))
    assert scene.transform == pytest.approx((8, 6, ORIGIN[0], 6, -8, ORIGIN[1]))
    assert [band.resolution_m for band in scene.bands.values()] == [20, 10]


def test_real_scenes_open(samples: Path) -> None:
    scenes = samples / "scenes"
    cell = open_scene(next((scenes / "major-tom").iterdir()), list(S2_BANDS))
    assert {band.shape for band in cell.bands.values()} == {(480, 480), (240, 240), (80, 80)}
    hydro = open_scene(scenes / "hydro/patch_100.tif", ["B04", "B12"], band_order=list(S2_BANDS))
    assert [band.index for band in hydro.bands.values()] == [4, 12]
    item = open_scene(scenes / "earth-search", ["B01", "B09"])
    assert item.cloud is not None
    assert (item.offset.value, item.offset.source) == (0, "STAC item S2A_29RKH_20200219_0_L2A.json")
    with pytest.raises(LandscribeError, match="B04 is there at 60 m alone, the model takes 10 m"):
        open_real_product(scenes)


def open_real_product(scenes: Path) -> Scene:
    """Open the thinned product, which lacks bands."""
    return open_scene(next(scenes.glob("*.SAFE")), list(S2_BANDS))
