"""Source and documentation are plain technical English: a few words stay out, and a rate is "per", never "a"."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORDS = re.compile(r"\b(?:mend(?:s|ed|ing)?|anew|heed(?:s|ed|ing)?|told|stands?\s+on)\b", re.IGNORECASE)
_COUNTED = (
    "axis|bar|bin|cell|chunk|class|code|column|curve|dimension|dot|entry|epoch|example|factor|feature|file|folder|"
    "group|image|index|input|job|key|label|layer|line|list|model|name|number|object|panel|parameter|part|patch|path|"
    "place|point|position|process|reader|record|replica|row|run|sample|scan|score|seed|sentence|share|snapshot|split|"
    "stage|tag|task|thread|transformation|tree|value|vector|view|warning|weight|window|worker"
)
_UNITS = (
    "axis|band|bin|case|cell|change|class|colour|core|country|day|device|dimension|draw|entry|epoch|error|family|"
    "feature|file|folder|GPU|granule|group|host|image|job|key|layer|layout|level|line|machine|metric|model|name|"
    "node|operation|pair|panel|parameter|parcel|patch|pixel|place|process|projection|record|replica|row|run|"
    "sample|seed|series|shard|slice|source|split|stage|step|study|task|test|thread|tile|trial|try|user|value|"
    "version|view|worker"
)
_KINDS = "child|geometric|float|separate|single|small|source|symbolic"
RATE = re.compile(
    rf"(?<!give\s)(?<!gives\s)\b(?:(?:one|a|an|each)\s+(?:(?:{_KINDS})\s+)?(?:{_COUNTED})"
    r"|\d[\d.,]*\s+(?:[kMG]B|[mu]?s|bytes|epochs|files|keys|lines|metrics|patches|steps))"
    rf"\s+an?\s+(?:{_UNITS})\b",
    re.IGNORECASE,
)


def iter_findings(text: str) -> Iterator[str]:
    """Yield every forbidden word and every rate that is written with "a"; a paragraph may break it across lines."""
    for paragraph in re.split(r"\n\s*\n", text):
        joined = re.sub(r"\n\s*(?:#\s*)?", " ", paragraph)
        yield from (" ".join(found[0].split()) for pattern in (WORDS, RATE) for found in pattern.finditer(joined))


def list_sources() -> list[Path]:
    """Return the files that people read: code, stages and documentation, decisions included."""
    return [*ROOT.glob("src/**/*.py"), *ROOT.glob("stages/*.py"), *ROOT.glob("docs/**/*.md")]


def test_source_and_documentation_are_plain_english() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {words}"
        for path in list_sources()
        for words in iter_findings(path.read_text(encoding="utf-8"))
    ]
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "one row a patch",
        "One  row\n    a patch",
        "a line a row",
        "a child run a trial",
        "a bin a value",
        "each process a core",
        "55 MB a trial",
        "# one transformation\n# a projection",
        "The runs are made anew.",
        "error: Mend the file",
        "whoever is told",
        "'x' stands on two rows",
    ],
)
def test_forbidden_words_are_found(text: str) -> None:
    assert list(iter_findings(text))


@pytest.mark.parametrize(
    "text",
    [
        "one row per patch",
        "a test of a model",
        "each row is a patch",
        "give each worker a task",
        "a run that a trial opens",
        "a recommendation; renewed; needs 2 GB in a process",
    ],
)
def test_good_english_is_left_alone(text: str) -> None:
    assert not list(iter_findings(text))
