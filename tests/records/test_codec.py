"""`tf.train.Example` and its framing: what is encoded is decoded, here and by TensorFlow."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landscribe.errors import RecordsError
from landscribe.records.codec import decode_example, encode_example, iter_records, write_record

PIXELS = np.random.default_rng(0).integers(0, 65536, (2, 5, 5), np.uint16)
FEATURES: dict[str, bytes | list[bytes] | np.ndarray] = {
    "patch_id": b"S2A_MSIL2A_20170613T101031_87_48",
    "labels": [b"Transitional woodland, shrub", "Lærk".encode()],
    "multi_hot": np.array([0, 1, 0, -(2**63), 2**63 - 1]),
    "uint16_5px": PIXELS.tobytes(),
    "nothing": [],
    "empty": b"",
}


def write_records(path: Path, *records: bytes) -> bytes:
    """Write a TFRecord file and return its bytes."""
    with path.open("wb") as stream:
        for record in records:
            write_record(stream, record)
    return path.read_bytes()


def to_lists(features: dict[str, Any]) -> dict[str, list[Any]]:
    """Return features as plain lists; one value and a list of one are the same in an Example."""
    return {name: [value] if isinstance(value, bytes) else list(value) for name, value in features.items()}


def test_decode_inverts_encode() -> None:
    assert to_lists(decode_example(encode_example(FEATURES))) == to_lists(FEATURES)


def test_bytes_do_not_depend_on_the_order_of_features() -> None:
    turned = dict(reversed(FEATURES.items()))
    assert encode_example(turned) == encode_example(FEATURES)


def test_reading_inverts_writing(tmp_path: Path) -> None:
    records = [b"", b"a", encode_example(FEATURES), bytes(100_000)]
    write_records(tmp_path / "x.tfrecord", *records)
    assert list(iter_records(tmp_path / "x.tfrecord")) == records
    write_records(tmp_path / "none.tfrecord")
    assert list(iter_records(tmp_path / "none.tfrecord")) == []


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    data = write_records(path, b"first record", b"second")
    for place in range(len(data)):
        for flip in (0x01, 0x80, 0xFF):
            path.write_bytes(data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :])
            with pytest.raises(RecordsError, match=r"record [01] is truncated or corrupt"):
                list(iter_records(path))


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    data, first = write_records(path, b"first record", b"second"), 8 + 4 + len(b"first record") + 4
    for length in set(range(len(data))) - {0, first}:
        path.write_bytes(data[:length])
        with pytest.raises(RecordsError, match="run the stage convert again"):
            list(iter_records(path))
    path.write_bytes(data[:first])
    assert list(iter_records(path)) == [b"first record"]


def test_tensorflow_reads_what_is_written_and_the_reverse(tmp_path: Path) -> None:
    from landscribe.backend import tf

    record = encode_example(FEATURES)
    write_records(tmp_path / "x.tfrecord", record, record)
    parsed = tf.io.parse_single_example(
        record,
        {
            "patch_id": tf.io.FixedLenFeature([], tf.string),
            "labels": tf.io.VarLenFeature(tf.string),
            "multi_hot": tf.io.FixedLenFeature([5], tf.int64),
            "uint16_5px": tf.io.FixedLenFeature([], tf.string),
            "nothing": tf.io.VarLenFeature(tf.string),
            "empty": tf.io.FixedLenFeature([], tf.string),
        },
    )
    values = {name: v.values.numpy() if hasattr(v, "values") else v.numpy() for name, v in parsed.items()}
    assert to_lists(values) == to_lists(FEATURES)
    pixels = tf.io.decode_raw(parsed["uint16_5px"], tf.uint16).numpy().reshape(PIXELS.shape)
    np.testing.assert_array_equal(pixels, PIXELS)
    assert [r.numpy() for r in tf.data.TFRecordDataset(str(tmp_path / "x.tfrecord"))] == [record, record]

    # And the reverse.
    feature = {
        "labels": tf.train.Feature(bytes_list=tf.train.BytesList(value=FEATURES["labels"])),
        "multi_hot": tf.train.Feature(int64_list=tf.train.Int64List(value=[0, 1, -5])),
    }
    record = tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
    with tf.io.TFRecordWriter(str(tmp_path / "y.tfrecord")) as writer:
        writer.write(record)
    assert list(iter_records(tmp_path / "y.tfrecord")) == [record]
    assert to_lists(decode_example(record)) == {"labels": FEATURES["labels"], "multi_hot": [0, 1, -5]}


def test_a_record_is_framed_as_published() -> None:
    # Length, its masked CRC-32C, data, its masked CRC-32C: record_writer.h; the bytes are those that TensorFlow wrote.
    stream = io.BytesIO()
    write_record(stream, b"landscribe")
    assert stream.getvalue().hex() == "0a00000000000000aea3bf3a6c616e64736372696265f419f5e0"
