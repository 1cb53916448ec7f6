"""metadata.parquet of BigEarthNet v2 (reBEN): one row per patch, columns and types checked before anything is used.

Columns as in the files published at https://zenodo.org/records/10891137.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from landscribe.core.errors import ArchiveError

METADATA_SCHEMA = pa.schema(
    {
        "patch_id": pa.string(),
        "labels": pa.list_(pa.string()),  # names of the 19 classes
        "split": pa.string(),  # train, validation or test
        "country": pa.string(),
        "s1_name": pa.string(),
        "s2v1_name": pa.string(),  # name of the patch in v1
        "contains_seasonal_snow": pa.bool_(),
        "contains_cloud_or_shadow": pa.bool_(),
    }
)


def read_metadata(paths: Sequence[Path]) -> pa.Table:
    """Return the rows of all files, in order, with the columns of `METADATA_SCHEMA`; other columns are dropped.

    Raises:
        ArchiveError: a file is absent, unreadable, not parquet or has other columns, or no file has a row.
    """
    table = pa.concat_tables(_read_file(path) for path in paths).combine_chunks()
    if not table.num_rows:
        raise ArchiveError(f"{', '.join(map(str, paths))}: expected one row per patch; received none.")
    return table


def _read_file(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow)
            table = file.read(columns=METADATA_SCHEMA.names).select(METADATA_SCHEMA.names).cast(METADATA_SCHEMA)
        table.validate(full=True)  # a damaged page can contain bytes that are not text
    except FileNotFoundError as error:
        raise ArchiveError(f"{path} does not exist; set archive.labels_file to metadata.parquet.") from error
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        first = str(error).partition("\n")[0].rstrip(".")
        raise ArchiveError(
            f"{path}: expected the metadata.parquet of BigEarthNet v2; it cannot be read: {first}. Download it again."
        ) from error
    return table


def _check_columns(path: Path, schema: pa.Schema) -> None:
    fits = [
        schema.names.count(field.name) == 1 and _is_like(field.type, schema.field(field.name).type)
        for field in METADATA_SCHEMA
    ]
    if not all(fits):
        raise ArchiveError(
            f"{path}: expected the columns of BigEarthNet v2, {_describe(METADATA_SCHEMA)}; received"
            f" {_describe(schema)}. Set archive.labels_file to metadata.parquet."
        )


def _is_like(expected: pa.DataType, received: pa.DataType) -> bool:
    """Return whether values can be taken as they are: large and dictionary forms are only other encodings."""
    if types.is_list(expected):
        is_list = types.is_list(received) or types.is_large_list(received)
        return is_list and _is_like(expected.value_type, received.value_type)
    if types.is_dictionary(received):
        received = received.value_type
    if types.is_string(expected):
        return received in (pa.string(), pa.large_string(), pa.string_view(), pa.null())
    return received in (pa.bool_(), pa.null())


def _describe(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)
