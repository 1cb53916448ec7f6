"""A table as people keep it: CSV of any usual dialect, or Parquet. What it is not, it says, with what to do."""

import csv
import io
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from landscribe.core.errors import ArchiveError

_DELIMITERS = (",", ";", "\t")
_PARQUET = b"PAR1"
_FORMATS = {
    b"PK\x03\x04": "a workbook of Excel or an archive: save the sheet as CSV (UTF-8)",
    b"\xd0\xcf\x11\xe0": "a workbook of Excel: save the sheet as CSV (UTF-8)",
    b"\x1f\x8b": "a gzip file: unpack it (gunzip)",
    b"BZh": "a bzip2 file: unpack it (bunzip2)",
    b"SQLite format 3": "a database: export the table as CSV (UTF-8)",
}
# UTF-32 first: its mark begins with that of UTF-16. Text without a mark shows its NUL bytes.
_MARKS = {b"\xff\xfe\0\0": "UTF-32", b"\0\0\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_EXCEL_DELIMITER = re.compile(r"\A[ \t]*sep=.(?=\r?\n)")  # a first line sep=; is for Excel alone
_WINDOWS_1252 = range(0x80, 0xA0)  # letters there, control codes in ISO 8859-1


@dataclass(frozen=True)
class RawTable:
    """The cells of a table.

    Attributes:
        path: of the file.
        columns: their names, as written but for outer blanks.
        rows: (line of the file from 1, or row of the Parquet from 1; one cell per column). Cells of a CSV are text.
        unit: what the numbers of `rows` count, "line" or "row".
    """

    path: Path
    columns: list[str]
    rows: list[tuple[int, list[Any]]]
    unit: str


def read_table(path: Path, is_header: Callable[[list[str]], bool]) -> RawTable:
    """Read a table; blank rows are passed over.

    Args:
        path: Parquet, or CSV: UTF-8, with `,`, `;` or a tab between the fields.
        is_header: whether these are the names of columns that are looked for; of the delimiters, that is taken which
            makes such names of the first line.

    Raises:
        ArchiveError: the file cannot be read or is of another format or encoding, or a row has not the columns' number
            of fields.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(16)
        return _read_parquet(path) if head.startswith(_PARQUET) else _read_csv(path, head, is_header)
    except FileNotFoundError as error:
        raise ArchiveError(f"{path} does not exist; set archive.labels_file to the table of the labels.") from error
    except (OSError, csv.Error, pa.ArrowException, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0]
        raise ArchiveError(f"archive.labels_file {path} cannot be read: {reason}; expected CSV or Parquet.") from error


def _read_parquet(path: Path) -> RawTable:
    with pq.ParquetFile(path) as file:
        table = file.read()
    table.validate(full=True)  # a damaged page can hold bytes that are no text
    cells = [column.to_pylist() for column in table.columns]
    rows = [(number, list(row)) for number, row in enumerate(zip(*cells, strict=True), 1)]
    return RawTable(path, [name.strip() for name in table.column_names], rows, "row")


def _read_csv(path: Path, head: bytes, is_header: Callable[[list[str]], bool]) -> RawTable:
    for magic, advice in _FORMATS.items():
        if head.startswith(magic):
            raise ArchiveError(f"{path}: expected CSV or Parquet; received {advice}, and name that file.")
    text = _decode(path, path.read_bytes())
    lines = io.StringIO(text, newline="")
    first = next((line for line in lines if line.strip()), "")
    headers = {delimiter: _parse_header(first, delimiter) for delimiter in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda mark: (is_header(headers[mark]), len(headers[mark])))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    rows = [(reader.line_num, fields) for fields in reader if any(field.strip() for field in fields)]
    columns = headers[delimiter]
    if not is_header(columns):  # the caller's error is of the columns
        return RawTable(path, columns, [], "line")
    sound = [_fit_fields(path, line, fields, columns, delimiter) for line, fields in rows[1:]]
    return RawTable(path, columns, sound, "line")


def _parse_header(line: str, delimiter: str) -> list[str]:
    fields = next(csv.reader([line.strip("\r\n")], delimiter=delimiter, skipinitialspace=True), [])
    return [field.strip() for field in fields]


def _fit_fields(path: Path, line: int, fields: list[str], columns: list[str], delimiter: str) -> tuple[int, list[str]]:
    """Return line and fields, one per column; empty ones beyond the columns are a delimiter at the end."""
    beyond = fields[len(columns) :]
    if len(fields) < len(columns) or any(field.strip() for field in beyond):
        shown = delimiter.replace("\t", "a tab")
        advice = (
            f'Put quotes around a field that holds {shown}, as in "sea{delimiter}sand", or write spaces between tags.'
        )
        if len(fields) < len(columns):
            advice = f"Write a field for each column, with {shown} between them; a field may be empty."
        raise ArchiveError(
            f"{path}, line {line}: expected {len(columns)} fields, as the first line has ({', '.join(columns)});"
            f" received {len(fields)}. {advice}"
        )
    return line, fields[: len(columns)]


def _decode(path: Path, data: bytes) -> str:
    """Return text of UTF-8, with or without its mark.

    Raises:
        ArchiveError: another encoding, by name, with the command that makes UTF-8 of it.
    """
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)
    if encoding is None and b"\0" in data[:4]:  # ASCII in two bytes; which of the two is zero says their order
        encoding = "UTF-16BE" if data[:1] == b"\0" else "UTF-16LE"
    if encoding is None:
        try:
            text = data.decode("utf-8").lstrip("\ufeff")
            return _EXCEL_DELIMITER.sub("", text)
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            is_windows = any(byte in _WINDOWS_1252 for byte in data)
            encoding = "WINDOWS-1252" if is_windows else "ISO-8859-1"
            found = f"a byte that is none on line {line}; {encoding} is likely"
    else:
        found = encoding
    out = path.with_name(f"{path.stem}-utf8{path.suffix}")
    raise ArchiveError(
        f"{path}: expected UTF-8; received {found}. Run: iconv -f {encoding} -t UTF-8 {shlex.quote(str(path))} >"
        f" {shlex.quote(str(out))} and set archive.labels_file to {out}"
    )
