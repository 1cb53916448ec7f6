"""The files of a map, made of its labelled windows."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from landscribe.maps.cells import RowOfCells, RowOfWindows, make_cells
from landscribe.maps.geoparquet import make_polygons, open_labels
from landscribe.maps.geotiff import make_transform, open_scores
from landscribe.maps.mapping import LabelledScene, make_labels
from landscribe.maps.quicklook import draw_quicklook
from landscribe.maps.windows import find_nodata

SCORES, LABELS, QUICKLOOK = "scores.tif", "labels.parquet", "quicklook.png"


def write_map(labelled: LabelledScene, out: Path, thresholds: Mapping[str, float], facts: Mapping[str, str]) -> int:
    """Write `scores.tif`, `labels.parquet` and `quicklook.png`; return the number of labelled cells.

    Args:
        labelled: every window of it is done.
        out: folder to write to.
        thresholds: class -> score from which on it is a label, in class order.
        facts: metadata of the files: scene, model, offset and the like.
    """
    scene, grid, classes = labelled.work.scene, labelled.work.view.grid, list(labelled.work.classes)
    transform = make_transform(scene.transform, grid.stride_px)
    highest = np.zeros(grid.shape, np.intp)
    known = np.zeros(grid.shape, bool)
    with (
        open_scores(out / SCORES, grid.shape, classes, scene.crs_wkt, transform, facts) as write_scores,
        open_labels(out / LABELS, classes, scene.crs_wkt, facts) as write_labels,
    ):
        for row, cells in enumerate(iter_cells(labelled)):
            polygons = make_polygons(scene.transform, row, grid.shape_px, grid.stride_px)
            write_scores(row, cells.scores)
            write_labels(row, cells, make_labels(cells.scores, thresholds), polygons)
            known[row] = ~np.isnan(cells.scores[:, 0])
            highest[row] = np.where(known[row, :, None], cells.scores, 0).argmax(axis=1)
    title = f"{scene.name}\n{facts['model']}"
    draw_quicklook(out / QUICKLOOK, _join_picture(labelled), highest, known, classes, title)
    return int(known.sum())


def iter_cells(labelled: LabelledScene) -> Iterator[RowOfCells]:
    """Yield the rows of cells from the top; few rows of windows are in memory at a time."""
    grid = labelled.work.view.grid
    windows: dict[int, RowOfWindows] = {}
    for row, (first, after) in enumerate(grid.find_windows(0)):
        windows = {number: windows.get(number) or labelled.read_row(number) for number in range(first, after)}
        yield make_cells(windows, grid, row)


def _join_picture(labelled: LabelledScene) -> dict[str, np.ndarray]:
    view, names = labelled.work.view, labelled.colours
    rows = range(len(view.grid.find_starts(0)))
    pixels = np.concatenate([labelled.read_row(number).picture for number in rows])
    joined: dict[str, np.ndarray] = {}
    for place, name in enumerate(names):
        values = pixels[..., place]
        joined[name] = np.ma.MaskedArray(values, find_nodata(values, view.bands[name].source.nodata))
    return joined
