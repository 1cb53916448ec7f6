"""Windows of a scene as the model takes them, and how much of each is nodata or cloud."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from landscribe.archive.image import resample
from landscribe.maps.chunks import CLOUD, Chunks
from landscribe.maps.view import View, ViewBand

# Of the scene classification: cloud of medium and of high probability, and thin cirrus
# (https://sentiwiki.copernicus.eu/web/s2-processing, level 2A, scene classification).
_CLOUD_CLASSES = (8, 9, 10)


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Some windows of one row.

    Attributes:
        bands: name -> [window, row, column] in native size; masked where nodata if the model knows nodata.
        nodata: float64 [window], share of the pixels of all bands that are nodata.
        cloud: float64 [window], share of cloud; NaN where it is unknown.
    """

    bands: Mapping[str, np.ndarray]
    nodata: np.ndarray
    cloud: np.ndarray


def cut_windows(chunks: Chunks, view: View, row: int, starts: np.ndarray, cloud_step: int | None) -> Windows:
    """Return the windows that begin at a row and at some columns of the scene.

    Args:
        chunks: their pixels are there.
        view: of the scene.
        row: pixels of the finest band.
        starts: int64 [window], ascending, likewise.
        cloud_step: side of a pixel of the scene classification, or None without one.
    """
    bands, num_nodata, num_pixels = {}, np.zeros(len(starts)), 0
    for name, band in view.bands.items():
        values = _cut(chunks, name, band.step, view.grid.window_px, row, starts)
        nodata = find_nodata(values, band.source.nodata)
        num_nodata += nodata.sum(axis=(1, 2))
        num_pixels += values[0].size
        bands[name] = _convert(values, nodata, band)
    cloud = np.full(len(starts), np.nan)
    if cloud_step is not None:
        classes = _cut(chunks, CLOUD, cloud_step, view.grid.window_px, row, starts)
        cloud = np.isin(classes, _CLOUD_CLASSES).mean(axis=(1, 2))
    return Windows(bands=bands, nodata=num_nodata / num_pixels, cloud=cloud)


def find_nodata(values: np.ndarray, nodata: float | None) -> np.ndarray:
    """Return where the values are nodata: equal to that of the file, or not finite."""
    found = np.zeros(values.shape, bool) if nodata is None or np.isnan(nodata) else values == nodata
    return found | ~np.isfinite(values) if values.dtype.kind == "f" else found


def prepare(windows: Windows, view: View, chosen: np.ndarray) -> dict[str, np.ndarray]:
    """Return name -> [window, row, column] of the chosen windows as the model takes them."""
    if len(chosen) == len(windows.nodata):  # no copy
        return {name: _fit(windows.bands[name], band) for name, band in view.bands.items()}
    return {name: _fit(windows.bands[name][chosen], band) for name, band in view.bands.items()}


def read_picture(chunks: Chunks, view: View, names: Sequence[str], rows: tuple[int, int], every_px: int) -> np.ndarray:
    """Return [row, column, 3] of three bands at every so many pixels of the rows of a scene; nodata as it is."""
    places = [
        np.arange(-(-low // every_px) * every_px, high, every_px) for low, high in (rows, (0, view.grid.shape_px[1]))
    ]
    if not len(places[0]):
        return np.empty((0, len(places[1]), len(names)))
    layers = []
    for name in names:
        step = view.bands[name].step
        inner = [axis // step for axis in places]
        span = (int(inner[0][0]), int(inner[0][-1]) + 1)
        layers.append(chunks.read(name, span, (0, int(inner[1][-1]) + 1))[np.ix_(inner[0] - span[0], inner[1])])
    return np.stack(layers, axis=-1)


def _cut(chunks: Chunks, name: str, step: int, window_px: int, row: int, starts: np.ndarray) -> np.ndarray:
    """Return [window, row, column] of a band; a cloud band may have pixels that no window side is a multiple of."""
    side = max(1, window_px // step)
    left = int(starts[0]) // step
    block = chunks.read(name, (row // step, row // step + side), (left, int(starts[-1]) // step + side))
    views: np.ndarray = np.lib.stride_tricks.sliding_window_view(block, (side, side))[0]
    windows: np.ndarray = views[starts // step - left]
    return windows


def _convert(values: np.ndarray, nodata: np.ndarray, band: ViewBand) -> np.ndarray:
    """Return the values in the dtype of the model, averaged where the scene is finer."""
    target: np.dtype[Any] = np.dtype(band.dtype)
    if target.kind == "u" and values.dtype.kind == "i":
        values = np.maximum(values, 0)
    if band.factor > 1:
        count, side = len(values), values.shape[1] // band.factor
        blocks = values.reshape(count, side, band.factor, side, band.factor)
        means = blocks.mean(axis=(2, 4))
        averaged: np.ndarray = (means if target.kind == "f" else np.rint(means)).astype(target)
        return averaged
    values = values.astype(target, copy=False)
    return values if band.fill is None else np.ma.MaskedArray(values, nodata)


def _fit(values: np.ndarray, band: ViewBand) -> np.ndarray:
    """Return windows of images resampled by the rule of the conversion; nodata is the train mean."""
    if band.fill is None:
        return values
    sized = [np.ma.filled(resample(one, band.size_px), np.dtype(band.dtype).type(band.fill)) for one in values]
    return np.stack(sized) if sized else np.empty((0, band.size_px, band.size_px), band.dtype)
