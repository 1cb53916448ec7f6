"""One band from its file: plainly or through GDAL the same, and each thing that is no such file reported by name."""

import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from landscribe.archive.raster import read_band
from landscribe.core.bands import BANDS
from landscribe.core.errors import PatchError
from landscribe.demo.geotiff import encode_geotiff

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

B05 = BANDS["B05"]
VALUES = np.random.default_rng(2).integers(0, 1 << 16, (60, 60), np.uint16)
PLAIN = encode_geotiff(VALUES, 20, 404400, 5302800, 33)
EPSG, USER_DEFINED = (
    struct.pack("<4H", 3072, 0, 1, code) for code in (32633, 32767)
)  # GeoTIFF's key of the projection


def write(path: Path, values: np.ndarray = VALUES, **options: Any) -> None:
    """Write a GeoTIFF of [row, column] or [band, row, column] through GDAL."""
    bands = np.atleast_3d(values.T).T
    form = {"driver": "GTiff", "count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    with rasterio.open(path, "w", **form | {"dtype": bands.dtype} | options) as dataset:
        dataset.write(bands)


@pytest.mark.parametrize("options", [{}, {"compress": "deflate"}, {"tiled": True}, {"endianness": "big"}])
@pytest.mark.parametrize("suffix", [".tif", ".tiff"])
def test_a_band_is_read_whatever_its_form_and_suffix(options: dict[str, Any], suffix: str, tmp_path: Path) -> None:
    write(tmp_path / f"B05{suffix}", **options)
    np.testing.assert_array_equal(read_band(tmp_path / "B05.tif", B05), VALUES)


def test_a_plain_file_does_not_go_through_gdal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "B05.tif").write_bytes(PLAIN)
    monkeypatch.delattr(rasterio, "open")
    np.testing.assert_array_equal(read_band(tmp_path / "B05.tif", B05), VALUES)


def test_a_large_file_is_read_in_parts(tmp_path: Path) -> None:
    (tmp_path / "B05.tif").write_bytes(PLAIN + bytes(2 << 20))
    np.testing.assert_array_equal(read_band(tmp_path / "B05.tif", B05), VALUES)


def claim_size(size_px: int) -> bytes:
    """Return a TIFF whose directory claims so many rows and columns, as LONG, in tiles that were never written."""
    tags = {256: size_px, 257: size_px, 258: 16, 259: 1, 262: 1, 277: 1, 322: 65536, 323: 65536, 324: 0, 325: 0}
    num_tiles = (-(-size_px // 65536)) ** 2
    end = 8 + 2 + 12 * len(tags) + 4
    fields = {tag: (4, num_tiles, end) if tag in (324, 325) else (4, 1, value) for tag, value in tags.items()}
    directory = b"".join(struct.pack("<HHII", tag, *field) for tag, field in fields.items())
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + directory + bytes(4 + 4 * num_tiles)


# A file that is no band, and what its reason says.
WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (lambda path: None, "band B05 is missing: no B05.tif"),
    "a folder": (lambda path: path.mkdir(), "band B05 is missing: no B05.tif"),
    "a pipe": (lambda path: os.mkfifo(path), "band B05 is missing: no B05.tif"),
    "a link to nowhere": (lambda path: path.symlink_to("nowhere"), "band B05 is missing: no B05.tif"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "band B05 is missing: no B05.tif"),
    "a device": (lambda path: path.symlink_to(os.devnull), "band B05 is missing: no B05.tif"),
    "empty": (lambda path: path.write_bytes(b""), "B05.tif is unreadable: "),
    "a web page": (lambda path: path.write_bytes(b"<html>404</html>"), "B05.tif is unreadable: "),
    "truncated": (lambda path: path.write_bytes(PLAIN[:-1]), "B05.tif is unreadable: "),
    "bytes that are no text": (
        lambda path: path.write_bytes(PLAIN.replace(b"UTM", b"\xff\xff\xff").replace(EPSG, USER_DEFINED)),
        "B05.tif is unreadable: 'utf-8' codec can't decode",
    ),
    "two bands": (lambda path: write(path, np.stack([VALUES] * 2)), "B05.tif: expected one band; received 2"),
    "another size": (lambda path: write(path, VALUES[1:]), "expected (60, 60) uint16; received (59, 60) uint16"),
    "another dtype": (lambda path: write(path, VALUES.astype(np.int16)), "uint16; received (60, 60) int16"),
    "a size beyond memory": (
        lambda path: path.write_bytes(claim_size(400_000)),
        "expected (60, 60) uint16; received (400000, 400000) uint16",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_band_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    make, words = WRONG[kind]
    make(tmp_path / "B05.tif")
    with pytest.raises(PatchError) as caught:
        read_band(tmp_path / "B05.tif", B05)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_name_too_long_or_below_a_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / f"{'x' * 300}.tif", tmp_path / "file/B05.tif"):
        with pytest.raises(PatchError, match=r"band B05 is missing: no .*\.tif"):
            read_band(path, B05)


@pytest.mark.parametrize("function", ["open", "lseek", "pread"])
def test_what_the_system_refuses_is_told(function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "B05.tif").write_bytes(PLAIN)

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(f"landscribe.archive.patch_files.os.{function}", refuse)
    with pytest.raises(PatchError, match=r"^B05\.tif is unreadable: Input/output error$"):
        read_band(tmp_path / "B05.tif", B05)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("options", [{}, {"compress": "deflate"}])
def test_decibels_are_numbers(value: float, options: dict[str, Any], tmp_path: Path) -> None:
    values = np.zeros((120, 120), np.float32)
    values[3, 4] = value
    write(tmp_path / "VV.tif", values, **options)
    with pytest.raises(PatchError, match=r"^VV\.tif holds NaN or infinity$"):
        read_band(tmp_path / "VV.tif", BANDS["VV"])
