"""Names of tags that are none, or that are one class under two names: refused before they become classes."""

import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from landscribe.archive.tag_separator import find_outer_mark
from landscribe.core.errors import ArchiveError

# What tools write where a value is absent.
_ABSENT = {"nan", "none", "null", "nil", "n/a", "na", "#n/a", "<na>", "nat", "-", "--", "?"}
_WHOLE_FLOAT = re.compile(r"[0-9]+\.0")


@dataclass
class Use:
    """How often a tag is met, and where first: "line 3"."""

    count: int
    first: str


def count_tags(rows: Iterable[tuple[str, Iterable[str]]]) -> dict[str, Use]:
    """Return tag -> its use.

    Args:
        rows: (place, tags) of each row.
    """
    uses: dict[str, Use] = {}
    for place, tags in rows:
        for tag in tags:
            uses.setdefault(tag, Use(0, place)).count += 1
    return uses


def check_absent(rows: Iterable[tuple[str, Iterable[str]]], where: str) -> None:
    """Raise `ArchiveError` where a tag is what tools write for an absent value.

    Args:
        rows: (place, tags) of each row.
        where: file and column, for errors.
    """
    for tag, use in count_tags(rows).items():
        if tag.casefold() in _ABSENT:
            raise ArchiveError(
                f"{where}, {use.first}: '{tag}' is a class of this name, or says that there is no"
                " tag. If there is none, leave the cell empty; if it is a class, give it another name."
            )


def check_tags(uses: Mapping[str, Use], where: str) -> None:
    """Raise `ArchiveError` for a tag that is no name, or two that differ in case, blanks or outer punctuation alone.

    Args:
        uses: of every tag.
        where: file and column, for errors.
    """
    check_absent(((use.first, [tag]) for tag, use in uses.items()), where)
    for tag, use in uses.items():
        if _WHOLE_FLOAT.fullmatch(tag):
            raise ArchiveError(
                f"{where}, {use.first}: '{tag}' is class '{tag[:-2]}' as a number with a fraction (pandas writes so"
                f" where a value is absent), or a class '{tag}'. Write '{tag[:-2]}' or another name."
            )
        if mark := find_outer_mark(tag):
            raise ArchiveError(
                f"{where}, {use.first}: expected names of classes; received '{tag}', with {mark!r} left over: another"
                " separator or quoting than was expected. Set archive.tag_separator: null to have it found; where it is"
                f" null, take the {mark!r} out of the table."
            )
    spellings: dict[str, str] = {}
    for tag in sorted(uses):
        other = spellings.setdefault(_make_key(tag), tag)
        if other != tag:
            one, two = uses[other], uses[tag]
            raise ArchiveError(
                f"{where}: '{other}' ({one.count} images, first on {one.first}) and '{tag}' ({two.count}, first on"
                f" {two.first}) are two classes, or one in two spellings. Write one spelling throughout; where they are"
                " two classes, give one another name."
            )


def _make_key(tag: str) -> str:
    return re.sub(r"[\s_-]+", " ", tag.casefold()).strip(string.punctuation + " ") or tag
