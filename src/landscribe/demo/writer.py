"""Writes the synthetic archive: patches in parallel, each complete or absent."""

import functools
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from landscribe.core.errors import ArchiveError
from landscribe.core.files import write_json
from landscribe.core.nomenclature import CLC_CODES
from landscribe.core.patch import S1_FOLDER, S2_FOLDER
from landscribe.core.tiles import PATCH_SIZE_M
from landscribe.demo.config import DemoConfig
from landscribe.demo.covers import Canvas, paint
from landscribe.demo.geotiff import encode_geotiff
from landscribe.demo.granules import Place, make_s1_metadata, make_s2_metadata, place_patch
from landscribe.demo.layout import count_cover, make_layout
from landscribe.demo.sensor import observe_optical, observe_radar
from landscribe.runtime.pool import map_in_workers

CONFIG_FILE = "demo.json"  # the section that the archive was written with, to detect an outdated archive
_CHUNK_PATCHES = 25  # about a sixth of a second of work: the progress bar moves, tasks stay cheap to send
_CLASS_NAMES = {code: name for name, code in CLC_CODES.items()}

_README = """\
Synthetic archive in the layout of BigEarthNet v1 / MM, made by landscribe (seed {seed}, {num_patches} patches).

Every pixel, label and place in it was drawn by a random number generator: nothing in it was measured, and none of
it is BigEarthNet data. It exists to run the pipeline without a download; a score on it says nothing about the
quality of a model on real imagery.
"""


def write_demo_archive(config: DemoConfig, root: Path, num_workers: int | None = None) -> None:
    """Write a synthetic archive; the same section gives the same bytes, for any number of workers.

    Args:
        config: size and seed.
        root: folder to make; it appears when everything is written.
        num_workers: processes; None: one per processor.

    Raises:
        ArchiveError: `root` exists and is not an empty folder.
    """
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise ArchiveError(f"{root}: expected an absent or empty folder to write the demo archive to; remove it first.")
    root.parent.mkdir(parents=True, exist_ok=True)
    beside = root.parent / f".{root.name}-{os.getpid()}"
    beside.mkdir()
    try:
        for folder in (S2_FOLDER, S1_FOLDER):
            (beside / folder).mkdir()
        _write_patches(config, beside, num_workers)
        readme = _README.format(seed=config.seed, num_patches=config.num_patches)
        (beside / "README.txt").write_text(readme, encoding="utf-8")
        write_json(beside / CONFIG_FILE, config.model_dump())
        beside.replace(root)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _write_patches(config: DemoConfig, root: Path, num_workers: int | None) -> None:
    numbers = range(config.num_patches)
    chunks = [numbers[first : first + _CHUNK_PATCHES] for first in range(0, len(numbers), _CHUNK_PATCHES)]
    with tqdm(total=config.num_patches, desc="demo archive", unit="patch", disable=not sys.stderr.isatty()) as bar:
        for written in map_in_workers(functools.partial(_write_chunk, config, root), chunks, num_workers):
            bar.update(written)


def _write_chunk(config: DemoConfig, root: Path, numbers: Sequence[int]) -> int:
    for number in numbers:
        write_patch(config, number, root)
    return len(numbers)


def write_patch(config: DemoConfig, number: int, root: Path) -> None:
    """Write patch `number` and its Sentinel-1 twin; a function of seed, number of tiles and `number` alone."""
    place = place_patch(config.seed, number, config.num_tiles)
    rng = np.random.default_rng([config.seed, number])
    layout = make_layout(rng, place.granule.biome)
    canvas = Canvas(rng, place.granule.season, layout)
    paint(canvas)
    labels = [_CLASS_NAMES[code] for code in sorted(count_cover(layout.codes))]
    s2_metadata, s1_metadata = make_s2_metadata(place, labels), make_s1_metadata(place, labels)
    _write_folder(root / S2_FOLDER / place.patch_id, place, observe_optical(canvas), s2_metadata)
    _write_folder(root / S1_FOLDER / place.s1_patch_id, place, observe_radar(canvas), s1_metadata)


def _write_folder(folder: Path, place: Place, bands: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> None:
    folder.mkdir()
    for band, values in bands.items():
        resolution_m = PATCH_SIZE_M // values.shape[0]
        data = encode_geotiff(values, resolution_m, place.left_m, place.top_m, place.granule.zone)
        with (folder / f"{folder.name}_{band}.tif").open("wb", buffering=0) as stream:
            stream.write(data)
    (folder / f"{folder.name}_labels_metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
