"""The bands of BigEarthNet v1: the files value by value, and each damaged one reported by name."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.core.bands import S1_BANDS, S2_BANDS, Band
from landscribe.core.errors import PatchError
from landscribe.core.patch import S1_FOLDER, S2_FOLDER
from tests.support.v1_folders import list_folders, list_patches, open_pairs, open_s1, turn_into_folder

ALL_BANDS = [*S2_BANDS.values(), *S1_BANDS.values()]


def iter_bands(root: Path, archive: BigEarthNetV1, bands: list[Band]) -> Iterator[tuple[Band, np.ndarray, Path]]:
    """Yield (band, values as read, file without suffix) of every patch."""
    for patch in list_patches(archive):
        values = archive.read_patch(patch["path"], patch["s1_path"], bands)
        assert list(values) == [band.name for band in bands]
        for band in bands:
            folder = S1_FOLDER if band.name in S1_BANDS else S2_FOLDER
            path = patch["s1_path"] if band.name in S1_BANDS else patch["path"]
            yield band, values[band.name], root / folder / path / f"{path}_{band.name}"


def test_bands_are_the_files_value_by_value(pairs: Path) -> None:
    for path in list_folders(pairs / S2_FOLDER)[3].glob("*_B0[248].tif"):
        path.rename(path.with_suffix(".tiff"))
    s1_bands = list(S1_BANDS.values())
    read = [*iter_bands(pairs, open_pairs(pairs), ALL_BANDS), *iter_bands(pairs, open_s1(pairs), s1_bands)]
    for band, values, path in read:
        file = path.with_suffix(".tif")
        with rasterio.open(file if file.exists() else path.with_suffix(".tiff")) as dataset:
            np.testing.assert_array_equal(values, dataset.read(1))
        assert values.shape == (band.size_px, band.size_px)
        assert values.dtype.name == band.dtype
    assert len(read) == 6 * 14 + 6 * 2


def rewrite(path: Path, values: np.ndarray) -> None:
    """Write other values into a band's file."""
    with rasterio.open(path) as dataset:
        profile = dataset.profile | {"dtype": values.dtype, "height": values.shape[0], "width": values.shape[1]}
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(values, 1)


# What is done to one band's file, and what the reason says.
DAMAGED_TIFF: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (lambda path: path.unlink(), "is missing: no "),
    "a folder": (turn_into_folder, "is missing: no "),
    "empty": (lambda path: path.write_bytes(b""), "is unreadable"),
    "not a TIFF": (lambda path: path.write_bytes(b"<html>404</html>"), "is unreadable"),
    "half a header": (lambda path: path.write_bytes(path.read_bytes()[:100]), "is unreadable"),
    "half the pixels": (lambda path: path.write_bytes(path.read_bytes()[:-600]), "is unreadable"),
    "wrong size": (
        lambda path: rewrite(path, np.ones((119, 120), np.float32)),
        "received (119, 120) float32",
    ),
    "wrong dtype": (lambda path: rewrite(path, np.ones((120, 120), np.int16)), "received (120, 120) int16"),
    "NaN": (lambda path: rewrite(path, np.full((120, 120), np.nan, np.float32)), "holds NaN or infinity"),
    "infinity": (lambda path: rewrite(path, np.full((120, 120), -np.inf, np.float32)), "holds NaN or infinity"),
}


@pytest.mark.parametrize("kind", DAMAGED_TIFF)
def test_a_damaged_band_is_refused_by_name(pairs: Path, kind: str) -> None:
    damage, words = DAMAGED_TIFF[kind]
    archive = open_pairs(pairs)
    patch = list_patches(archive)[0]
    damage(pairs / S1_FOLDER / f"{patch['s1_path']}/{patch['s1_path']}_VV.tif")
    with pytest.raises(PatchError) as caught:
        archive.read_patch(patch["path"], patch["s1_path"], ALL_BANDS)
    assert words in str(caught.value)
    assert f"{patch['s1_path']}_VV.tif" in str(caught.value)
    others = [band for band in ALL_BANDS if band.name != "VV"]
    assert len(archive.read_patch(patch["path"], patch["s1_path"], others)) == 13


def test_bands_are_those_of_the_sensors_and_the_others_are_refused(pairs: Path) -> None:
    s2_alone, s1_alone = BigEarthNetV1(pairs / S2_FOLDER, None), open_s1(pairs)
    assert (s2_alone.bands, s1_alone.bands) == (S2_BANDS, S1_BANDS)
    assert open_pairs(pairs).bands == {**S2_BANDS, **S1_BANDS}
    patch = list_patches(open_pairs(pairs))[0]
    for archive, s1_path in ((open_pairs(pairs), None), (s2_alone, patch["s1_path"])):
        with pytest.raises(PatchError, match="VV is missing: the patch has no Sentinel-1 twin"):
            archive.read_patch(patch["path"], s1_path, ALL_BANDS)
    with pytest.raises(PatchError, match="B01 is missing: the patch has no Sentinel-2 twin"):
        s1_alone.read_patch(patch["s1_path"], patch["s1_path"], ALL_BANDS)
