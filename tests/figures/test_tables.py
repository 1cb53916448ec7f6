"""Tables for the terminal: every word is there, columns are aligned, numbers on the right."""

from landscribe.figures.tables import format_table


def test_every_word_of_a_long_cell_is_there_in_its_column() -> None:
    words = [f"word{number}" for number in range(30)]
    lines = format_table(("rule", "why"), [("first", " ".join(words)), ("second", "")])
    assert len({len(line) for line in lines if set(line) == {"-"}}) == 1
    start = lines[1].index("why")
    column = " ".join(line[start:] for line in lines[3:])
    assert [word for word in column.split() if word.startswith("word")] == words
    assert lines[3].startswith("first")


def test_a_column_of_numbers_ends_where_its_name_does() -> None:
    rows = [("a", "1,234", "", "1"), ("  b", "-0.5", "+12.25 %", "2*"), ("c", "", ".5", "")]
    _, header, _, *lines, _ = format_table(("name", "patches", "share", "version"), rows)
    assert header == "name  patches     share  version"
    assert lines == ["a       1,234            1", "  b      -0.5  +12.25 %  2*", "c                    .5"]
