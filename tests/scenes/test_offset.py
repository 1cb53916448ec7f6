"""The offset: metadata first, an option before all, and pixels that contradict."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from landscribe.core.bands import S2_BANDS
from landscribe.core.errors import LandscribeError
from landscribe.scenes.layouts import open_scene
from landscribe.scenes.offset import DarkPixels, Judgement, contradict
from landscribe.scenes.scene import Offset
from tests.support.fake_scenes import (
    draw_pixels,
    write_band_folder,
    write_raster,
    write_safe,
    write_stac_item,
    zip_safe,
)

PIXELS = draw_pixels(["B02"], 4)
XML, ITEM = "MTD_MSIL2A.xml", "STAC item item.json"
NAMES = ("B02", "B04", "B11", "B12")
MIXED = {"0": -1000, "1": -900}
OLD, NEW = {"s2:processing_baseline": "02.14"}, {"s2:processing_baseline": "04.00"}


def open_product(folder: Path, given: int | None = None, **options: Any) -> Offset:
    """Return the offset of a product, which is the same in a ZIP."""
    safe = write_safe(folder, PIXELS, **options)
    offset = open_scene(safe, ["B02"], offset=given).offset
    assert open_scene(zip_safe(safe), ["B02"], offset=given).offset == offset
    return offset


@pytest.mark.parametrize(
    ("baseline", "element", "value", "source"),
    [("04.00", -1000, -1000, XML), ("05.11", 0, 0, XML), ("02.14", None, 0, XML), ("02.14", -1000, -1000, XML),
     ("04.00", None, 0, ""), ("99.99", None, 0, ""), ("99.99", -1000, -1000, XML)],
)  # fmt: skip
def test_a_product_says_its_offset(tmp_path: Path, baseline: str, element: int | None, value: int, source: str) -> None:
    assert open_product(tmp_path, baseline=baseline, offset=element) == Offset(value=value, source=source)


def asset(offset: float | None, scale: float = 0.0001) -> dict[str, Any]:
    """Return an asset of STAC 1.0."""
    return {"raster:bands": [{"scale": scale} | ({} if offset is None else {"offset": offset})]}


@pytest.mark.parametrize(
    ("properties", "assets", "value", "source"),
    [
        (NEW | {"earthsearch:boa_offset_applied": True}, {"red": asset(-0.1)}, 0, ITEM),
        (NEW | {"earthsearch:boa_offset_applied": False}, {"red": asset(0)}, -1000, ITEM),
        (OLD | {"earthsearch:boa_offset_applied": False}, {}, 0, ITEM),
        ({"sentinel:boa_offset_applied": True}, {}, 0, ITEM),
        (NEW, {"blue": asset(-0.1), "red": asset(-0.1), "aot": asset(0, 0.001), "scl": {}}, -1000, ITEM),
        (NEW, {"B02_10m": {"raster:scale": 0.0001, "raster:offset": -0.1}}, -1000, ITEM),
        (NEW, {"blue": {"bands": [{"raster:scale": 0.0001, "raster:offset": 0}]}}, 0, ITEM),
        (OLD, {}, 0, ITEM),
        (NEW, {}, 0, ""),
        ({}, {"blue": asset(None), "visual": asset(-0.1)}, 0, ""),
    ],
)
def test_an_item_says_its_offset(
    tmp_path: Path, properties: Mapping[str, Any], assets: Mapping[str, Any], value: int, source: str
) -> None:
    folder = write_band_folder(tmp_path / "S2A_N0400_20230101", PIXELS)
    write_stac_item(folder, properties, assets)
    (folder / "other.json").write_text('{"type": "FeatureCollection", "features": []}')
    (folder / "broken.json").write_text("{")
    assert open_scene(folder, ["B02"]).offset == Offset(value=value, source=source)


def test_the_item_of_a_raster_has_its_name(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "item.tif", PIXELS)
    write_stac_item(tmp_path, NEW | {"earthsearch:boa_offset_applied": False})
    assert open_scene(path, ["B02"]).offset.value == -1000
    assert open_scene(path.rename(tmp_path / "x.tif"), ["B02"]).offset == Offset(value=0, source="")


def test_the_option_wins_and_metadata_is_quoted(tmp_path: Path) -> None:
    offset = open_product(tmp_path, given=-500)
    assert (offset.value, offset.source) == (-500, "--offset")
    assert contradict(offset, "undecidable") == f"--offset -500 overrules {XML}, which says -1000"
    assert contradict(open_product(tmp_path / "same", given=-1000), "undecidable") == ""


def test_offsets_that_differ_are_refused_and_the_option_decides(tmp_path: Path) -> None:
    with pytest.raises(LandscribeError, match="expected one offset for all bands; received -1000, -900"):
        open_product(tmp_path, offset=MIXED)
    assert open_product(tmp_path, given=-1000, offset=MIXED) == Offset(value=-1000, source="--offset")
    folder = write_band_folder(tmp_path / "both", PIXELS)
    (folder / XML).write_bytes((write_safe(tmp_path / "new", PIXELS) / XML).read_bytes())
    write_stac_item(folder, OLD)
    with pytest.raises(LandscribeError, match=f"-1000 from {XML} and 0 from {ITEM}"):
        open_scene(folder, ["B02"])


def test_cut_metadata_is_refused(tmp_path: Path) -> None:
    path = write_safe(tmp_path, PIXELS) / XML
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(LandscribeError, match=r"damaged or cut off.*Download it again"):
        open_scene(path.parent, ["B02"])


@pytest.mark.parametrize(("name", "dtype"), [("VV", "float32"), ("R", "uint8"), ("B02", "float32"), ("VH", "uint16")])
def test_bands_without_offset_take_none(tmp_path: Path, name: str, dtype: str) -> None:
    path = write_raster(tmp_path / "item.tif", {name: PIXELS["B02"].astype(dtype)})
    write_stac_item(tmp_path, NEW | {"earthsearch:boa_offset_applied": False})
    assert open_scene(path, [name]).offset == Offset(value=0, source="")
    with pytest.raises(LandscribeError, match="Leave --offset out"):
        open_scene(path, [name], offset=-1000)


def judge(pixels: Mapping[str, np.ndarray]) -> Judgement:
    """Return what the pixels of a scene say, counted in two parts."""
    parts = [DarkPixels(), DarkPixels()]
    for name, values in pixels.items():
        for part, rows in zip(parts, np.array_split(values, 2), strict=True):
            part.add(name, rows, 0)
    merged = DarkPixels.from_json(parts[0].to_json())
    merged.merge(parts[1])
    return merged.judge()


def shift(pixels: Mapping[str, np.ndarray], by: int) -> dict[str, np.ndarray]:
    """Return pixels with another offset, as products hold them: nodata stays, and a valid pixel does not become 0."""
    return {
        name: np.where(values == 0, 0, np.clip(values.astype(int) + by, 1, 65535)).astype(np.uint16)
        for name, values in pixels.items()
    }


def draw_scene(mean: Mapping[str, float], spread: float, seed: int = 1) -> dict[str, np.ndarray]:
    """Return log-normal bands, a third nodata; `mean` is the median."""
    generator = np.random.default_rng(seed)
    brightness = generator.normal(0, spread, (300, 300))
    filled = np.arange(300)[:, None] < 200
    return {
        name: np.where(filled, np.maximum(median * np.exp(brightness), 1), 0).astype(np.uint16)
        for name, median in mean.items()
    }


VEGETATION = draw_scene({"B02": 400, "B04": 450, "B11": 2000, "B12": 1100}, 0.5)
WATER = draw_scene({"B02": 300, "B04": 60, "B11": 10, "B12": 8}, 0.2)
DESERT = draw_scene({"B02": 1800, "B04": 3200, "B11": 5200, "B12": 4800}, 0.2)
CLOUD = draw_scene({"B02": 5000, "B04": 4900, "B11": 3500, "B12": 2800}, 0.25)


@pytest.mark.parametrize("names", [NAMES, ("B02", "B04")])
@pytest.mark.parametrize("pixels", [VEGETATION, WATER])
def test_dark_ground_shows_the_offset(pixels: Mapping[str, np.ndarray], names: tuple[str, ...]) -> None:
    chosen = {name: pixels[name] for name in names}
    assert judge(chosen) == "without"
    assert judge(shift(chosen, 1000)) == "with"
    assert judge(shift(shift(chosen, 1000), -1000)) == "without"


@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("pixels", [DESERT, CLOUD])
def test_bright_ground_shows_nothing(pixels: Mapping[str, np.ndarray], offset: int) -> None:
    assert judge(shift(pixels, offset)) == "undecidable"


def test_nothing_is_known_of_nothing() -> None:
    assert DarkPixels().judge() == "undecidable"
    assert judge({"B02": np.zeros((40, 40), np.uint16), "B04": np.zeros((40, 40), np.uint16)}) == "undecidable"
    assert judge({"VV": WATER["B02"], "R": WATER["B04"]}) == "undecidable"


@pytest.mark.parametrize(
    ("value", "source", "judged", "words"),
    [(0, "", "with", "--offset -1000"), (0, XML, "with", f"{XML} says offset 0.*--offset -1000"),
     (-1000, XML, "without", f"{XML} says offset -1000.*--offset 0$"), (-1000, ITEM, "with", "^$"),
     (0, "", "without", "^$"), (0, "", "undecidable", "^$"), (-1000, XML, "undecidable", "^$")],
)  # fmt: skip
def test_only_a_contradiction_is_said(value: int, source: str, judged: Judgement, words: str) -> None:
    assert re.search(words, contradict(Offset(value=value, source=source), judged))


def read_real(paths: Mapping[str, tuple[Path, int]]) -> dict[str, np.ndarray]:
    """Return bands, name -> path and number."""
    found = {}
    for name, (path, number) in paths.items():
        with rasterio.open(path) as source:
            found[name] = source.read(number)
    return found


def list_real(samples: Path) -> dict[str, tuple[dict[str, np.ndarray], str, str]]:
    """Return name -> pixels, what they are judged as they are, and with the offset put in or taken out."""
    scenes, places = samples / "scenes", {name: list(S2_BANDS).index(name) + 1 for name in NAMES}
    eurosat = {"B02": 2, "B04": 4, "B11": 11, "B12": 12}
    found = {}
    for number, judged, other in (
        (10, "without", "with"), (100, "with", "without"), (1000, "with", "without"), (10000, "undecidable", "without"),
    ):  # fmt: skip
        path = scenes / f"hydro/patch_{number}.tif"
        found[path.stem] = {name: (path, place) for name, place in places.items()}, judged, other
    for name, judged, other in (
        ("AnnualCrop_1", "undecidable", "without"), ("SeaLake_3000", "without", "with"),
    ):  # fmt: skip
        path = samples / f"eurosat-ms/{name}.tif"
        found[name] = {name: (path, place) for name, place in eurosat.items()}, judged, other
    for path in sorted(samples.glob("bigearthnet-v*/BigEarthNet-S2/**/*_B02.tif")):
        names = {name: (path.with_name(path.name.replace("B02", name)), 1) for name in NAMES}
        found[path.stem] = names, "without", "with"
    cell = next((scenes / "major-tom").iterdir())
    found["cell"] = {name: (cell / f"{name}.tif", 1) for name in NAMES}, "with", "without"
    product = {name: next(scenes.glob(f"*.SAFE/GRANULE/*/IMG_DATA/R60m/*_{name}_60m.jp2")) for name in ("B02", "B04")}
    found["product"] = {name: (path, 1) for name, path in product.items()}, "with", "without"
    return {name: (read_real(paths), judged, other) for name, (paths, judged, other) in found.items()}


def test_real_pixels_show_the_offset(samples: Path) -> None:
    real = list_real(samples)
    assert len(real) >= 14
    for name, (pixels, judged, other) in real.items():
        assert judge(pixels) == judged, name
        assert judge(shift(pixels, 1000 if judged == "without" else -1000)) == other, name
        assert judge(shift(shift(pixels, 1000), -1000)) == judged, name
