"""`tf.train.Example` and the TFRecord framing without TensorFlow.

Workers must start fast and stay small: importing TensorFlow costs seconds and 700 MB per process. The messages are
declared here from their published schema (tensorflow/core/example/{example,feature}.proto), in a separate pool,
so that they do not conflict with TensorFlow's; the framing is that of tensorflow/core/lib/io/record_writer.h.

One declaration differs: a feature in its Example is declared as bytes, which have the same wire format as the message.
So only requested features are parsed: a reader of the name does not pay for a patch of 156,000 integers.
"""

import functools
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from landscribe.core.errors import RecordsError

Features = dict[str, list[bytes] | np.ndarray]

_MASK_DELTA = 0xA282EAD8  # record_writer.h: the checksum is rotated and shifted, so that it can be part of checked data
_MAX_RECORD_BYTES = 2**31 - 1  # a larger message is no protobuf: https://protobuf.dev/programming-guides/proto-limits


def _declare_messages() -> tuple[Any, Any]:
    """Return the message classes of `tf.train.Example` and `tf.train.Feature`."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="landscribe/example.proto", package="landscribe", syntax="proto3")

    def add(message: str, *fields: tuple[str, int, int, int, str | None]) -> Any:
        declared = file.message_type.add(name=message)
        for name, number, kind, label, type_name in fields:
            declared.field.add(name=name, number=number, type=kind, label=label, type_name=type_name)
        return declared

    one, many, message = kinds.LABEL_OPTIONAL, kinds.LABEL_REPEATED, kinds.TYPE_MESSAGE
    add("BytesList", ("value", 1, kinds.TYPE_BYTES, many, None))
    add("FloatList", ("value", 1, kinds.TYPE_FLOAT, many, None))
    add("Int64List", ("value", 1, kinds.TYPE_INT64, many, None))
    feature = add(
        "Feature",
        ("bytes_list", 1, message, one, ".landscribe.BytesList"),
        ("float_list", 2, message, one, ".landscribe.FloatList"),
        ("int64_list", 3, message, one, ".landscribe.Int64List"),
    )
    feature.oneof_decl.add(name="kind")
    for field in feature.field:
        field.oneof_index = 0
    features = add("Features", ("feature", 1, message, many, ".landscribe.Features.FeatureEntry"))
    entry = features.nested_type.add(name="FeatureEntry", options={"map_entry": True})
    entry.field.add(name="key", number=1, type=kinds.TYPE_STRING, label=one)
    entry.field.add(name="value", number=2, type=kinds.TYPE_BYTES, label=one)  # a Feature, see above
    add("Example", ("features", 1, message, one, ".landscribe.Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    example, feature = (pool.FindMessageTypeByName(f"landscribe.{name}") for name in ("Example", "Feature"))
    return message_factory.GetMessageClass(example), message_factory.GetMessageClass(feature)


_Example, _Feature = _declare_messages()


def encode_example(features: dict[str, bytes | list[bytes] | np.ndarray]) -> bytes:
    """Return a serialized Example; the same features give the same bytes.

    Args:
        features: name -> bytes (one value), list of bytes, integer array (Int64List) or float32 array (FloatList);
            arrays have one axis.
    """
    # By hand, not as an _Example: that would copy the pixels once for each of the five messages around them.
    entries = (
        _wrap(1, [*_wrap(1, [name.encode()]), *_wrap(2, _encode_feature(features[name]))]) for name in sorted(features)
    )
    return b"".join(_wrap(1, [part for entry in entries for part in entry]))


def _encode_feature(value: bytes | list[bytes] | np.ndarray) -> list[bytes]:
    """Return the parts of a serialized Feature."""
    if isinstance(value, np.ndarray):
        feature = _Feature()
        numbers = feature.float_list if value.dtype.kind == "f" else feature.int64_list
        numbers.value.extend(value.tolist())
        return [feature.SerializeToString()]
    values = value if isinstance(value, list) else [value]
    return _wrap(1, [part for one in values for part in _wrap(1, [one])])


def _wrap(number: int, parts: list[bytes]) -> list[bytes]:
    """Return the parts behind the header that makes them field `number`: its tag, and their length as a varint."""
    return [_make_header(number, sum(map(len, parts))), *parts]


# The features of one archive have few lengths; making the headers each time would double the time of encoding.
@functools.lru_cache(maxsize=256)
def _make_header(number: int, length: int) -> bytes:
    header = bytearray([number << 3 | 2])
    while length > 0x7F:
        header.append(length & 0x7F | 0x80)
        length >>= 7
    header.append(length)
    return bytes(header)


def decode_example(record: bytes, names: Iterable[str] | None = None) -> Features:
    """Return name -> list of bytes, int64 or float32 array: the inverse of `encode_example`.

    Args:
        record: a serialized Example.
        names: the features to decode, if the record has them; None: all.

    Raises:
        RecordsError: the bytes are not an Example.
    """
    try:
        stored = _Example.FromString(record).features.feature
        wanted = stored if names is None else [name for name in names if name in stored]
        return {name: _decode_feature(stored[name]) for name in wanted}
    except DecodeError as error:
        raise RecordsError("expected a record with a tf.train.Example; received other bytes") from error


def _decode_feature(data: bytes) -> list[bytes] | np.ndarray:
    feature = _Feature.FromString(data)
    match feature.WhichOneof("kind"):
        case "int64_list":
            return np.array(feature.int64_list.value, np.int64)
        case "float_list":
            return np.array(feature.float_list.value, np.float32)
    return list(feature.bytes_list.value)


def write_record(stream: BinaryIO, record: bytes) -> None:
    """Append one record with its length and checksums."""
    length = struct.pack("<Q", len(record))
    stream.write(length + _mask(length))
    stream.write(record)  # separately: joined, the pixels would be copied once more
    stream.write(_mask(record))


def read_record(stream: BinaryIO) -> bytes | None:
    """Return the record at the position of the stream, checksums verified; None at the end of the file.

    `stream.tell()` before the call is the record's offset; after a `seek` to it the record is read again.

    Raises:
        RecordsError: the record is truncated or a checksum does not match. If only its content is damaged, the stream
            is then after the record; else it is where the record begins, as the next one cannot be found.
    """
    offset = behind = stream.tell()
    header = stream.read(12)
    if not header:
        return None
    # The checksum of the length comes first: a damaged length could claim exabytes.
    if header[8:] == _mask(header[:8]) and (length := struct.unpack("<Q", header[:8])[0]) <= _MAX_RECORD_BYTES:
        record, checksum = stream.read(length), stream.read(4)
        if checksum == _mask(record):
            return record
        if len(checksum) == 4:
            behind = stream.tell()
    stream.seek(behind)
    raise RecordsError(f"the record at byte {offset} is truncated or corrupt")


def iter_records(path: Path) -> Iterator[bytes]:
    """Yield the records of a file that the stage convert wrote, checksums verified.

    Raises:
        RecordsError: the file is truncated or a checksum does not match.
    """
    with path.open("rb") as stream:
        try:
            yield from iter(lambda: read_record(stream), None)
        except RecordsError as error:
            raise RecordsError(f"{path}: {error}; run the stage convert again.") from error


def _mask(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)
