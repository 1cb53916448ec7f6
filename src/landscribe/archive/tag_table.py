"""Tags of images, from a table in any usual form: a column of tags, or a column per class with 0 and 1."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landscribe.archive.table_file import RawTable, read_table
from landscribe.archive.tag_names import check_absent, check_tags, count_tags
from landscribe.archive.tag_separator import Separator, Tags, find_separator
from landscribe.core.errors import ArchiveError, did_you_mean

# In lower case, `_` for blanks and hyphens.
_IMAGE_COLUMNS = {"image_name", "filename", "file_name", "file", "filepath", "file_path", "path", "image", "image_id",
                  "image_path", "img", "patch_id"}  # fmt: skip
_TAGS_COLUMNS = {"tags", "tag", "labels", "label", "classes", "class", "class_name", "classname", "class_names",
                 "category", "categories"}  # fmt: skip
# Beside the classes of a table with a column per class; "" and the last two are how pandas writes a nameless index.
_FACT_COLUMNS = {"id", "index", "split", "subset", "set", "fold", "is_train", "is_val", "is_valid", "is_test", "width",
                 "height", "lat", "lon", "latitude", "longitude", "epsg", "crs", "date", "country", "", "unnamed:_0",
                 "__index_level_0__"}  # fmt: skip
_BLANKS = re.compile(r"[^\S\t\n\r]+")
_NO_WIDTH = re.compile("[\u00ad\u200b\u2060\ufeff]")
_FLAGS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}


@dataclass(frozen=True)
class TableForm:
    """What params.yaml says of the table; None: it is found.

    Attributes:
        separator: of the tags, one of `SEPARATORS`.
        image_column: column that names the images.
        tags_column: column of their tags.
    """

    separator: str | None = None
    image_column: str | None = None
    tags_column: str | None = None


@dataclass(frozen=True)
class TagRow:
    """A row: where it is ("line 3"), the image as the table names it, and its tags."""

    place: str
    image: str
    tags: Tags


def read_tag_table(path: Path, form: TableForm) -> tuple[list[TagRow], str]:
    """Return the rows of a table, and in words how it was read.

    Args:
        path: CSV (UTF-8; `,`, `;` or a tab between the fields) or Parquet.
        form: names of columns and separator, where they are not to be found.

    Raises:
        ArchiveError: the table cannot be read, or not in one way alone.
    """
    raw = read_table(path, lambda columns: _find(columns, form.image_column, _IMAGE_COLUMNS) != [])
    image = _find_image_column(raw, form)
    tags = _find_tags_column(raw, form)
    if not raw.rows:
        raise ArchiveError(f"{path}: expected a row per image; the table has none.")
    if tags is None:
        cells, words = _read_flags(raw, image)
    else:
        cells, words = _read_tags(raw, tags, form.separator)
    rows = [
        TagRow(f"{raw.unit} {number}", _to_text(values[image]) or "", found)
        for (number, values), found in zip(raw.rows, cells, strict=True)
    ]
    check_tags(count_tags((row.place, row.tags) for row in rows), str(path))
    return rows, f"{path.name}: images in the column {raw.columns[image]}, {words}"


def _find(columns: Sequence[str], named: str | None, usual: set[str]) -> list[int]:
    """Return the places of the columns of one meaning: the named one, or those of a usual name."""
    if named is not None:
        return [place for place, name in enumerate(columns) if _tidy(name) == _tidy(named)]
    return [place for place, name in enumerate(columns) if _simplify(name) in usual]


def _simplify(name: str) -> str:
    return _tidy(name).casefold().replace(" ", "_").replace("-", "_")


def _find_image_column(raw: RawTable, form: TableForm) -> int:
    found = _find(raw.columns, form.image_column, _IMAGE_COLUMNS)
    if len(found) == 1:
        return found[0]
    _check_named(raw, "image_column", form.image_column, found)
    shown = ", ".join(raw.columns)
    if found:
        first = raw.columns[found[0]]
        raise ArchiveError(
            f"{raw.path}: more than one column may name the images: {shown}. Name one, e.g. archive.image_column:"
            f" {first}"
        )
    raise ArchiveError(
        f"{raw.path}: expected the columns image_name and tags (or filename, file, path; labels, classes); received"
        f" {shown}. If the first line is an image already, put a line image_name,tags above it; if a column has another"
        f" name, set archive.image_column, e.g. to {raw.columns[0] if raw.columns else 'image_name'}"
    )


def _find_tags_column(raw: RawTable, form: TableForm) -> int | None:
    """Return the column of the tags; None: there is a column per class."""
    found = _find(raw.columns, form.tags_column, _TAGS_COLUMNS)
    if len(found) > 1 or (form.tags_column is not None and not found):
        _check_named(raw, "tags_column", form.tags_column, found)
        names = [raw.columns[place] for place in found]
        raise ArchiveError(
            f"{raw.path}: more than one column may hold the tags: {', '.join(names)}. Name one, e.g."
            f" archive.tags_column: {names[0]}"
        )
    return found[0] if found else None


def _check_named(raw: RawTable, key: str, named: str | None, found: Sequence[int]) -> None:
    """Raise `ArchiveError` where a named column is not there, or a name is there twice."""
    names = [raw.columns[place] for place in found]
    if named is not None and not found:
        raise ArchiveError(
            f"{raw.path}: archive.{key} names the column '{named}'; received {', '.join(raw.columns)}. Set it to one of"
            f" these.{did_you_mean(named, raw.columns)}"
        )
    if len(names) > 1 and len(set(names)) == 1:
        raise ArchiveError(f"{raw.path}: {len(names)} columns are called '{names[0]}'; give each its own name.")


def _read_tags(raw: RawTable, column: int, named: str | None) -> tuple[list[Tags], str]:
    """Return the tags of each row from one column, and how they were read."""
    where = f"{raw.path}, column {raw.columns[column]}"
    cells = [values[column] for _, values in raw.rows]
    if any(isinstance(cell, list) for cell in cells):
        places = [f"{where}, {raw.unit} {number}" for number, _ in raw.rows]
        tags = [_check_list(cell, place) for cell, place in zip(cells, places, strict=True)]
        return tags, f"tags in the column {raw.columns[column]} (lists)"
    texts = []
    for cell, (number, _) in zip(cells, raw.rows, strict=True):
        text = _to_text(cell)
        if text is None:
            raise ArchiveError(
                f"{where}, {raw.unit} {number}: expected text, lists of text or whole numbers; received {cell!r}."
                " Write names of classes, or name another column in archive.tags_column."
            )
        texts.append(text)
    check_absent(((f"{raw.unit} {row[0]}", [text]) for row, text in zip(raw.rows, texts, strict=True)), where)
    separator = Separator(named) if named else find_separator(texts, where)
    try:
        split = {text: separator.split(text) for text in set(texts)}
    except ValueError as error:
        raise ArchiveError(f"{where}: {error}. Write the tags with ';' between them.") from error
    source = "archive.tag_separator" if named else "found"
    return [split[text] for text in texts], f"tags in the column {raw.columns[column]}: {separator} ({source})"


def _check_list(cell: Any, where: str) -> Tags:
    items = [] if cell is None else cell
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ArchiveError(f"{where}: expected a list of text; received {cell!r}. Write text, or an empty list.")
    return tuple(dict.fromkeys(tag for tag in (_tidy(item) for item in items) if tag))


def _to_text(cell: Any) -> str | None:
    """Return a cell as text in Unicode's composed form, absent ones as ""; None for what is neither text nor number."""
    if cell is None:
        return ""
    if isinstance(cell, str) or (isinstance(cell, int) and not isinstance(cell, bool)):
        return _normalise(str(cell)).strip()
    return None


def _tidy(text: str) -> str:
    return " ".join(_normalise(text).split())


def _normalise(text: str) -> str:
    """Return text composed (NFC), each blank a space, without marks of no width; tabs and ends of lines stay."""
    return _BLANKS.sub(" ", _NO_WIDTH.sub("", unicodedata.normalize("NFC", text)))


def _read_flags(raw: RawTable, image: int) -> tuple[list[Tags], str]:
    """Return the tags of each row from a column per class, and how they were read.

    Raises:
        ArchiveError: there is no such column, or a cell is neither 0 nor 1.
    """
    others = [place for place in range(len(raw.columns)) if place != image]
    places = [place for place in others if _simplify(raw.columns[place]) not in _FACT_COLUMNS]
    names = [_tidy(raw.columns[place]) for place in places]
    if not places:
        raise ArchiveError(
            f"{raw.path}: expected a column of tags (tags, labels or classes), or a column per class with 0 and 1;"
            f" received {', '.join(raw.columns)}. Name the column of the tags in archive.tags_column."
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ArchiveError(f"{raw.path}: two columns are called '{twice}'; give each its own name.")
    check_tags(count_tags([("line 1", names)]), str(raw.path))
    cells = []
    for number, values in raw.rows:
        flags = [_FLAGS.get(str(values[place]).strip().casefold()) for place in places]
        if None in flags:
            place = places[flags.index(None)]
            raise ArchiveError(
                f"{raw.path}, {raw.unit} {number}, column {raw.columns[place]}: expected 0 or 1 (or true, false), as in"
                f" a column per class; received '{values[place]}'. If the column holds the tags, set"
                f" archive.tags_column: {raw.columns[place]}; if it is no class, take it out of the table; else"
                " write 0 or 1 in every row."
            )
        cells.append(tuple(name for name, flag in zip(names, flags, strict=True) if flag))
    return cells, _describe_flags(names, [raw.columns[place] for place in others if place not in places])


def _describe_flags(names: Sequence[str], passed_over: Sequence[str]) -> str:
    shown = [name for name in passed_over if name]
    beside = f"; not a class: {', '.join(shown)}" if shown else ""
    return f"a column per class with 0 and 1 ({len(names)} classes{beside})"
