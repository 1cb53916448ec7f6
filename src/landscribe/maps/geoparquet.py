"""`labels.parquet`: GeoParquet, one row per cell.

GeoParquet 1.1.0 (https://geoparquet.org/releases/v1.1.0): polygons as well-known binary, the coordinate system as
PROJJSON in the metadata `geo`.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rasterio.crs import CRS

from landscribe.core.files import replacing
from landscribe.maps.cells import RowOfCells

# Well-known binary of a polygon of one ring: byte order, kind 3, one ring, five points.
_POLYGON = np.dtype([("order", "u1"), ("kind", "<u4"), ("rings", "<u4"), ("points", "<u4"), ("places", "<f8", (5, 2))])


def make_polygons(transform: Sequence[float], row: int, shape_px: tuple[int, int], side_px: int) -> list[bytes]:
    """Return the well-known binary of each cell of a row, as far as it lies in the scene.

    Args:
        transform: affine of the scene's pixels, a to f.
        row: number of the row of cells.
        shape_px: rows and columns of the scene.
        side_px: side of a cell, pixels.
    """
    count = -(-shape_px[1] // side_px)
    left = np.arange(count) * side_px
    right = np.minimum(left + side_px, shape_px[1])
    top, bottom = np.full(count, row * side_px), np.full(count, min((row + 1) * side_px, shape_px[0]))
    # Counter-clockwise in the coordinates of a scene with north up, as RFC 7946 has it for outer rings.
    columns = np.stack([left, left, right, right, left], axis=1)
    rows = np.stack([top, bottom, bottom, top, top], axis=1)
    a, b, c, d, e, f = transform
    polygons = np.zeros(count, _POLYGON)
    polygons["order"], polygons["kind"], polygons["rings"], polygons["points"] = 1, 3, 1, 5
    polygons["places"] = np.stack([a * columns + b * rows + c, d * columns + e * rows + f], axis=-1)
    return [one.tobytes() for one in polygons]


@contextlib.contextmanager
def open_labels(
    path: Path, classes: Sequence[str], crs_wkt: str, facts: Mapping[str, str]
) -> Iterator[Callable[[int, RowOfCells, list[list[str]], list[bytes]], None]]:
    """Yield what writes a row of cells: its number, the cells, their labels and polygons; the file is there at the end.

    Columns: `row`, `column` from 0, one float32 column per class, `labels`, `warning`, `cloud` (null where it is
    unknown), `nodata`, `geometry`.

    Args:
        path: file to write, atomically.
        classes: names in the order of the scores.
        crs_wkt: coordinate system.
        facts: metadata of the file.
    """
    schema = _make_schema(classes, crs_wkt, facts)
    with replacing(path) as beside, pq.ParquetWriter(beside, schema, compression="zstd") as writer:

        def write(row: int, cells: RowOfCells, labels: list[list[str]], polygons: list[bytes]) -> None:
            count = len(polygons)
            columns = [
                pa.array(np.full(count, row, np.int32)),
                pa.array(np.arange(count, dtype=np.int32)),
                *(pa.array(cells.scores[:, place].astype(np.float32)) for place in range(len(classes))),
                pa.array(labels, pa.list_(pa.string())),
                pa.array(cells.warning, pa.string()),
                pa.array(cells.cloud.astype(np.float32), from_pandas=True),
                pa.array(cells.nodata.astype(np.float32)),
                pa.array(polygons, pa.binary()),
            ]
            writer.write_table(pa.table(columns, schema=schema))

        yield write


def _make_schema(classes: Sequence[str], crs_wkt: str, facts: Mapping[str, str]) -> pa.Schema:
    geo = {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {
            "geometry": {
                "encoding": "WKB",
                "geometry_types": ["Polygon"],
                "crs": CRS.from_wkt(crs_wkt).to_dict(projjson=True),
            }
        },
    }
    fields = [
        ("row", pa.int32()),
        ("column", pa.int32()),
        *((name, pa.float32()) for name in classes),
        ("labels", pa.list_(pa.string())),
        ("warning", pa.string()),
        ("cloud", pa.float32()),
        ("nodata", pa.float32()),
        ("geometry", pa.binary()),
    ]
    words = {"geo": json.dumps(geo), "landscribe": json.dumps(facts, ensure_ascii=False)}
    return pa.schema(fields).with_metadata(words)
