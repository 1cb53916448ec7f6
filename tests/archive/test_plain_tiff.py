"""The plain decoder returns what GDAL reads, or leaves the file to GDAL: never other pixels."""

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter, MemoryFile

from landscribe.archive.plain_tiff import decode_plain_tiff
from landscribe.demo.geotiff import encode_geotiff

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

VALUES = np.random.default_rng(4).integers(0, 1 << 16, (40, 30), np.uint16)
# What each directory holds; `strips` and what else a test changes come on top.
TAGS = {256: 30, 257: 40, 258: 16, 259: 1, 262: 1, 277: 1, 278: 16, 284: 1, 339: 1}
SHORT, LONG = 3, 4


def read_with_gdal(data: bytes) -> np.ndarray | None:
    """Return the first band as rasterio reads it; None where it cannot."""
    try:
        with MemoryFile(data) as file, file.open() as dataset:
            values: np.ndarray = dataset.read(1)
            return values
    except (RasterioError, UnicodeDecodeError):
        return None


def is_plain(data: bytes) -> bool:
    """Check the law; return whether the file was decoded plainly."""
    plain = decode_plain_tiff(data)
    if plain is not None:
        expected = read_with_gdal(data)
        assert expected is not None
        assert plain.dtype == expected.dtype
        np.testing.assert_array_equal(plain, expected)
    return plain is not None


def write_with_gdal(values: np.ndarray = VALUES, **options: Any) -> bytes:
    """Return a GeoTIFF of [row, column] or [band, row, column] written by GDAL."""
    bands = np.atleast_3d(values.T).T
    count, height, width = bands.shape
    with MemoryFile() as file:
        form = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": bands.dtype}
        with file.open(**form | options) as dataset:
            dataset.write(bands)
        data: bytes = file.read()
        return data


def write_by_hand(changes: dict[int, int | None], order: tuple[int, ...] = (0, 1, 2), gap: int = 0) -> bytes:
    """Return a TIFF of three strips that lie in another order, with gaps; a tag changed to None is left out."""
    tags = {tag: value for tag, value in (TAGS | changes).items() if value is not None}
    num_rows = min(tags.get(278) or len(VALUES), len(VALUES))
    strips = [VALUES[top : top + num_rows].tobytes() for top in range(0, len(VALUES), num_rows)]
    end = 8 + 2 + 12 * (len(tags) + 2) + 4
    places, offsets = end + 8 * len(strips), [0] * len(strips)
    body = b""
    for number in order[: len(strips)]:
        body += bytes(gap)
        offsets[number] = places + len(body)
        body += strips[number]
    lists = struct.pack(f"<{2 * len(strips)}I", *offsets, *map(len, strips))
    fields = {tag: (LONG if value > 65535 else SHORT, 1, value) for tag, value in tags.items()}
    fields[273] = (LONG, len(strips), end if len(strips) > 1 else offsets[0])
    fields[279] = (LONG, len(strips), end + 4 * len(strips) if len(strips) > 1 else len(strips[0]))
    directory = b"".join(struct.pack("<HHII", tag, *fields[tag]) for tag in sorted(fields))
    return struct.pack("<2sHIH", b"II", 42, 8, len(fields)) + directory + bytes(4) + lists + body


def put(data: bytes, place: int, form: str, *values: int) -> bytes:
    """Return the bytes with other values at a place."""
    changed = struct.pack(form, *values)
    return data[:place] + changed + data[place + len(changed) :]


def test_every_real_file_is_decoded_as_gdal_reads_it(samples: Path) -> None:
    paths = [path for root in ("bigearthnet-v1", "bigearthnet-v2") for path in (samples / root).rglob("*.tif*")]
    left = [path.name for path in paths if not is_plain(path.read_bytes())]
    assert len(paths) > 80
    assert all(name.endswith("_reference_map.tif") for name in left)  # deflate


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(1, 1), (20, 20), (120, 120), (3, 701)])
def test_the_decoder_inverts_the_encoder(dtype: str, shape: tuple[int, int]) -> None:
    values = np.random.default_rng(1).integers(0, 255, shape).astype(dtype)
    data = encode_geotiff(values, 10, 404400, 5302800, 33)
    assert is_plain(data)
    np.testing.assert_array_equal(decode_plain_tiff(data), values)


FLOATS, BYTES = VALUES.astype(np.float32), VALUES.astype(np.uint8)
# What GDAL writes and how, and whether that is plain.
WRITTEN: dict[str, tuple[np.ndarray, dict[str, Any], bool]] = {
    "strips": (VALUES, {}, True),
    "one strip": (VALUES, {"blockysize": 40}, True),
    "a strip per row": (VALUES, {"blockysize": 1}, True),
    "nodata": (VALUES, {"nodata": 0}, True),
    "nodata as a long text": (FLOATS, {"nodata": -9999.25}, True),
    "nodata as no number": (FLOATS, {"nodata": np.nan}, True),
    "a place": (FLOATS, {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 0, 0, -10, 9)}, True),
    "tiled": (VALUES, {"tiled": True, "blockxsize": 16, "blockysize": 16}, False),
    "LZW": (VALUES, {"compress": "lzw"}, False),
    "deflate": (VALUES, {"compress": "deflate"}, False),
    "deflate of differences": (VALUES, {"compress": "deflate", "predictor": 2}, False),
    "packbits": (VALUES, {"compress": "packbits"}, False),
    "big-endian": (VALUES, {"endianness": "big"}, False),
    "BigTIFF": (VALUES, {"bigtiff": "yes"}, False),
    "two bands": (np.stack([VALUES, VALUES]), {}, False),
    "two planes": (np.stack([VALUES, VALUES]), {"interleave": "band"}, False),
    "nothing but holes": (np.zeros_like(VALUES), {"sparse_ok": True}, False),
    "a table of colours": (BYTES, {"photometric": "palette"}, False),
    "white is zero": (BYTES, {"photometric": "miniswhite"}, False),
    "12 bits": (VALUES % 4096, {"nbits": 12}, False),
    "1 bit": (BYTES % 2, {"nbits": 1}, False),
    "signed": (VALUES.astype(np.int16), {}, False),
    "64 bits": (VALUES.astype(np.float64), {}, False),
    "complex": (VALUES.astype(np.complex64), {}, False),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_gdal_writes_is_plain_or_left_to_it(name: str) -> None:
    values, options, plain = WRITTEN[name]
    data = write_with_gdal(values, **options)
    assert read_with_gdal(data) is not None
    assert is_plain(data) == plain
    assert not any(is_plain(data[:length]) for length in range(0, len(data), 97))


def add_overview(dataset: DatasetWriter) -> None:
    dataset.build_overviews([2])


def add_mask(dataset: DatasetWriter) -> None:
    dataset.write_mask(VALUES > 9)


def add_scale(dataset: DatasetWriter) -> None:
    dataset.scales, dataset.offsets = (0.5,), (3.0,)


@pytest.mark.parametrize("add", [add_overview, add_mask, add_scale])
def test_what_may_change_the_pixels_is_left_to_gdal(add: Callable[[DatasetWriter], None], tmp_path: Path) -> None:
    path = tmp_path / "band.tif"
    path.write_bytes(write_with_gdal())
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        add(dataset)
    assert not is_plain(path.read_bytes())


# Made by hand: what GDAL does not write, and whether it is plain.
MADE: dict[str, tuple[bytes, bool]] = {
    "as it should be": (write_by_hand({}), True),
    "tags that have a default": (write_by_hand({259: None, 277: None, 284: None, 339: None}), True),
    "no rows per strip": (write_by_hand({278: None}), True),
    "more rows per strip than rows": (write_by_hand({278: 4096}), True),
    "endless rows per strip": (write_by_hand({278: (1 << 32) - 1}), True),
    "strips out of order": (write_by_hand({}, (2, 0, 1)), True),
    "strips with gaps": (write_by_hand({}, gap=10), True),
    "strips out of order with gaps": (write_by_hand({}, (1, 2, 0), gap=3), True),
    "no colour model": (write_by_hand({262: None}), True),
    "bits from the right": (write_by_hand({266: 2}), False),
    "turned by its orientation": (write_by_hand({274: 3}), False),
    "a part of the values is alpha": (write_by_hand({338: 2}), False),
    "an unknown tag": (write_by_hand({65000: 1}), False),
    "marked as an overview": (write_by_hand({254: 1}), False),
    "a predictor without compression": (write_by_hand({317: 2}), False),
    "no size": (write_by_hand({256: None}), False),
    "no columns": (write_by_hand({256: 0}), False),
    "no rows": (write_by_hand({257: 0}), False),
    "no rows per strip at all": (write_by_hand({278: 0}), False),
    "more columns than values": (write_by_hand({256: 31}), False),
    "billions of rows": (write_by_hand({257: (1 << 32) - 1, 278: 1}), False),
    "no bits": (write_by_hand({258: None}), False),
    "a strip that was never written": (put(write_by_hand({}), 146, "<I", 0), False),
    "a strip beyond the end": (put(write_by_hand({}), 146, "<I", 1 << 31), False),
    "a strip too short": (put(write_by_hand({}), 158, "<I", 9), False),
    "a second directory": (put(write_by_hand({}), 142, "<I", 8), False),
    "a directory beyond the end": (put(write_by_hand({}), 4, "<I", 1 << 31), False),
    "more tags than bytes": (put(write_by_hand({}), 8, "<H", 65535), False),
    "a tag twice": (put(write_by_hand({}), 10, "<H", 257), False),
    "two values where there is one": (put(write_by_hand({}), 14, "<I", 2), False),
    "a number as text": (put(write_by_hand({}), 12, "<H", 2), False),
}


@pytest.mark.parametrize("name", MADE)
def test_forms_that_gdal_does_not_write_hold_the_law(name: str) -> None:
    data, plain = MADE[name]
    assert is_plain(data) == plain


def test_damage_before_the_pixels_never_gives_other_pixels() -> None:
    rng = random.Random(9)
    files = [encode_geotiff(VALUES, 10, 404400, 5302800, 33), write_by_hand({}, (2, 0, 1))]
    files += [write_with_gdal(WRITTEN[name][0], **WRITTEN[name][1]) for name in ("nodata as a long text", "a place")]
    num_plain = 0
    for _ in range(1500):
        data = bytearray(rng.choice(files))
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(400)] ^= 1 << rng.randrange(8)
        num_plain += is_plain(bytes(data))
    assert num_plain > 100


def test_what_is_no_tiff_is_left_to_gdal() -> None:
    for data in (b"", b"II*\0", b"II*\0\x08\0\0\0", b"<html>404</html>", bytes(9000), b"II*\0" + b"\xff" * 9000):
        assert decode_plain_tiff(data) is None
