"""Fake archives of BigEarthNet v1: real names and JSON; bands of a few bytes each, or as large as the real ones."""

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.archive.protocol import PATCH_SCHEMA
from landscribe.conversion.config import ConvertConfig
from landscribe.conversion.converter import ConversionSource
from landscribe.core.bands import S1_BANDS, S2_BANDS, Band
from landscribe.core.nomenclature import NOMENCLATURES
from landscribe.demo.geotiff import encode_geotiff
from landscribe.demo.granules import GRANULES, Place, make_s1_metadata, make_s2_metadata

_LABELS = 3  # a patch has 2.9 on average
_CELLS_PER_SIDE = 92  # one more than a tile has: room for 100,000 patches on the granules of the demo


def iter_places(num_patches: int) -> Iterator[Place]:
    """Yield as many cells, granule by granule."""
    cells = itertools.product(GRANULES, range(_CELLS_PER_SIDE), range(_CELLS_PER_SIDE))
    for granule, column, row in itertools.islice(cells, num_patches):
        yield Place(granule=granule, column=column, row=row)


def write_fake_v1(root: Path, s1_root: Path, num_patches: int, *, with_bands: bool) -> None:
    """Write patch folders of both sensors, with or without files of bands."""
    classes = NOMENCLATURES["CLC-43"]().classes
    for folder in (root, s1_root):
        folder.mkdir(parents=True)
    s2_bands, s1_bands = (S2_BANDS, S1_BANDS) if with_bands else ({}, {})
    for number, place in enumerate(iter_places(num_patches)):
        labels = [classes[(number + step) % len(classes)] for step in range(_LABELS)]
        _write_patch(root / place.patch_id, make_s2_metadata(place, labels), s2_bands)
        _write_patch(s1_root / place.s1_patch_id, make_s1_metadata(place, labels), s1_bands)


def write_s2_patches(root: Path, num_patches: int) -> list[str]:
    """Write patch folders of 12 bands as plain TIFFs, without labels; return their names."""
    rng = np.random.default_rng(6)
    names = []
    for place in iter_places(num_patches):
        names.append(place.patch_id)
        (root / place.patch_id).mkdir(parents=True)
        for band in S2_BANDS.values():
            # Reflectances as they are spread in the archive: a few thousand values, not the whole range.
            values = rng.integers(1, 4000, (band.size_px or 0, band.size_px or 0)).astype(np.uint16)
            data = encode_geotiff(values, band.resolution_m or 0, 404400, 5302800, 33)
            (root / place.patch_id / f"{place.patch_id}_{band.name}.tif").write_bytes(data)
    return names


def _write_patch(folder: Path, metadata: dict[str, object], bands: dict[str, Band]) -> None:
    folder.mkdir()
    (folder / f"{folder.name}_labels_metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    for band in bands:
        (folder / f"{folder.name}_{band}.tif").write_bytes(band.encode())


def plan_conversion(folder: Path, names: Sequence[str], shard_size_mb: float) -> tuple[ConversionSource, ConvertConfig]:
    """Return what to convert, all patches of `folder`/S2 for train, and how."""
    classes = NOMENCLATURES["BEN-19"]().classes
    columns = {"patch_id": names, "path": names, "labels": [[classes[0]]] * len(names)}
    index = pd.DataFrame(dict.fromkeys(PATCH_SCHEMA.names) | columns)
    splits = pd.DataFrame({"patch_id": names, "split": "train"})
    source = ConversionSource(BigEarthNetV1(folder / "S2", None), "made", index, splits, ("BEN-19", classes))
    config = ConvertConfig(
        bands=list(S2_BANDS),
        image_size_px=128,
        max_nodata_fraction=0.5,
        shard_size_mb=shard_size_mb,
        max_bad_fraction=0,
        verify=False,
        seed=1,
    )
    return source, config
