"""A GeoTIFF writer for one small uncompressed band in a UTM zone, byte for byte as GDAL lays it out.

Strips, tags and geographic keys are those of the real BigEarthNet v1 files, so that sizes agree as well (29,192
bytes for a 10 m band). Not GDAL: opening a dataset takes longer than rendering a whole synthetic patch.
Formats: TIFF 6.0; OGC GeoTIFF 1.1 (19-008r4).
"""

import functools
import itertools
import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_STRIP_BYTES = 8192  # GDAL's default: as many rows as fit into 8 KiB
_SHORT, _LONG, _ASCII, _DOUBLE = 3, 4, 2, 12
_FIELD_FORMATS = {_SHORT: "H", _LONG: "I", _DOUBLE: "d"}
_UNSIGNED, _FLOAT = 1, 3
_STRIP_OFFSETS, _STRIP_BYTE_COUNTS, _TIE_POINT = 273, 279, 33922
_TIE_POINT_BYTES = 48

Field = tuple[int, tuple[float, ...] | str]  # kind and values of one tag


def encode_geotiff(values: NDArray[np.generic], resolution_m: int, left_m: int, top_m: int, zone: int) -> bytes:
    """Return the bytes of a GeoTIFF.

    Args:
        values: uint16 or float32 [row, column].
        resolution_m: size of a pixel, metres.
        left_m: easting of the upper left corner, metres.
        top_m: northing of the upper left corner, metres.
        zone: UTM zone of the northern hemisphere, 1 to 60.
    """
    kind = _FLOAT if values.dtype.kind == "f" else _UNSIGNED
    head, tail = _encode_header(values.shape, values.itemsize, kind, resolution_m, zone)
    tie_point = struct.pack("<6d", 0, 0, 0, left_m, top_m, 0)
    return b"".join((head, tie_point, tail, values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()))


@functools.cache
def _encode_header(
    shape: tuple[int, ...], item_bytes: int, kind: int, resolution_m: int, zone: int
) -> tuple[bytes, bytes]:
    """Return everything before the pixels, in two parts around the tie point."""
    rows, columns = shape
    row_bytes = columns * item_bytes
    strip_rows = min(rows, _STRIP_BYTES // row_bytes)
    strip_bytes = [row_bytes * min(strip_rows, rows - top) for top in range(0, rows, strip_rows)]
    citation = f"WGS 84 / UTM zone {zone}N|WGS 84|\0"
    fields: dict[int, Field] = {
        256: (_SHORT, (columns,)),
        257: (_SHORT, (rows,)),
        258: (_SHORT, (8 * item_bytes,)),
        259: (_SHORT, (1,)),  # not compressed
        262: (_SHORT, (1,)),  # black is zero
        _STRIP_OFFSETS: (_LONG, (0,) * len(strip_bytes)),  # known once all else is laid out
        277: (_SHORT, (1,)),  # samples per pixel
        278: (_SHORT, (strip_rows,)),
        _STRIP_BYTE_COUNTS: (_LONG, tuple(strip_bytes)),
        284: (_SHORT, (1,)),  # one plane
        339: (_SHORT, (kind,)),
        33550: (_DOUBLE, (resolution_m, resolution_m, 0.0)),
        _TIE_POINT: (_DOUBLE, (0.0,) * 6),  # differs from patch to patch
        34735: (_SHORT, _make_geo_keys(zone, citation)),
        34737: (_ASCII, citation),
    }
    start = len(_encode_fields(fields)[0])
    fields[_STRIP_OFFSETS] = (_LONG, tuple(itertools.accumulate(strip_bytes[:-1], initial=start)))
    header, places = _encode_fields(fields)
    return header[: places[_TIE_POINT]], header[places[_TIE_POINT] + _TIE_POINT_BYTES :]


def _make_geo_keys(zone: int, citation: str) -> tuple[int, ...]:
    name = citation.index("|") + 1
    keys = (
        (1024, 0, 1, 1),  # projected
        (1025, 0, 1, 1),  # a pixel is an area
        (1026, 34737, name, 0),
        (2049, 34737, len("WGS 84|"), name),
        (2054, 0, 1, 9102),  # degree
        (3072, 0, 1, 32600 + zone),
        (3076, 0, 1, 9001),  # metre
    )
    return (1, 1, 0, len(keys), *(value for key in keys for value in key))


def _encode_fields(fields: Mapping[int, Field]) -> tuple[bytes, dict[int, int]]:
    """Return file header, directory and the values that do not fit into it; and the places of those values."""
    end = 8 + 2 + 12 * len(fields) + 4
    entries: dict[int, bytes] = {}
    places: dict[int, int] = {}
    values = b""
    for tag in sorted(fields, key=lambda tag: tag != _STRIP_BYTE_COUNTS):  # GDAL lays the byte counts first
        kind, value = fields[tag]
        if isinstance(value, str):
            data = value.encode("ascii")
        else:
            data = struct.pack(f"<{len(value)}{_FIELD_FORMATS[kind]}", *value)
        if len(data) > 4:
            places[tag] = end + len(values)
            values += data
            data = struct.pack("<I", places[tag])
        entries[tag] = struct.pack("<HHI", tag, kind, len(value)) + data.ljust(4, b"\0")
    directory = b"".join(entries[tag] for tag in sorted(entries))
    return struct.pack("<2sHIH", b"II", 42, 8, len(fields)) + directory + bytes(4) + values, places
