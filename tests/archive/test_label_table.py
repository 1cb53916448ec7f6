"""A table of labels is read as it stands, or refused with a sentence."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from landscribe.archive.label_table import read_label_table
from landscribe.core.errors import ArchiveError

LABELS = {
    "S2B_MSIL2A_20170924T93020_69_24": ("Beaches, dunes, sands", "Transitional woodland/shrub"),
    "S2A_MSIL2A_20170613T101031_87_48": ("Pastures",),
    "S2A_MSIL2A_20170617T113321_4_55": (),
}


def write_parquet(path: Path, **columns: Any) -> Path:
    """Write a table; a column of the right name and type is needed twice to be overwritten."""
    base = {"patch_id": list(LABELS), "labels": list(map(list, LABELS.values()))}
    pq.write_table(pa.table({name: values for name, values in (base | columns).items() if values is not None}), path)
    return path


def test_parquet_and_csv_give_the_same_labels(tmp_path: Path) -> None:
    assert read_label_table(write_parquet(tmp_path / "labels.parquet", note=[1, 2, 3])) == LABELS
    rows = "".join(f'{name},7,"{";".join(labels)}"\n' for name, labels in LABELS.items())
    (tmp_path / "labels.csv").write_text("\ufeffpatch_id,note,labels\n" + rows, encoding="utf-8")
    assert read_label_table(tmp_path / "labels.csv") == LABELS
    assert list(read_label_table(tmp_path / "labels.csv")) == list(LABELS)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"labels": None}, "expected the columns patch_id, labels; received patch_id"),
        ({"labels": ["a", "b", "c"]}, r"patch_id \(text\) and labels \(lists of text\)"),
        ({"labels": [["a"], None, ["b"]]}, "received a null"),
        ({"labels": [["a"], [None], ["b"]]}, "received a null"),
        ({"patch_id": ["a", None, "c"]}, "received a null"),
        ({"patch_id": ["a", "b", "a"]}, "patch 'a' is on more than one row"),
        ({"patch_id": pa.array([], pa.string()), "labels": pa.array([], pa.list_(pa.string()))}, "the table has none"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path: Path, columns: dict[str, Any], words: str) -> None:
    path = write_parquet(tmp_path / "labels.parquet", **columns)
    with pytest.raises(ArchiveError, match=words) as caught:
        read_label_table(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("content", [None, b"", b"PAR1", b"\xff\xfe\0\0,\n", b"patch_id\na\n", b"patch_id,labels\na\n"])
def test_an_unreadable_file_is_refused(tmp_path: Path, suffix: str, content: bytes | None) -> None:
    path = tmp_path / f"labels{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        ArchiveError, match="does not exist; set archive.labels_file" if content is None else "expected"
    ):
        read_label_table(path)
    path.unlink(missing_ok=True)
    path.mkdir()
    with pytest.raises(ArchiveError, match="expected"):
        read_label_table(path)
