"""From a scene in any layout and a registered model to a map: its scores are those of the model on the same pixels."""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from mlflow import MlflowClient

from landscribe.core.errors import LandscribeError
from landscribe.maps.config import MapConfig
from landscribe.maps.request import MapRequest, map_scene
from landscribe.models.scoring import make_predict
from landscribe.registry.registration import Candidate, register
from landscribe.tracking.store import open_store
from tests.support.fake_scenes import EARTH_SEARCH, draw_pixels, write_band_folder, write_raster, write_safe, zip_safe
from tests.support.model_fixtures import TinyRecords, Trained

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(20)

CONFIG = MapConfig(max_nodata_fraction=0.1, max_cloud_fraction=None)
PATCHES_PX = {"B05": 60, "B02": 120, "VV": 120}
Pixels = Mapping[str, np.ndarray]


@pytest.fixture(scope="module")
def uri(records: TinyRecords, trained: Trained, store: Path) -> str:
    """A version of B05, B02 and VV."""
    candidate = Candidate(
        model_path=trained.path,
        card=trained.card,
        thresholds=np.full(len(trained.card.classes), 0.3),
        metrics={"test_macro_ap": 0.5},
        test_digest="",
        example={
            name: np.ones((1, side, side), trained.card.bands[name]["dtype"]) for name, side in PATCHES_PX.items()
        },
        statistics=records.statistics,
        window_m=1200.0,
    )
    experiment = open_store()
    version = register(candidate, "maps", MlflowClient().create_run(experiment).info.run_id)["version"]
    return f"models:/maps/{version}"


@pytest.fixture(scope="module")
def pixels() -> dict[str, np.ndarray]:
    """Three windows and a bit by two and a bit, as squares of 51 pixels of 60 m are."""
    drawn = draw_pixels(["B05", "B02", "VV"], 51)
    return drawn | {"VV": (drawn["VV"] / 200 - 25).astype(np.float32)}


def _write_folder(folder: Path, pixels: Pixels) -> dict[str, Path]:
    return {"scene": write_band_folder(folder / "bands", pixels)}


def _write_catalogue(folder: Path, pixels: Pixels) -> dict[str, Path]:
    return {"scene": write_band_folder(folder / "item", pixels, names=EARTH_SEARCH)}


def _write_product(folder: Path, pixels: Pixels) -> dict[str, Path]:
    optical = {name: (values + 1000).astype(np.uint16) for name, values in pixels.items() if name != "VV"}
    safe = write_safe(folder, optical)
    radar = write_band_folder(folder / "s1", {"VV": pixels["VV"]})
    return {"scene": safe, "s1_root": radar}


def _write_zip(folder: Path, pixels: Pixels) -> dict[str, Path]:
    paths = _write_product(folder, pixels)
    return paths | {"scene": zip_safe(paths["scene"])}


def _write_raster(folder: Path, pixels: Pixels) -> dict[str, Path]:
    """Write all bands at 10 m as float32, B05 with each pixel four times."""
    fine = {name: np.kron(values, np.ones((306 // len(values),) * 2)) if name == "B05" else values
            for name, values in pixels.items() if name != "VV"}  # fmt: skip
    fine = {name: values.astype(np.uint16) for name, values in fine.items()}
    radar = write_band_folder(folder / "s1", {"VV": pixels["VV"]})
    return {"scene": write_raster(folder / "scene.tif", fine), "s1_root": radar}


@pytest.mark.parametrize(
    "write",
    [
        _write_folder,
        _write_catalogue,
        _write_product,
        _write_zip,
        _write_raster,
    ],
    ids=["folder", "catalogue", "product", "zip", "raster"],
)
def test_scores_are_those_of_the_same_pixels_in_every_layout(
    tmp_path: Path, uri: str, pixels: Pixels, trained: Trained, write: Callable[[Path, Pixels], dict[str, Path]]
) -> None:
    map_scene(MapRequest(model=uri, out=tmp_path / "map", **write(tmp_path, pixels)), CONFIG)  # type: ignore[arg-type]
    starts = [0, 120, 186]
    windows: dict[str, list[np.ndarray]] = {name: [] for name in trained.card.bands}
    for top in starts:
        for left in starts:
            for name, side in PATCHES_PX.items():
                step = 120 // side
                window = pixels[name][top // step :, left // step :][:side, :side]
                windows[name].append(window.astype(trained.card.bands[name]["dtype"]))
    expected = make_predict(trained.model)({name: np.stack(values) for name, values in windows.items()})
    with rasterio.open(tmp_path / "map/scores.tif") as source:
        assert source.descriptions == trained.card.classes
        scores = source.read().reshape(len(trained.card.classes), -1).T
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    table = pq.read_table(tmp_path / "map/labels.parquet").to_pandas()
    classes = trained.card.classes
    assert [list(row) for row in table["labels"]] == [
        [name for name, score in zip(classes, row, strict=True) if score >= 0.3]
        for row in table[list(classes)].to_numpy()
    ]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"stride_px": 7}, "--stride-px 7: expected a multiple of 2"),
        ({"scene": Path("nowhere")}, "nowhere: expected a scene"),
        ({"window_m": -1.0}, "--window-m -1: expected metres above 0"),
        ({"offset": -1000, "band_order": ["B02"]}, "--band-order: expected one raster"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    tmp_path: Path, uri: str, pixels: Pixels, changed: Mapping[str, Any], words: str
) -> None:
    request = MapRequest(model=uri, out=tmp_path / "map", **_write_folder(tmp_path, pixels))  # type: ignore[arg-type]
    with pytest.raises(LandscribeError, match=words):
        map_scene(dataclasses.replace(request, **changed), CONFIG)
    with contextlib.suppress(FileNotFoundError):
        assert not list((tmp_path / "map").iterdir())
