"""The metadata of v2: real files are read whole; whatever has not the columns is refused in one sentence."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from landscribe.archive.metadata_v2 import METADATA_SCHEMA, read_metadata
from landscribe.core.errors import ArchiveError

ROWS = pa.Table.from_pylist(
    [{"patch_id": f"p{number}", "labels": ["a", "b"][:number], "split": "train"} for number in range(3)],
    METADATA_SCHEMA,
)


def test_the_real_files_are_read_whole(samples: Path) -> None:
    paths = [
        samples / "bigearthnet-v2" / name
        for name in ("metadata.parquet", "metadata_for_patches_with_snow_cloud_or_shadow.parquet")
    ]
    tables = [pq.read_table(path).drop_columns("__index_level_0__") for path in paths]
    assert [len(table) for table in tables] == [18, 6]
    assert read_metadata(paths).to_pylist() == pa.concat_tables(tables).to_pylist()


def test_the_encoding_of_text_does_not_matter(tmp_path: Path) -> None:
    """Polars writes large strings, pandas categories as dictionaries, an empty column as nulls."""
    text = pa.dictionary(pa.int32(), pa.string())
    kinds = {"patch_id": pa.large_string(), "labels": pa.large_list(pa.large_string()), "split": text}
    columns = {name: ROWS[name].cast(kinds[name]) if name in kinds else pa.nulls(3) for name in ROWS.column_names}
    pq.write_table(pa.table(columns), tmp_path / "metadata.parquet")
    assert read_metadata([tmp_path / "metadata.parquet"]) == ROWS


@pytest.mark.parametrize(
    "table",
    [
        ROWS.drop_columns("split"),
        ROWS.set_column(0, "patch_id", pa.array([1, 2, 3])),
        ROWS.set_column(1, "labels", pa.array(["a", "b", "c"])),
        ROWS.set_column(1, "labels", pa.array([[1], [2], [3]])),
        ROWS.append_column("split", pa.array(["train"] * 3)),
        pa.table({}),
    ],
)
def test_other_columns_are_refused_with_both_lists(table: pa.Table, tmp_path: Path) -> None:
    pq.write_table(table, tmp_path / "metadata.parquet")
    with pytest.raises(ArchiveError, match=r"expected the columns .*patch_id \(string\).*; received ") as caught:
        read_metadata([tmp_path / "metadata.parquet"])
    received = str(caught.value).rpartition("received")[2]
    assert all(f"{name} (" in received for name in table.column_names)


def test_what_is_no_parquet_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "metadata.parquet"
    pq.write_table(ROWS, path)
    content = path.read_bytes()
    broken = [b"", b"patch_id,labels\n", content[:-40], content[:4] + b"\xff" * 60 + content[64:]]
    for data in broken:
        path.write_bytes(data)
        with pytest.raises(ArchiveError, match=r"cannot be read") as caught:
            read_metadata([path])
        assert "\n" not in str(caught.value)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ArchiveError, match="cannot be read"):
        read_metadata([tmp_path / "folder"])
    with pytest.raises(ArchiveError, match=r"does not exist; set archive\.labels_file"):
        read_metadata([tmp_path / "absent"])


def test_no_row_at_all_is_refused(tmp_path: Path) -> None:
    pq.write_table(ROWS.slice(0, 0), tmp_path / "metadata.parquet")
    with pytest.raises(ArchiveError, match="one row per patch; received none"):
        read_metadata([tmp_path / "metadata.parquet"])


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    odd = pa.array([b"p0", b"\xff\xfe", b"p2"]).view(pa.string())
    pq.write_table(ROWS.set_column(0, "patch_id", odd), tmp_path / "metadata.parquet")
    with pytest.raises(ArchiveError, match="cannot be read"):
        read_metadata([tmp_path / "metadata.parquet"])
