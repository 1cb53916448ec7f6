"""`tf.train.Example` and its framing: what is encoded is decoded, here and by TensorFlow."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landscribe.core.errors import RecordsError
from landscribe.core.tfrecord import decode_example, encode_example, iter_records, read_record, write_record

PIXELS = np.random.default_rng(0).integers(0, 65536, (2, 5, 5), np.uint16)
FEATURES: dict[str, bytes | list[bytes] | np.ndarray] = {
    "patch_id": b"S2A_MSIL2A_20170613T101031_87_48",
    "labels": [b"Transitional woodland, shrub", "Lærk".encode()],
    "multi_hot": np.array([0, 1, 0, -(2**63), 2**63 - 1]),
    "decibels": np.array([-12.62, 0.1, 34.61, -np.inf], np.float32),
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


def test_numbers_keep_their_dtype() -> None:
    decoded = decode_example(encode_example({"ints": np.arange(3, dtype=np.uint16), "floats": np.zeros(2, np.float32)}))
    assert {name: values.dtype.name for name, values in decoded.items() if isinstance(values, np.ndarray)} == {
        "ints": "int64",
        "floats": "float32",
    }


def test_features_by_name_are_those_of_the_whole() -> None:
    record, names = encode_example(FEATURES), ["decibels", "absent", "labels"]
    assert to_lists(decode_example(record, names)) == to_lists(
        {name: FEATURES[name] for name in names if name in FEATURES}
    )


@pytest.mark.parametrize("record", [b"no protobuf", b"\n\x05\n\x03\n\x01\xff", encode_example(FEATURES)[:-9]])
def test_bytes_that_are_no_example_are_refused(record: bytes) -> None:
    with pytest.raises(RecordsError, match=r"expected a record with a tf\.train\.Example"):
        decode_example(record)


def test_bytes_do_not_depend_on_the_order_of_features() -> None:
    turned = dict(reversed(FEATURES.items()))
    assert encode_example(turned) == encode_example(FEATURES)


def test_bytes_are_those_of_protobuf() -> None:
    from landscribe.pipeline.backend import tf

    for length in (0, 1, 100, 127, 128, 16_000, 16_383, 16_384, 2_097_152):  # where lengths around it need a byte more
        values = {"b": [bytes(length)], "a": [b"x" * length, b"", b"y"], "å": [b"z"], "none": []}
        numbers = np.arange(-length // 100, 3)
        feature = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=value)) for name, value in values.items()}
        feature["numbers"] = tf.train.Feature(int64_list=tf.train.Int64List(value=numbers))
        example = tf.train.Example(features=tf.train.Features(feature=feature))
        assert encode_example({**values, "numbers": numbers}) == example.SerializeToString(deterministic=True)


def test_reading_inverts_writing(tmp_path: Path) -> None:
    records = [b"", b"a", encode_example(FEATURES), bytes(100_000)]
    write_records(tmp_path / "x.tfrecord", *records)
    assert list(iter_records(tmp_path / "x.tfrecord")) == records
    write_records(tmp_path / "none.tfrecord")
    assert list(iter_records(tmp_path / "none.tfrecord")) == []


def test_a_record_is_read_again_at_its_offset(tmp_path: Path) -> None:
    records = [b"first", b"", bytes(1000), b"last"]
    write_records(tmp_path / "x.tfrecord", *records)
    with (tmp_path / "x.tfrecord").open("rb") as stream:
        offsets = []
        while (offset := stream.tell(), read_record(stream))[1] is not None:
            offsets.append(offset)
        for offset, record in reversed(list(zip(offsets, records, strict=True))):
            stream.seek(offset)
            assert read_record(stream) == record
        stream.seek(offsets[1] + 1)
        with pytest.raises(RecordsError, match=f"the record at byte {offsets[1] + 1} is truncated or corrupt"):
            read_record(stream)


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    data = write_records(path, b"first record", b"second")
    for place in range(len(data)):
        for flip in (0x01, 0x80, 0xFF):
            path.write_bytes(data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :])
            with pytest.raises(RecordsError, match=r"record at byte (0|28) is truncated or corrupt"):
                list(iter_records(path))


def test_damage_in_the_content_alone_lets_reading_go_on(tmp_path: Path) -> None:
    """Else the stream stands where the record began: nobody knows where the next one does."""
    data, content = write_records(tmp_path / "x.tfrecord", b"first record", b"second"), range(12, 28)
    damaged = {place: data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] for place in range(28)}
    for place, stream in {place: io.BytesIO(other) for place, other in damaged.items()}.items():
        with pytest.raises(RecordsError):
            read_record(stream)
        assert stream.tell() == (28 if place in content else 0)
        if place in content:
            assert read_record(stream) == b"second"
    for length in range(1, 28):
        stream = io.BytesIO(data[:length])
        with pytest.raises(RecordsError):
            read_record(stream)
        assert stream.tell() == 0


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
    from landscribe.pipeline.backend import tf

    record = encode_example(FEATURES)
    write_records(tmp_path / "x.tfrecord", record, record)
    parsed = tf.io.parse_single_example(
        record,
        {
            "patch_id": tf.io.FixedLenFeature([], tf.string),
            "labels": tf.io.VarLenFeature(tf.string),
            "multi_hot": tf.io.FixedLenFeature([5], tf.int64),
            "decibels": tf.io.FixedLenFeature([4], tf.float32),
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
        "decibels": tf.train.Feature(float_list=tf.train.FloatList(value=[-12.5, 0.25])),
        "nothing": tf.train.Feature(bytes_list=tf.train.BytesList(value=[])),
    }
    record = tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
    with tf.io.TFRecordWriter(str(tmp_path / "y.tfrecord")) as writer:
        writer.write(record)
    assert list(iter_records(tmp_path / "y.tfrecord")) == [record]
    assert to_lists(decode_example(record)) == {
        "labels": FEATURES["labels"],
        "multi_hot": [0, 1, -5],
        "decibels": [-12.5, 0.25],
        "nothing": [],
    }


def test_a_record_is_framed_as_published() -> None:
    # Length, its masked CRC-32C, data, its masked CRC-32C: record_writer.h; the bytes are those that TensorFlow wrote.
    stream = io.BytesIO()
    write_record(stream, b"landscribe")
    assert stream.getvalue().hex() == "0a00000000000000aea3bf3a6c616e64736372696265f419f5e0"
