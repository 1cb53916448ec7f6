"""What separates the tags of an image: found over the whole column, or refused with every reading shown.

A column is read by one rule or not at all. Where two rules make sense ("bare soil,water": two tags or three?), the
tags themselves decide, as far as they can: tags are combined freely, the words of a name are not. "soil" without
"bare", "bare" without "soil" and both together are three tags in three images; "annual crop" and "permanent crop" show
no "annual" without "crop", and may be two names.
"""

import ast
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from landscribe.core.errors import ArchiveError

SEPARATORS = (" ", ",", ";", "|")
_BRACKETS = {"[": "]", "(": ")", "{": "}"}
_QUOTED = re.compile(r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*(?:,|(?=['"\s])|$)""")
_QUOTES = "'\"`"
_UNUSUAL = re.compile(r"[/+&\\~#:\n\t\u3001\uff0c\uff1b]|\b(?:and|or)\b", re.IGNORECASE)
_JOINT = re.compile(r"[\W_]+")
_PROSE_COMMA = re.compile(r",(?= \S)")
_OUTER = ",;|'\"`[]{}<>"  # what no name begins or ends with: left over from another separator

Tags = tuple[str, ...]


@dataclass(frozen=True)
class Separator:
    """How a cell is read.

    Attributes:
        mark: one of `SEPARATORS`; None: a cell is one tag.
        in_brackets: the tags of a cell stand in brackets, as in `['water', 'forest']`.
    """

    mark: str | None
    in_brackets: bool = False

    def split(self, cell: str) -> Tags:
        """Return the tags of a cell, each once, without outer blanks; inner blanks are one blank each.

        Raises:
            ValueError: the cell stands in brackets, but is no list.
        """
        text = cell.strip()
        if self.in_brackets and text:
            text = text[1:-1].strip()
            if text[:1] in ("'", '"'):
                return _tidy(_parse_quoted(text))
        if self.mark is None:
            return _tidy([text])
        return _tidy(text.split() if self.mark == " " else text.split(self.mark))

    def __str__(self) -> str:
        """Return words for a log."""
        words = {None: "one tag per image", " ": "a space between the tags"}
        text = words.get(self.mark, f"'{self.mark}' between the tags")
        return "lists of tags" if self.in_brackets else text


def find_separator(cells: Iterable[str], where: str) -> Separator:
    """Return what separates the tags of a column.

    Args:
        cells: of the whole column.
        where: file and column, for errors.

    Raises:
        ArchiveError: no reading is certain; the message shows each.
    """
    distinct = sorted({cell.strip() for cell in cells} - {""})
    if not distinct:
        return Separator(None)
    in_brackets = [cell[0] in _BRACKETS and cell[-1] == _BRACKETS[cell[0]] for cell in distinct]
    if all(in_brackets):
        inner = [cell[1:-1].strip() for cell in distinct]
        quoted = any(cell[:1] in ("'", '"') for cell in inner)
        return Separator("," if quoted else _find_mark([cell for cell in inner if cell], where), in_brackets=True)
    return Separator(_find_mark(distinct, where))


def show_readings(cell: str) -> str:
    """Return what each separator makes of a cell, with the key that names it; readings without sense are left out."""
    readings: dict[Tags, str] = {}
    for mark in (*SEPARATORS, None):
        tags = Separator(mark).split(cell)
        if mark != " " or not any(find_outer_mark(tag) for tag in tags):
            unused = next((other for other in (";", "|", ",") if other not in cell), " ") if mark is None else mark
            readings.setdefault(tags, unused)
    shown = [f"{' + '.join(map(repr, tags))} (archive.tag_separator: '{mark}')" for tags, mark in readings.items()]
    return ", or ".join(shown)


def find_outer_mark(tag: str) -> str | None:
    """Return the mark that a tag begins or ends with and no name does; None without one."""
    marks = [mark for mark in (tag[:1], tag[-1:]) if mark and mark in _OUTER]
    if not marks and tag.count("(") != tag.count(")"):
        marks = [mark for mark in "()" if mark in tag]
    return marks[0] if marks else None


def _find_mark(cells: Sequence[str], where: str) -> str | None:
    """Return the separator of cells without brackets, none of them empty.

    Raises:
        ArchiveError: no reading is certain.
    """
    if quoted := next((cell for cell in cells if cell[0] in _QUOTES or cell[-1] in _QUOTES), None):
        raise ArchiveError(
            f"{where}: {quoted} may be a name with quotes, or quotes around names. Take the quotes out of the table, or"
            " put the tags of an image in brackets, as in ['water', 'forest']."
        )
    present = [mark for mark in SEPARATORS[1:] if any(mark in cell for cell in cells)]
    if "," in present and len(present) == 2 and not any("," in _PROSE_COMMA.sub("", cell) for cell in cells):
        present.remove(",")  # as in "Transitional woodland, shrub;Pastures": part of a name
    if len(present) > 1:
        raise _make_error(where, next(cell for cell in cells if sum(mark in cell for mark in present)), present)
    mark = present[0] if present else " " if any(" " in cell for cell in cells) else None
    if mark in (" ", None):
        _check_usual(cells, mark, where)
    _check_certain(cells, mark, where)
    return mark


def _check_usual(cells: Sequence[str], mark: str | None, where: str) -> None:
    """Raise `ArchiveError` where something stands between words that may separate them too: `water/forest`."""
    for cell in cells:
        if found := _UNUSUAL.search(cell):
            other = found[0]
            whole = " " if mark == " " and other not in cell.split() else ";"  # "shrub/scrub road", "sand and gravel"
            raise ArchiveError(
                f"{where}: '{cell}' may hold one tag with {other!r} in its name, or several with {other!r} between"
                f" them. If it is part of the name, set archive.tag_separator: '{whole}'; if not, write '{whole}' in"
                " its place in the table."
            )


def _check_certain(cells: Sequence[str], mark: str | None, where: str) -> None:
    """Raise `ArchiveError` unless the tags are combined as tags are, not as words of a name."""
    splits = {cell: Separator(mark).split(cell) for cell in cells}
    _check_whole(splits.values(), mark or ";", where)
    # Names that want a space have `_` in its place: then no space is part of a name.
    if (
        mark == " "
        and not any("_" in cell for cell in cells)
        and not _are_combined(list(dict.fromkeys(splits.values())))
    ):
        raise _make_error(where, next(cell for cell in cells if " " in cell), [" "])
    if mark == ",":
        for cell in _iter_paired(splits):
            raise _make_error(where, cell, [","])


def _check_whole(splits: Iterable[Tags], mark: str, where: str) -> None:
    """Raise `ArchiveError` for a tag whose words are tags too: two separators in one column, perhaps."""
    tags = {tag for split in splits for tag in split}
    for tag in sorted(tags):
        words = _JOINT.split(tag)
        if len(words) > 1 and tags.issuperset(words):
            joint = _JOINT.findall(tag)[0]
            raise ArchiveError(
                f"{where}: '{tag}' is one tag, or {' and '.join(map(repr, words))} are, which are found alone too."
                f" If it is one, set archive.tag_separator: '{mark}'; if not, write '{mark}' in the place of '{joint}'"
                " in the table."
            )


def _are_combined(splits: Sequence[Tags]) -> bool:
    """Return whether the words of half of the cells or more are found in other company too, and in other places."""
    many = [split for split in splits if len(split) > 1]
    alone = {split[0] for split in splits if len(split) == 1}
    cells_of: dict[str, list[Tags]] = defaultdict(list)
    places_of: dict[str, set[int]] = defaultdict(set)
    for split in splits:
        for place, word in enumerate(split):
            cells_of[word].append(split)
            if len(split) > 1:
                places_of[word].add(place)

    def is_free(split: Tags) -> bool:
        return all(any(set(split) - set(other) for other in cells_of[word]) for word in split)

    def is_supported(split: Tags) -> bool:
        # A name that is longer than another ends as it does ("forest", "rain forest"); tags also begin so.
        moves = any(len(places_of[word]) > 1 for word in split)
        return moves or is_free(split) or not alone.isdisjoint(split[:-1])

    supported = [split for split in many if is_supported(split)]
    varied = any(word in alone or len(places_of[word]) > 1 for split in supported for word in split)
    return varied and 2 * len(supported) >= len(many)


def _iter_paired(splits: Mapping[str, Tags]) -> Iterable[str]:
    """Yield cells with two neighbours, one of several words, that are never met apart: a name with a comma, perhaps."""
    cells_of: dict[str, set[Tags]] = defaultdict(set)
    for split in splits.values():
        for tag in split:
            cells_of[tag].add(split)
    for cell, split in splits.items():
        for one, two in itertools.pairwise(split):
            if cells_of[one] == cells_of[two] and (" " in one or " " in two):
                yield cell


def _make_error(where: str, cell: str, marks: Sequence[str]) -> ArchiveError:
    names = " and ".join(f"'{mark}'" for mark in marks)
    return ArchiveError(
        f"{where}: whether {names} separates the tags cannot be known: '{cell}' may be {show_readings(cell)}. Name the"
        " separator in archive.tag_separator, and write no other in the table."
    )


def _parse_quoted(text: str) -> list[str]:
    """Return the strings of a list, with commas between them or, as NumPy prints it, without."""
    found, place = [], 0
    while place < len(text):
        item = _QUOTED.match(text, place)
        if not item:
            raise ValueError(f"expected a list of quoted tags; received '{text[place:]}'")
        found.append(str(ast.literal_eval(item[1])))
        place = item.end()
    return found


def _tidy(tags: Iterable[str]) -> Tags:
    return tuple(dict.fromkeys(tag for tag in (" ".join(tag.split()) for tag in tags) if tag))
