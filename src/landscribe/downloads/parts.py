"""Which files are a published archive: a tar, perhaps compressed, perhaps in parts."""

import re
from dataclasses import dataclass
from pathlib import Path

from landscribe.core.errors import ArchiveError

_TAR = r".+\.(?:tar(?:\.(?:gz|zst|zstd))?|tgz|tzst)"
_WHOLE = re.compile(_TAR, re.IGNORECASE)
# split gives letters, or digits with -d; people add a dot, or "part". Letters behind a dot alone may be another ending.
_PART = re.compile(rf"(?P<stem>{_TAR}(?:[._-]?part[._-]?|\.)?)(?P<mark>[a-z]{{2,3}}|[0-9]{{1,4}})", re.IGNORECASE)


@dataclass(frozen=True)
class Download:
    """A published archive as it was downloaded.

    Attributes:
        parts: its files, in order; one, unless it is in parts.
    """

    parts: tuple[Path, ...]

    @property
    def name(self) -> str:
        """Name of the file, or of the first part."""
        return self.parts[0].name

    @property
    def num_bytes(self) -> int:
        """Size of all parts."""
        return sum(part.stat().st_size for part in self.parts)

    @property
    def next_part(self) -> str | None:
        """Name that the part after the last one would have; None for a single file."""
        found = _split(self.parts[-1].name)
        return f"{found[0]}{_follow(found[1])}" if found else None


def find_download(path: Path) -> Download | None:
    """Return the download that a path names; None if it names none, such as a folder.

    Raises:
        ArchiveError: it is not the first of its parts, or one between them is absent.
    """
    if _WHOLE.fullmatch(path.name):
        return Download((path,)) if path.is_file() else None
    named = _split(path.name)
    if named is None or path.is_dir():
        return None
    stem, own = named
    found = (_split(other.name) for other in path.parent.glob("*"))
    marks = sorted((part[1] for part in found if part and part[0] == stem), key=_rank)
    if not marks or (stem.endswith(".") and marks[0].isalpha() and not {own, marks[0]} & {"aa", "aaa"}):
        return None
    first = marks[0] if _is_first(marks[0]) else "1".zfill(len(marks[0])) if marks[0].isdigit() else "a" * len(marks[0])
    marks = [mark for mark in marks if len(mark) == len(first) or (mark.isdigit() and mark[0] != "0")]
    expected = [first]
    while _rank(expected[-1]) < _rank(marks[-1]):
        expected.append(_follow(expected[-1]))
    absent = [f"{stem}{mark}" for mark in expected if mark not in marks]
    if absent:
        raise ArchiveError(
            f"{path.parent / stem}...: expected its parts {stem}{first} to {stem}{marks[-1]}; {', '.join(absent)}"
            f" {'is' if len(absent) == 1 else 'are'} missing. Download it into the same folder."
        )
    if path.name != f"{stem}{first}":
        raise ArchiveError(f"{path} is a later part; name the first one: {path.parent / stem}{first}.")
    return Download(tuple(path.parent / f"{stem}{mark}" for mark in marks))


def is_part(name: str) -> bool:
    """Return whether a file of this name may be a download, or a part of one."""
    return _WHOLE.fullmatch(name) is not None or _PART.fullmatch(name) is not None


def list_downloads(folder: Path) -> list[Path]:
    """Return the downloads in a folder, of those in parts the first part, sorted by name."""
    found: dict[str, Path] = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        part = _split(path.name)
        if _WHOLE.fullmatch(path.name) or (part and _is_first(part[1])):
            found.setdefault(part[0] if part else path.name, path)
    return sorted(found.values())


def _split(name: str) -> tuple[str, str] | None:
    """Return what the parts of a download have in common, and the mark of this one; None for any other name."""
    if _WHOLE.fullmatch(name):
        return None
    found = _PART.fullmatch(name)
    return (found["stem"], found["mark"]) if found else None


def _is_first(mark: str) -> bool:
    """Return whether a series begins with this mark: aa, 0 or 1 with any number of zeros before it."""
    return set(mark) == {"a"} or (mark.isdigit() and int(mark) <= 1)


def _rank(mark: str) -> tuple[int, str]:
    """Return what sorts marks in the order of the parts: 9 before 10."""
    return len(mark), mark


def _follow(mark: str) -> str:
    """Return the mark after this one, as split counts."""
    if mark.isdigit():
        return f"{int(mark) + 1:0{len(mark)}}"
    head, last = mark[:-1], mark[-1]
    return f"{head}{chr(ord(last) + 1)}" if last != "z" else f"{_follow(head)}a"
