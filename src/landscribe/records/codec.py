"""`tf.train.Example` and the TFRecord framing without TensorFlow.

Workers must start at once and stay small: importing TensorFlow costs seconds and 700 MB a process. The message is
declared here from its published schema (tensorflow/core/example/{example,feature}.proto), in a pool of its own, so
that it never meets TensorFlow's; the framing is that of tensorflow/core/lib/io/record_writer.h.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from landscribe.errors import RecordsError

_MASK_DELTA = 0xA282EAD8  # record_writer.h: the checksum is rotated and shifted, so that it can stand in checked data


def _declare_example() -> Any:
    """Return the message class of `tf.train.Example`."""
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
    entry.field.add(name="value", number=2, type=message, label=one, type_name=".landscribe.Feature")
    add("Example", ("features", 1, message, one, ".landscribe.Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("landscribe.Example"))


_Example = _declare_example()


def encode_example(features: dict[str, bytes | list[bytes] | np.ndarray]) -> bytes:
    """Return a serialized Example; the same features give the same bytes.

    Args:
        features: name -> bytes (one value), list of bytes, or an integer array.
    """
    example = _Example()
    for name, value in features.items():
        feature = example.features.feature[name]
        if isinstance(value, np.ndarray):
            feature.int64_list.value.extend(value.tolist())
        else:
            feature.bytes_list.value.extend(value if isinstance(value, list) else [value])
    encoded: bytes = example.SerializeToString(deterministic=True)
    return encoded


def decode_example(record: bytes) -> dict[str, list[bytes] | np.ndarray]:
    """Return name -> list of bytes, or int64 array: the inverse of `encode_example`."""
    example = _Example.FromString(record)
    features: dict[str, list[bytes] | np.ndarray] = {}
    for name, feature in example.features.feature.items():
        if feature.WhichOneof("kind") == "int64_list":
            features[name] = np.array(feature.int64_list.value, np.int64)
        else:
            features[name] = list(feature.bytes_list.value)
    return features


def write_record(stream: BinaryIO, record: bytes) -> None:
    """Append one record with its length and checksums."""
    length = struct.pack("<Q", len(record))
    stream.write(length + _mask(length) + record + _mask(record))


def iter_records(path: Path) -> Iterator[bytes]:
    """Yield the records of a TFRecord file, checksums verified.

    Raises:
        RecordsError: the file is truncated or a checksum does not hold.
    """
    with path.open("rb") as stream:
        number = 0
        while header := stream.read(12):
            sound = header[8:] == _mask(header[:8])  # before the length is believed: it could ask for exabytes
            record = stream.read(struct.unpack("<Q", header[:8])[0]) if sound else b""
            if not sound or stream.read(4) != _mask(record):
                raise RecordsError(f"{path}: record {number} is truncated or corrupt; run the stage convert again.")
            yield record
            number += 1


def _mask(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)
