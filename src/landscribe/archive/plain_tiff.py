"""The fast path: one band of an uncompressed TIFF, decoded from its bytes.

Opening a file through GDAL takes many times as long as reading it. BigEarthNet's files have the simplest form of a TIFF
(classic, little-endian, one directory, one sample per pixel, strips without compression). Any other file, also one with
a tag that is not listed here, is left to GDAL, so that both paths give the same pixels.
Formats: TIFF 6.0, https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf; OGC GeoTIFF 1.1 (19-008r4).
"""

import functools
import itertools
import struct
from dataclasses import dataclass

import numpy as np

_COLUMNS, _ROWS, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES, _PLANES = 273, 277, 278, 279, 284
_SAMPLE_FORMAT = 339
_PLACE_TAGS = {33550, 33922, 34735, 34736}  # GeoTIFF: where the pixels lie, not what they are
_TEXT_TAGS = {34737, 42113}  # GeoTIFF: names of the projection; GDAL: the value that stands for no data
_NUMBER_TAGS = {_COLUMNS, _ROWS, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _ROWS_PER_STRIP, _PLANES, _SAMPLE_FORMAT}
_KNOWN_TAGS = {_STRIP_OFFSETS, _STRIP_BYTES} | _NUMBER_TAGS | _PLACE_TAGS | _TEXT_TAGS
_ONE = (_COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANES)  # each is 1: none, black is zero, one band, one plane
_ASCII, _FORMATS = 2, {3: "H", 4: "I"}  # types: SHORT and LONG
_DTYPES: dict[tuple[int, int], np.dtype] = {(8, 1): np.dtype("u1"), (16, 1): np.dtype("<u2"), (32, 3): np.dtype("<f4")}
_HEADER, _COUNT = struct.Struct("<4sI"), struct.Struct("<H")  # mark and place of the directory; number of its tags
_ENTRY = struct.Struct("<HHI4s")  # tag, type, number of values, the values or their place
_FIELD_PLACE = 8  # of the last in an entry
_MOST_TAGS, _MOST_ROWS = 64, 1 << 14  # more is not a band of a patch; a damaged file can claim billions


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Where the values of a tag are."""

    form: struct.Struct
    place: int


@dataclass(frozen=True, slots=True)
class _Layout:
    """The content of a directory: the form of the pixels, and where offsets and sizes of strips, and texts, are."""

    shape: tuple[int, int]
    dtype: np.dtype
    strip_bytes: tuple[int, ...]
    offsets: _Numbers
    sizes: _Numbers
    texts: tuple[slice, ...]


def decode_plain_tiff(data: bytes) -> np.ndarray | None:
    """Return the pixels, read-only [row, column] of uint8, uint16 or float32; None where GDAL must decide.

    Args:
        data: all bytes of the file; of a truncated one the pixels are never returned.
    """
    try:
        mark, start = _HEADER.unpack_from(data)
        (num_tags,) = _COUNT.unpack_from(data, start)
        if mark != b"II*\0" or num_tags > _MOST_TAGS:
            return None
        return _read_strips(data, _parse_directory(start, data[start + 2 : start + 6 + num_tags * _ENTRY.size]))
    except (struct.error, LookupError, ValueError):  # damaged, or of another form: GDAL says which
        return None


# The files of one band share a layout: a million directories have only a few distinct values.
@functools.lru_cache(maxsize=64)
def _parse_directory(start: int, directory: bytes) -> _Layout:
    """Return the layout.

    Raises:
        ValueError: another form, also as LookupError or struct.error.
    """
    if directory[-4:] != bytes(4):
        raise ValueError("another directory follows")
    entries = list(_ENTRY.iter_unpack(directory[:-4]))
    tags = [tag for tag, *_ in entries]
    if not _KNOWN_TAGS.issuperset(tags) or tags != sorted(set(tags)):
        raise ValueError("expected known tags, each once and in order")
    numbers = {tag: _parse_number(kind, count, field) for tag, kind, count, field in entries if tag in _NUMBER_TAGS}
    if any(numbers.get(tag, 1) != 1 for tag in _ONE):
        raise ValueError("expected plain pixels")
    rows, columns = numbers[_ROWS], numbers[_COLUMNS]
    if rows > _MOST_ROWS:
        raise ValueError("expected fewer rows")
    dtype = _DTYPES[numbers[_BITS], numbers.get(_SAMPLE_FORMAT, 1)]
    strip_rows = numbers.get(_ROWS_PER_STRIP, rows)
    row_bytes = columns * dtype.itemsize
    strip_bytes = tuple(row_bytes * min(strip_rows, rows - top) for top in range(0, rows, strip_rows))
    found = {
        tag: (kind, count, field, start + 2 + _ENTRY.size * place + _FIELD_PLACE)
        for place, (tag, kind, count, field) in enumerate(entries)
    }
    offsets, sizes = (_find_numbers(len(strip_bytes), *found[tag]) for tag in (_STRIP_OFFSETS, _STRIP_BYTES))
    texts = tuple(_find_text(*found[tag]) for tag in tags if tag in _TEXT_TAGS)
    return _Layout((rows, columns), dtype, strip_bytes, offsets, sizes, texts)


def _parse_number(kind: int, count: int, field: bytes) -> int:
    """Return the single value of a tag."""
    if count != 1:
        raise ValueError("expected one value")
    (number,) = struct.unpack_from(f"<{_FORMATS[kind]}", field)
    return int(number)


def _find_numbers(expected: int, kind: int, count: int, field: bytes, place: int) -> _Numbers:
    """Return where the values of a tag are: at `place`, in its entry, if they fit into it."""
    form = struct.Struct(f"<{expected}{_FORMATS[kind]}")
    if count != expected:
        raise ValueError("expected a value for each strip")
    return _Numbers(form, _find_values(form.size, field, place))


def _find_text(kind: int, count: int, field: bytes, place: int) -> slice:
    if kind != _ASCII:
        raise ValueError("expected text")
    place = _find_values(count, field, place)
    return slice(place, place + count)


def _find_values(num_bytes: int, field: bytes, place: int) -> int:
    return place if num_bytes <= len(field) else int.from_bytes(field, "little")


def _read_strips(data: bytes, layout: _Layout) -> np.ndarray | None:
    """Return the pixels; None if a strip is absent or has another size, or a text is not valid.

    Raises:
        ValueError: a strip ends beyond the end of the file.
    """
    offsets = layout.offsets.form.unpack_from(data, layout.offsets.place)
    sizes = layout.sizes.form.unpack_from(data, layout.sizes.place)
    if sizes != layout.strip_bytes or 0 in offsets:  # offset 0: a strip that was never written
        return None
    for text in layout.texts:
        if not data[text].isascii():  # rasterio would not open the file
            return None
    first, num_pixels = offsets[0], layout.shape[0] * layout.shape[1]
    if offsets == tuple(itertools.accumulate(sizes[:-1], initial=first)):  # as a rule
        return np.frombuffer(data, layout.dtype, num_pixels, first).reshape(layout.shape)
    strips = [data[offset : offset + size] for offset, size in zip(offsets, sizes, strict=True)]
    return np.frombuffer(b"".join(strips), layout.dtype).reshape(layout.shape)
