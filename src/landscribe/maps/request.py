"""From a command line to a map: everything that can be refused is refused before the model is loaded."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landscribe.core.errors import LandscribeError
from landscribe.maps.config import MapConfig
from landscribe.maps.mapping import Work, label_scene
from landscribe.maps.view import find_window_m, make_view
from landscribe.maps.writer import write_map
from landscribe.registry.served_version import open_served
from landscribe.runtime.progress import make_logger
from landscribe.scenes.layouts import check_scene, open_scene
from landscribe.scenes.scene import Scene
from landscribe.tracking.registered import name_version


@dataclass(frozen=True, kw_only=True)
class MapRequest:
    """What a user asks for.

    Attributes:
        scene: file or folder.
        model: URI of a registered model.
        out: folder to write to.
        offset: added to optical bands; None: what the product's metadata says.
        stride_px: side of a cell, pixels of the finest band; None: that of a window.
        window_m: ground size of the patches that the model was trained on, metres; None: what the model says.
        s1_root: the Sentinel-1 bands on the same grid, where they lie elsewhere.
        band_order: names of the bands of a raster that does not name them.
    """

    scene: Path
    model: str
    out: Path
    offset: int | None = None
    stride_px: int | None = None
    window_m: float | None = None
    s1_root: Path | None = None
    band_order: Sequence[str] | None = None


def map_scene(request: MapRequest, config: MapConfig) -> str:
    """Write the map of a scene; return a sentence on it.

    Raises:
        LandscribeError: what was asked for does not fit the scene, the model or each other.
    """
    check_out_folder(request.out)
    check_scene(request.scene, request.s1_root, request.band_order)
    with open_served(request.model) as served:
        work, thresholds = plan_work(request, config, served.metadata)
        version = name_version(request.model)
        _tell(work, version)
        with label_scene(work, request.out, served) as labelled:
            count = write_map(labelled, request.out, thresholds, make_facts(work, version, labelled.warn()))
    rows, columns = work.view.grid.shape
    return f"{count} of {rows * columns} cells labelled: {request.out}"


def plan_work(request: MapRequest, config: MapConfig, described: Any) -> tuple[Work, Mapping[str, float]]:
    """Return what is to be done, and class -> threshold.

    Args:
        request: what a user asks for.
        config: section `map`.
        described: what MLflow knows of the version.
    """
    facts = described.metadata or {}
    if "thresholds" not in facts:
        raise LandscribeError(
            f"{request.model} was registered before there were maps, and has no thresholds to read: train a model with"
            " make repro, and name its version."
        )
    scene = open_fitting(request, facts)
    window_m = find_window_m(facts, facts["bands"], request.window_m)
    view = make_view(scene, facts["bands"], window_m, request.stride_px, bool(facts["resamples"]))
    # MLflow sorts the keys of metadata; the order of the classes is that of the signature.
    classes = [name for name in described.get_output_schema().input_names() if name in facts["thresholds"]]
    thresholds = {name: float(facts["thresholds"][name]) for name in classes}
    named = described.model_uuid or request.model
    return Work(scene=scene, view=view, config=config, classes=classes, model=named), thresholds


def check_out_folder(path: Path) -> None:
    """Raise `LandscribeError` unless the folder is there or can be made, and can be written to."""
    folder = next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise LandscribeError(f"--out {path}: expected a folder that can be written to; {folder} is not one.")


def open_fitting(request: MapRequest, facts: Mapping[str, Any]) -> Scene:
    """Return the scene with the bands of a model, less those of Sentinel-1 if both can do without."""
    names, optional = list(facts["bands"]), facts.get("optional") or {}

    def open_with(chosen: Sequence[str]) -> Scene:
        return open_scene(
            request.scene, chosen, s1_root=request.s1_root, band_order=request.band_order, offset=request.offset
        )

    if request.s1_root is not None or not optional.get("S1"):
        return open_with(names)
    try:
        return open_with(names)
    except LandscribeError:
        scene = open_with([name for name in names if name not in optional["S1"]])
    words = ", ".join(sorted(optional["S1"]))
    make_logger("map").warning("warning: without the bands of S1 (%s): the train mean replaces them", words)
    return scene


def make_facts(work: Work, version: str, doubt: str) -> dict[str, str]:
    """Return the metadata of the files of a map."""
    grid, offset = work.view.grid, work.scene.offset
    return {
        "scene": work.scene.name,
        "model": version,
        "offset": f"{offset.value} ({offset.source or 'nothing says it'})",
        "offset_doubt": doubt,
        "window_m": f"{grid.window_px * work.view.resolution_m:g}",
        "stride_m": f"{grid.stride_px * work.view.resolution_m:g}",
        "max_nodata_fraction": str(work.config.max_nodata_fraction),
        "max_cloud_fraction": str(work.config.max_cloud_fraction),
    }


def _tell(work: Work, version: str) -> None:
    grid, offset = work.view.grid, work.scene.offset
    rows, columns = grid.shape
    make_logger("map").info(
        "map: %s by %s; %d x %d cells of %g m, windows of %g m; offset %d (%s)",
        *(work.scene.name, version, rows, columns, grid.stride_px * work.view.resolution_m),
        *(grid.window_px * work.view.resolution_m, offset.value, offset.source or "nothing says it"),
    )
