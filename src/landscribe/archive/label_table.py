"""Labels outside of the archive: a table `patch_id, labels`, as `landscribe import` writes it."""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from landscribe.core.errors import ArchiveError

_SCHEMA = pa.schema({"patch_id": pa.string(), "labels": pa.list_(pa.string())})


def read_label_table(path: Path) -> dict[str, tuple[str, ...]]:
    """Return patch_id -> labels, in the order of the file.

    Args:
        path: parquet with the columns patch_id (string) and labels (list of strings), or a CSV of these columns whose
            labels are joined by `;`. Other columns are ignored.

    Raises:
        ArchiveError: the file is absent, unreadable or empty, lacks the columns, has a null or names a patch twice.
    """
    try:
        table = _read_csv(path) if path.suffix == ".csv" else _read_parquet(path)
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise ArchiveError(_explain(path, error)) from error
    ids, labels = table["patch_id"], table["labels"]
    if not table.num_rows:
        raise ArchiveError(f"{path}: expected one row per patch with patch_id and labels; the table has none.")
    if ids.null_count or labels.null_count or pc.list_flatten(labels).null_count:
        raise ArchiveError(f"{path}: expected patch_id and labels on every row; received a null.")
    # Interned: a few class names occur on hundreds of thousands of rows.
    rows = [tuple(map(sys.intern, row)) for row in labels.to_pylist()]
    by_patch = dict(zip(ids.to_pylist(), rows, strict=True))
    if len(by_patch) < table.num_rows:
        counts = ids.value_counts()
        twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
        raise ArchiveError(f"{path}: patch '{twice[0]}' is on more than one row; keep one.")
    return by_patch


def _read_parquet(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        table = _select(path, file.read()).cast(_SCHEMA)
    table.validate(full=True)  # a damaged page can contain bytes that are not text
    return table


def _read_csv(path: Path) -> pa.Table:
    as_text = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(_SCHEMA.names, pa.string()))
    table = _select(path, pyarrow.csv.read_csv(path, convert_options=as_text))
    labels = [text.split(";") if text else [] for text in table["labels"].to_pylist()]
    return pa.table([table["patch_id"], pa.chunked_array([labels], _SCHEMA.field("labels").type)], schema=_SCHEMA)


def _select(path: Path, table: pa.Table) -> pa.Table:
    names = table.column_names
    if any(names.count(name) != 1 for name in _SCHEMA.names):
        raise ArchiveError(f"{path}: expected the columns {', '.join(_SCHEMA.names)}; received {', '.join(names)}.")
    return table.select(_SCHEMA.names)


def _explain(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path} does not exist; set archive.labels_file to a table of labels, or to null."
    first = str(error).partition("\n")[0]
    return f"{path}: expected a parquet or CSV table with patch_id (text) and labels (lists of text); {first}."
