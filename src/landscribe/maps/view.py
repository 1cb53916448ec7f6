"""How a model sees a scene: which of its bands, how large a window, and how the pixels become the model's input."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from landscribe.core.bands import BANDS, S1_BANDS, hint_at_reflectance
from landscribe.core.errors import ArchiveError, LandscribeError
from landscribe.maps.grid import Grid, make_grid
from landscribe.scenes.scene import Scene, SceneBand

_TOLERANCE = 0.01  # of a pixel's side: that of EuroSAT is 10.0057 m
_PATCH_M = 1200.0  # side of a patch of BigEarthNet


@dataclass(frozen=True, kw_only=True)
class ViewBand:
    """One band of a model in a scene.

    Attributes:
        source: the band of the scene.
        step: side of its pixels, pixels of the finest band.
        size_px: side that the model takes.
        dtype: that the model takes.
        fill: of a model of images: what stands for nodata; else None.
        factor: pixels along a side that become one by their mean, where the scene is finer than the model's band.
    """

    source: SceneBand
    step: int
    size_px: int
    dtype: str
    fill: float | None
    factor: int


@dataclass(frozen=True, kw_only=True)
class View:
    """A scene as a model sees it.

    Attributes:
        bands: name -> band, in the order of the model.
        grid: windows and cells, in pixels of the finest band.
        resolution_m: ground size of these pixels, metres.
    """

    bands: Mapping[str, ViewBand]
    grid: Grid
    resolution_m: float


def find_window_m(facts: Mapping[str, Any], names: Mapping[str, Any], given_m: float | None) -> float:
    """Return the ground size of the patches that a model was trained on, metres.

    Args:
        facts: metadata of the version.
        names: its bands.
        given_m: --window-m; it wins.

    Raises:
        LandscribeError: neither says it.
    """
    if given_m is not None:
        if not 0 < given_m < float("inf"):
            raise LandscribeError(f"--window-m {given_m:g}: expected metres above 0, e.g. 640.")
        return given_m
    known_m = facts.get("window_m")
    if known_m is None and not facts.get("resamples", False) and all(BANDS[name].resolution_m for name in names):
        known_m = _PATCH_M
    if known_m is None:
        raise LandscribeError(
            "expected a model that knows the ground size of its images; this one does not, since they have no places or"
            " several sizes. Name it in metres, e.g. --window-m 640 for 64 pixels of 10 m."
        )
    return float(known_m)


def make_view(
    scene: Scene, bands: Mapping[str, Mapping[str, Any]], window_m: float, stride_px: int | None, resamples: bool
) -> View:
    """Return how a model sees a scene.

    Args:
        scene: its bands are those of the model that are there.
        bands: name -> size_px, dtype and, of images, fill: as the metadata of a version has them.
        window_m: ground size of a window, metres.
        stride_px: side of a cell, pixels of the finest band; None: that of a window.
        resamples: the model takes windows of any number of pixels.

    Raises:
        ArchiveError: a band is coarser than the model's, or of a dtype that would lose values; the scene is too small.
        LandscribeError: the stride does not fit.
    """
    finest_m = min(band.resolution_m for band in scene.bands.values())
    steps = {name: _find_step(band, finest_m) for name, band in scene.bands.items()}
    coarsest = int(np.lcm.reduce(list(steps.values())))
    window_px = coarsest * max(1, round(window_m / finest_m / coarsest))
    rows, columns = (min(band.shape[axis] * steps[name] for name, band in scene.bands.items()) for axis in (0, 1))
    grid = make_grid((rows, columns), window_px, stride_px, coarsest)
    found = {}
    for name, band in scene.bands.items():
        wanted = bands[name]
        check_dtype(band, str(wanted["dtype"]))
        native_px = window_px // steps[name]
        found[name] = ViewBand(
            source=band,
            step=steps[name],
            size_px=int(wanted["size_px"]),
            dtype=str(wanted["dtype"]),
            fill=wanted.get("fill"),
            factor=1 if resamples else _find_factor(band, native_px, int(wanted["size_px"]), window_m),
        )
    return View(bands=found, grid=grid, resolution_m=finest_m)


def check_dtype(band: SceneBand, dtype: str) -> None:
    """Raise `ArchiveError` where values of the scene would not be the same in the dtype of the model."""
    source, target = np.dtype(band.dtype), np.dtype(dtype)
    # Products of other software store digital numbers as int16; they are not negative where they are valid.
    fits = np.can_cast(source, target, "safe") or (source, target) == (np.dtype("int16"), np.dtype("uint16"))
    if target.kind == "f" and source.kind in "iuf" and source.itemsize <= 8:
        fits = True
    if not fits:
        raise ArchiveError(
            f"band {band.name} of {band.path}: expected {dtype} values; received {band.dtype}"
            f"{hint_at_reflectance(dtype, band.dtype)}."
        )


def _find_step(band: SceneBand, finest_m: float) -> int:
    ratio = band.resolution_m / finest_m
    if abs(ratio - round(ratio)) > _TOLERANCE * ratio:
        raise ArchiveError(
            f"band {band.name} of {band.path}: expected pixels of a whole multiple of {finest_m:g} m, the finest of the"
            f" scene; received {band.resolution_m:g} m. Resample it, e.g. by gdalwarp -tr."
        )
    return round(ratio)


def _find_factor(band: SceneBand, native_px: int, size_px: int, window_m: float) -> int:
    factor = native_px // size_px
    if not factor or native_px % size_px:
        expected_m = window_m / size_px
        raise ArchiveError(
            f"band {band.name} of {band.path}: expected pixels of {expected_m:g} m, as the model was trained on, or a"
            f" whole part of it; received {band.resolution_m:g} m."
            + (" Name a scene with the finer band." if band.resolution_m > expected_m else "")
        )
    return factor


def is_optical(name: str) -> bool:
    """Return whether an offset of Sentinel-2 may be in the digital numbers of a band."""
    return name not in S1_BANDS
