"""The map of a scene by a model whose scores are known: the means of its bands."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import rasterio
from rasterio import Affine
from rasterio.crs import CRS

from landscribe.core.errors import ArchiveError
from landscribe.maps import chunks, mapping
from landscribe.maps.config import MapConfig
from landscribe.maps.mapping import Work, label_scene
from landscribe.maps.request import make_facts
from landscribe.maps.view import make_view
from landscribe.maps.writer import write_map
from landscribe.scenes.scene import Offset, Scene, SceneBand

RESOLUTIONS_M = {"B02": 10, "B05": 20, "B09": 60}
BANDS = {"B02": {"size_px": 120, "dtype": "uint16"}, "B05": {"size_px": 60, "dtype": "uint16"},
         "B09": {"size_px": 20, "dtype": "uint16"}}  # fmt: skip
THRESHOLDS = {"B02": 0.15, "B05": 0.15, "B09": 0.15}
ZONES = [
    (32601, 500_040, 5_400_000),
    (32660, 300_000, 100_020),
    (32733, 499_980, 9_990_000),
    (32701, 600_000, 6_000_000),
    (32633, 399_960, 7_900_020),
    (32756, 250_020, 8_000_000),
]


class MeanModel:
    """Scores: the mean of each band over 10,000."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.num_calls, self._dies_at = 0, dies_at

    def predict(self, values: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """Return the table of the served model."""
        self.num_calls += 1
        if self._dies_at and self.num_calls >= self._dies_at:
            raise KeyboardInterrupt
        for name, size_px in (("B02", 120), ("B05", 60), ("B09", 20)):
            assert values[name].shape[1:] == (size_px, size_px)
            assert values[name].dtype == np.uint16
        table = pd.DataFrame({name: values[name].mean(axis=(1, 2)) / 10_000 for name in BANDS})
        table["labels"] = [[] for _ in range(len(table))]
        table["warning"] = np.where(table["B02"] > 0.2, "bright", "")
        return table


def draw_pixels(rows_60m: int, columns_60m: int, seed: int = 1) -> dict[str, np.ndarray]:
    """Return uint16 [row, column] of each band."""
    generator = np.random.default_rng(seed)
    return {
        name: generator.integers(500, 4000, (rows_60m * 60 // m, columns_60m * 60 // m), np.uint16)
        for name, m in RESOLUTIONS_M.items()
    }


def write_scene(
    folder: Path, pixels: Mapping[str, np.ndarray], zone: tuple[int, int, int] = ZONES[0], offset: int = 0,
    classes: np.ndarray | None = None,
) -> Scene:  # fmt: skip
    """Write a file per band in blocks of 64 pixels, and the scene classification at 20 m."""
    folder.mkdir(parents=True, exist_ok=True)
    epsg, x, y = zone
    layers = {**pixels, **({"SCL": classes} if classes is not None else {})}
    bands = {}
    for name, values in layers.items():
        resolution_m = RESOLUTIONS_M.get(name, 20)
        profile = {"height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": values.dtype,
                   "crs": CRS.from_epsg(epsg), "transform": Affine(resolution_m, 0, x, 0, -resolution_m, y),
                   "tiled": True, "blockxsize": 64, "blockysize": 64}  # fmt: skip
        with rasterio.open(folder / f"{name}.tif", "w", driver="GTiff", **profile) as target:
            target.write(values, 1)
        bands[name] = SceneBand(
            name=name, path=str(folder / f"{name}.tif"), index=1, shape=values.shape, resolution_m=resolution_m,
            dtype=str(values.dtype), nodata=0, block=(64, 64),
        )  # fmt: skip
    return Scene(
        name="scene",
        crs_wkt=CRS.from_epsg(epsg).to_wkt(),
        transform=(10.0, 0.0, float(x), 0.0, -10.0, float(y)),
        bands={name: bands[name] for name in pixels},
        cloud=bands.get("SCL"),
        offset=Offset(value=offset, source="test"),
    )


def make_work(scene: Scene, stride_px: int | None = None, **config: Any) -> Work:
    """Return the work with a model that takes patches of BigEarthNet."""
    values = {"max_nodata_fraction": 0.1, "max_cloud_fraction": None} | config
    view = make_view(scene, BANDS, 1200.0, stride_px, resamples=False)
    return Work(scene=scene, view=view, config=MapConfig(**values), classes=list(THRESHOLDS), model="model")


def make_map(work: Work, out: Path, model: Any = None) -> tuple[np.ndarray, pd.DataFrame]:
    """Return scores [class, row, column] and the table of cells."""
    out.mkdir(exist_ok=True)
    with label_scene(work, out, model or MeanModel()) as labelled:
        write_map(labelled, out, THRESHOLDS, make_facts(work, "model version 1", ""))
    with rasterio.open(out / "scores.tif") as source:
        scores = source.read()
    return scores, pq.read_table(out / "labels.parquet").to_pandas()


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read without workers, which start longer than these scenes take; several batches per row."""
    monkeypatch.setattr(mapping, "_BATCH_SIZE_WINDOWS", 5)
    monkeypatch.setattr(chunks, "map_in_workers", lambda function, tasks, ahead: (function(task) for task in tasks))


@pytest.mark.parametrize("stride_px", [None, 60, 48])
def test_each_cell_is_the_mean_of_the_scores_of_its_windows(tmp_path: Path, stride_px: int | None) -> None:
    pixels = draw_pixels(51, 74)
    work = make_work(write_scene(tmp_path / "scene", pixels), stride_px)
    scores, table = make_map(work, tmp_path / "map")
    grid = work.view.grid
    assert scores.shape[1:] == grid.shape
    for row in range(grid.shape[0]):
        for column in range(grid.shape[1]):
            windows = [
                [values[top * 10 // m :, left * 10 // m :][: 1200 // m, : 1200 // m].mean() / 10_000
                 for values, m in ((pixels[name], RESOLUTIONS_M[name]) for name in BANDS)]
                for top in grid.find_starts(0)[slice(*grid.find_windows(0)[row])]
                for left in grid.find_starts(1)[slice(*grid.find_windows(1)[column])]
            ]  # fmt: skip
            np.testing.assert_allclose(scores[:, row, column], np.mean(windows, axis=0), atol=1e-6)
    cells = table.set_index(["row", "column"])
    last = cells.loc[grid.shape[0] - 1, grid.shape[1] - 1]
    np.testing.assert_allclose(last[list(BANDS)].to_numpy(float), scores[:, -1, -1])
    assert list(last["labels"]) == [name for name in BANDS if last[name] >= THRESHOLDS[name]]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("stride_px", [None, 60])
def test_the_place_of_each_cell_is_exact_to_the_pixel(
    tmp_path: Path, zone: tuple[int, int, int], stride_px: int | None
) -> None:
    scene = write_scene(tmp_path / "scene", draw_pixels(30, 50), zone)
    work = make_work(scene, stride_px)
    make_map(work, tmp_path / "map")
    epsg, x, y = zone
    side_m = (stride_px or 120) * 10
    with rasterio.open(tmp_path / "map/scores.tif") as source:
        assert source.crs.to_epsg() == epsg
        assert tuple(source.transform)[:6] == (side_m, 0, x, 0, -side_m, y)
        assert source.descriptions == tuple(BANDS)
        assert np.isnan(source.nodata)
        assert source.overviews(1)
        assert source.tags()["scene"] == "scene"


@pytest.mark.parametrize("sides_60m", [(20, 20), (20, 70), (70, 20), (40, 40)])
def test_a_map_of_few_cells_is_written_too(tmp_path: Path, sides_60m: tuple[int, int]) -> None:
    work = make_work(write_scene(tmp_path / "scene", draw_pixels(*sides_60m)))
    scores, table = make_map(work, tmp_path / "map")
    assert scores.shape == (3, *work.view.grid.shape)
    assert len(table) == np.prod(work.view.grid.shape)


def test_no_seam_shows_on_a_scene_of_constant_texture(tmp_path: Path) -> None:
    tile = draw_pixels(20, 20)
    pixels = {name: np.tile(values, (3, 4)) for name, values in tile.items()}
    scores, _ = make_map(make_work(write_scene(tmp_path / "scene", pixels)), tmp_path / "map")
    assert np.ptp(scores.reshape(3, -1), axis=1).max() < 1e-6


def test_the_offset_is_undone_before_the_model_sees_a_pixel(tmp_path: Path) -> None:
    pixels = draw_pixels(40, 40)
    pixels["B02"][:300, :300] = 0
    shifted = {name: np.where(values > 0, values + 1000, 0).astype(np.uint16) for name, values in pixels.items()}
    plain, _ = make_map(make_work(write_scene(tmp_path / "a", pixels)), tmp_path / "map_a")
    undone, _ = make_map(make_work(write_scene(tmp_path / "b", shifted, offset=-1000)), tmp_path / "map_b")
    np.testing.assert_array_equal(plain, undone)


def test_empty_windows_are_not_read_and_partly_empty_ones_follow_the_params(tmp_path: Path) -> None:
    pixels = draw_pixels(60, 60)
    for name, m in RESOLUTIONS_M.items():
        pixels[name][:, 1800 // m :] = 0  # one window of three columns is whole, one half empty, one empty
    scene = write_scene(tmp_path / "scene", pixels)
    scores, table = make_map(make_work(scene), tmp_path / "map")
    assert np.isfinite(scores[0]).tolist() == [[True, False, False]] * 3
    assert table["nodata"].tolist() == pytest.approx([0, 0.5, 1] * 3)
    assert [words.split(" of")[0] for words in table["warning"][:3]] == [
        "bright",
        "50%",
        "every pixel is nodata",
    ]
    assert all(len(labels) == 0 for labels in table["labels"][1:3])
    scores, _ = make_map(make_work(scene, max_nodata_fraction=0.5), tmp_path / "map")
    assert np.isfinite(scores[0]).tolist() == [[True, True, False]] * 3


def test_a_scene_without_a_valid_pixel_is_refused(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene", {name: values * 0 for name, values in draw_pixels(20, 20).items()})
    with pytest.raises(ArchiveError, match="every pixel"):
        make_map(make_work(scene), tmp_path / "map")


def test_cloud_is_counted_and_masked_on_demand(tmp_path: Path) -> None:
    pixels, classes = draw_pixels(20, 40), np.full((60, 120), 4, np.uint8)
    classes[:30, :60] = 9
    scene = write_scene(tmp_path / "scene", pixels, classes=classes)
    scores, table = make_map(make_work(scene), tmp_path / "map")
    assert table["cloud"].tolist() == [0.5, 0.0]
    assert np.isfinite(scores).all()
    scores, table = make_map(make_work(scene, max_cloud_fraction=0.4), tmp_path / "map")
    assert np.isfinite(scores[0]).tolist() == [[False, True]]
    assert table["warning"][0].startswith("50% of the pixels are cloud")


def test_an_interrupted_map_goes_on_with_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = write_scene(tmp_path / "scene", draw_pixels(200, 40))
    make_map(make_work(scene), tmp_path / "whole")
    read: list[str] = []
    plain = chunks.read_into

    def note(task: chunks.ReadTask) -> None:
        read.append(task.path.name)
        plain(task)

    monkeypatch.setattr(chunks, "read_into", note)
    with pytest.raises(KeyboardInterrupt):
        make_map(make_work(scene), tmp_path / "map", MeanModel(dies_at=7))
    num_finished = len(list((tmp_path / "map/.unfinished").glob("*/row-*.npz")))
    assert num_finished > 0
    after = MeanModel()
    make_map(make_work(scene), tmp_path / "map", after)
    assert after.num_calls == 10 - num_finished
    assert len(read) == len(set(read))
    for name in ("scores.tif", "labels.parquet", "quicklook.png"):
        assert (tmp_path / "map" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not (tmp_path / "map/.unfinished").exists()


def test_what_another_scene_left_is_not_taken(tmp_path: Path) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        make_map(make_work(write_scene(tmp_path / "a", draw_pixels(60, 40))), tmp_path / "map", MeanModel(dies_at=2))
    scene = write_scene(tmp_path / "b", draw_pixels(60, 40, seed=2))
    scores, _ = make_map(make_work(scene), tmp_path / "map")
    expected, _ = make_map(make_work(scene), tmp_path / "other")
    np.testing.assert_array_equal(scores, expected)
