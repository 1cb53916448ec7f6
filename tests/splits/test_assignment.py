"""Splits on disk."""

from pathlib import Path

from landscribe.splits.assignment import read_splits, write_splits


def test_reading_splits_inverts_writing(tmp_path: Path) -> None:
    splits = {"a": "train", "b": "test", "c": "val"}
    write_splits(splits, tmp_path / "splits.parquet")
    table = read_splits(tmp_path / "splits.parquet")
    assert dict(zip(table["patch_id"], table["split"], strict=True)) == splits
