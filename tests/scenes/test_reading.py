"""Reading by chunks: whole blocks, each once, the same pixels as at once, and a sentence where a file ends."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from landscribe.core.errors import ArchiveError
from landscribe.scenes.layouts import open_scene
from landscribe.scenes.reading import Chunk, plan_chunks, read_chunk
from landscribe.scenes.scene import SceneBand
from tests.support.fake_scenes import draw_pixels, write_band, write_raster, write_safe, zip_safe


def make_band(name: str, path: str, index: int, shape: tuple[int, int], block: tuple[int, int]) -> SceneBand:
    """Return a band of uint16."""
    return SceneBand(
        name=name, path=path, index=index, shape=shape, resolution_m=10, dtype="uint16", nodata=0, block=block
    )


def list_blocks(chunk: Chunk, block: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the blocks of a chunk; it begins and ends at their edges, or at that of the file."""
    assert chunk.row % block[0] == 0
    assert chunk.column % block[1] == 0
    return [
        (row // block[0], column // block[1])
        for row in range(chunk.row, chunk.row + chunk.rows, block[0])
        for column in range(chunk.column, chunk.column + chunk.columns, block[1])
    ]


@pytest.mark.parametrize("num_bands", [1, 3])
@pytest.mark.parametrize("max_bytes", [1, 10_000, 200_000, 32 << 20])
@pytest.mark.parametrize(
    ("shape", "block"),
    [((500, 300), (64, 64)), ((500, 300), (8, 300)), ((1, 1), (1024, 1024)), ((130, 900), (130, 128))],
)
def test_each_block_is_in_one_chunk(
    shape: tuple[int, int], block: tuple[int, int], max_bytes: int, num_bands: int
) -> None:
    bands = [make_band(f"b{number}", "file", number + 1, shape, block) for number in range(num_bands)]
    other = make_band("other", "other", 1, (64, 64), (64, 64))
    plan, others = plan_chunks([bands[0], other, *bands[1:]], max_bytes)
    assert [chunk.path for chunk in others] == ["other"]
    blocks = [found for chunk in plan for found in list_blocks(chunk, block)]
    assert len(blocks) == len(set(blocks)) == -(-shape[0] // block[0]) * -(-shape[1] // block[1])
    assert sum(chunk.rows * chunk.columns for chunk in plan) == shape[0] * shape[1]
    assert [(chunk.row, chunk.column) for chunk in plan] == sorted((chunk.row, chunk.column) for chunk in plan)
    for chunk in plan:
        assert chunk.indexes == tuple(range(1, num_bands + 1))
        is_one_block = len(list_blocks(chunk, block)) == 1
        assert is_one_block or chunk.rows * chunk.columns * 2 * num_bands <= max_bytes


def test_a_row_of_tiles_of_a_product_is_a_chunk() -> None:
    (plan,) = plan_chunks([make_band("B02", "file", 1, (10_980, 10_980), (1024, 1024))])
    assert {(chunk.rows, chunk.columns) for chunk in plan} == {(1024, 10_980), (740, 10_980)}


@pytest.mark.parametrize("max_bytes", [1, 40_000, 32 << 20])
def test_chunks_together_are_the_file(tmp_path: Path, max_bytes: int) -> None:
    pixels = {name: draw_pixels(["B02"], 40, seed)["B02"] for seed, name in enumerate(("B02", "B03", "B04"))}
    raster = write_raster(tmp_path / "scene.tif", pixels, tiled=True, blockxsize=64, blockysize=64, interleave="pixel")
    product = zip_safe(write_safe(tmp_path, {"B02": pixels["B02"]}))
    for path, names in ((raster, ["B04", "B02"]), (product, ["B02"])):
        (plan,) = plan_chunks(list(open_scene(path, names).bands.values()), max_bytes)
        whole = np.zeros((len(names), *pixels["B02"].shape), np.uint16)
        for chunk in plan:
            rows, columns = slice(chunk.row, chunk.row + chunk.rows), slice(chunk.column, chunk.column + chunk.columns)
            whole[:, rows, columns] = read_chunk(chunk)
        np.testing.assert_array_equal(whole, np.stack([pixels[name] for name in names]))


@pytest.mark.parametrize("suffix", ["tif", "jp2"])
def test_a_file_that_ends_early_is_named_with_the_place(tmp_path: Path, suffix: str) -> None:
    values = draw_pixels(["B02"], 80)["B02"]
    path = write_band(tmp_path / f"B02.{suffix}", values, 10)
    (plan,) = plan_chunks(list(open_scene(tmp_path, ["B02"]).bands.values()), 64 * 480 * 2)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    read_chunk(plan[0])
    last = plan[-1]
    with pytest.raises(ArchiveError, match=f"B02.{suffix}.*rows {last.row} to 479, .*damaged or cut off; download it"):
        read_chunk(last)


def test_a_mask_of_the_file_is_nodata(tmp_path: Path) -> None:
    values = np.arange(64 * 64, dtype=np.float32).reshape(1, 64, 64)
    for dtype in ("float32", "uint16"):
        path = write_raster(tmp_path / f"{dtype}.tif", {"B02": values[0].astype(dtype)})
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
            dataset.write_mask(values[0] > 10)
        band = open_scene(path, ["B02"]).bands["B02"]
        ((chunk,),) = plan_chunks([band])
        expected = np.where(values > 10, values, np.nan if dtype == "float32" else 0)
        np.testing.assert_array_equal(read_chunk(chunk), expected)
