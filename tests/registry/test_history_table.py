"""The table of champions: every entry is there, the present champion is marked."""

from landscribe.registry.champions import LogEntry
from landscribe.registry.history_table import format_history


def test_the_history_names_the_present_champion() -> None:
    when, why = "2026-11-21T17:00:00+00:00", "version 2 was rolled back"
    log = [
        LogEntry(version="1", kind="promoted", why="first", metric="test_macro_ap", score=0.5, number=1, by="a@b"),
        LogEntry(version="2", kind="forced", why="forced: because", gain=-0.1, low=-0.2, high=0.0, number=2),
        LogEntry(version="1", kind="rolled back", why=why, number=3, when=when),
    ]
    text = format_history("model", log)
    assert [line.split()[0] for line in text.splitlines() if line[:1] in "123"] == ["1", "2", "3"]
    assert text.endswith("* version 1 is champion")
    assert text.count("1*") == 1
    for word in ("test_macro_ap 0.5000", "-0.1000 [-0.2000, +0.0000]", "forced: because", "a@b", "2026-11-21 17:00:00"):
        assert word in text
    assert format_history("model", [*log, LogEntry(version=None, kind="by hand", why="")]).endswith(
        "nobody is champion"
    )


def test_no_champion_yet_is_a_sentence() -> None:
    assert "has had no champion yet" in format_history("model", [])
