"""Pixels of a scene, chunk by chunk: each tile or strip of a file is decoded once, and memory stays small."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import rasterio
from rasterio import DatasetReader
from rasterio.windows import Window

from landscribe.archive.gdal_errors import UNREADABLE, explain
from landscribe.core.errors import ArchiveError
from landscribe.scenes.headers import open_raster
from landscribe.scenes.scene import SceneBand

MOST_BYTES = 32 << 20  # a row of tiles of a 10 m band of Sentinel-2 is 23 MB
_CACHE_RESERVE_BYTES = 1 << 20  # GDAL counts its own structures too


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A rectangle of some bands of one file, made of whole blocks.

    Attributes:
        path: of the file, for GDAL.
        indexes: numbers of the bands, from 1.
        row, column: of its upper left pixel, in pixels of the file.
        rows, columns: size.
        mask: `SceneBand.mask` of the bands.
        nodata: what a pixel is where the mask is 0.
    """

    path: str
    indexes: tuple[int, ...]
    row: int
    column: int
    rows: int
    columns: int
    mask: int | None = None
    nodata: float | None = None


def plan_chunks(bands: Sequence[SceneBand], max_bytes: int = MOST_BYTES) -> list[list[Chunk]]:
    """Return the chunks of each file, in row-major order; they cover it, and each block is in one of them.

    A chunk is as many whole rows of blocks as `max_bytes` holds, a part of one row if that is larger, and one block at
    least.

    Args:
        bands: in the order in which files and bands are read.
        max_bytes: of the pixels of a chunk.
    """
    groups: dict[str, list[SceneBand]] = {}
    for band in bands:
        groups.setdefault(band.path, []).append(band)
    return [list(_iter_chunks(group, max_bytes)) for group in groups.values()]


def _iter_chunks(group: Sequence[SceneBand], max_bytes: int) -> Iterator[Chunk]:
    first = group[0]
    rows, columns = first.shape
    block_rows, block_columns = first.block
    num_bytes = sum(np.dtype(band.dtype).itemsize for band in group)
    width = max(1, max_bytes // (num_bytes * block_rows * block_columns)) * block_columns
    height = block_rows
    if width >= columns:
        width, height = columns, max(1, max_bytes // (num_bytes * block_rows * columns)) * block_rows
    for row in range(0, rows, height):
        for column in range(0, columns, width):
            yield Chunk(
                path=first.path,
                indexes=tuple(band.index for band in group),
                row=row,
                column=column,
                rows=min(height, rows - row),
                columns=min(width, columns - column),
                mask=first.mask,
                nodata=first.nodata,
            )


def read_chunk(chunk: Chunk) -> np.ndarray:
    """Return the pixels of a chunk, [band, row, column] in the dtype of the file.

    Raises:
        ArchiveError: the file is damaged or cut off.
    """
    with rasterio.Env(GDAL_NUM_THREADS="1"), open_raster(chunk.path) as dataset:  # one thread: workers share the cores
        try:
            return _read(dataset, chunk)
        except UNREADABLE as error:
            reason = explain(error, chunk.path, chunk.path.rpartition("/")[2])
            raise ArchiveError(
                f"{chunk.path}: the pixels of rows {chunk.row} to {chunk.row + chunk.rows - 1}, columns {chunk.column}"
                f" to {chunk.column + chunk.columns - 1} cannot be read: the file is damaged or cut off; download it"
                f" again ({reason})."
            ) from error


def _read(dataset: DatasetReader, chunk: Chunk) -> np.ndarray:
    window = Window(chunk.column, chunk.row, chunk.columns, chunk.rows)
    # By default the cache grows to a share of the machine's memory. What a chunk needs: its blocks, of all bands of the
    # file, as those that are interleaved are decoded together.
    with rasterio.Env(GDAL_CACHEMAX=_find_cache_bytes(dataset, chunk)):
        values: np.ndarray = dataset.read(list(chunk.indexes), window=window)
        if chunk.mask is not None:
            mask = dataset.read(chunk.mask, window=window) if chunk.mask else dataset.dataset_mask(window=window)
            _apply_mask(values, mask, chunk.nodata)
    return values


def _find_cache_bytes(dataset: DatasetReader, chunk: Chunk) -> int:
    pixel_bytes = sum(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
    rows, columns = (
        -(-length // block) * block
        for length, block in zip((chunk.rows, chunk.columns), dataset.block_shapes[0], strict=True)
    )
    return int(pixel_bytes * rows * columns) + _CACHE_RESERVE_BYTES


def _apply_mask(values: np.ndarray, mask: np.ndarray, nodata: float | None) -> None:
    """Write nodata where the mask is 0; a valid whole number that equals it becomes the next."""
    if values.dtype.kind in "iu":
        values[values == nodata] += 1
    values[:, mask == 0] = nodata
