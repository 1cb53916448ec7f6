"""Bad patches go on nowhere, each with its reason, and too many of them stop the stage."""

import csv
from pathlib import Path

import pytest

from landscribe.core.errors import ArchiveError
from landscribe.core.quarantine import LeftOut, check_bad_fraction, summarise_reasons, write_left_out


def make_bad(number: int) -> list[LeftOut]:
    """Return so many bad patches, each with a name of its own."""
    return [LeftOut(f"patch_{i}", f"patch_{i}_B02.tif is unreadable") for i in range(number)]


@pytest.mark.parametrize("percent", range(100))
def test_the_limit_itself_is_tolerated_and_one_more_is_not(percent: int) -> None:
    limit = float(f"0.{percent:02d}")  # as it stands in params.yaml: 0.29 * 100 is not 29
    check_bad_fraction(make_bad(percent), 100, limit, "discover")
    with pytest.raises(ArchiveError):
        check_bad_fraction(make_bad(percent + 1), 100, limit, "discover")


def test_no_bad_patch_is_always_tolerated() -> None:
    check_bad_fraction([], 0, 0.0, "convert")
    check_bad_fraction([], 10, 0.0, "convert")


def test_a_limit_of_one_tolerates_everything() -> None:
    check_bad_fraction(make_bad(7), 7, 1.0, "convert")


def test_the_error_says_how_many_which_and_what_to_do() -> None:
    with pytest.raises(ArchiveError) as caught:
        check_bad_fraction(make_bad(3), 20, 0.1, "convert")
    for words in ("3 of 20", "convert.max_bad_fraction = 0.1", "<patch>_B02.tif is unreadable (3, e.g. patch_0)"):
        assert words in str(caught.value)


def test_the_error_shows_the_three_most_frequent_reasons() -> None:
    bad = [LeftOut(f"{reason}{number}", f"reason {reason}") for reason in "abcde" for number in range(ord(reason))]
    with pytest.raises(ArchiveError) as caught:
        check_bad_fraction(bad, len(bad), 0.1, "discover")
    shown = "reason e (101, e.g. e0); reason d (100, e.g. d0); reason c (99, e.g. c0); and 2 more."
    assert f"Most frequent: {shown} Repair" in str(caught.value)


def test_every_patch_left_out_has_a_row(tmp_path: Path) -> None:
    quarantined = [LeftOut("a", 'expected "B02", received\nnothing'), LeftOut("b", "x;y")]
    excluded = [LeftOut("c", "no class of BEN-19")]
    for name in ("first.csv", "second.csv"):
        write_left_out(tmp_path / name, quarantined=quarantined, excluded=excluded)
    with (tmp_path / "first.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    expected = [["quarantined", p.patch_id, p.reason] for p in quarantined]
    expected += [["excluded", p.patch_id, p.reason] for p in excluded]
    assert rows == [["group", "patch_id", "reason"], *expected]
    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "second.csv").read_bytes()


def test_the_summary_counts_every_patch_once_by_reason() -> None:
    bad = [LeftOut("patch_x", "no class of BEN-19"), *make_bad(5), LeftOut("patch_y", "no class of BEN-19")]
    summary = summarise_reasons(bad)
    assert summary == {"<patch>_B02.tif is unreadable": 5, "no class of BEN-19": 2}
    assert list(summary.values()) == sorted(summary.values(), reverse=True)


@pytest.mark.parametrize(
    ("reasons", "summary"),
    [
        (
            [f"S1A_IW_GRDH_1SDV_20170613T165043_33UUP_{n}_48_VV.tif is unreadable" for n in range(9)],
            "<name>_VV.tif is unreadable",
        ),
        ([f"beach_{n}.jpg: expected uint8 values" for n in range(9)], "<name>.jpg: expected uint8 values"),
        ([f"granule S2A_MSIL2A_2017061{n}T101031 is absent" for n in range(9)], "granule <name> is absent"),
    ],
)
def test_reasons_that_differ_by_a_name_are_one(reasons: list[str], summary: str) -> None:
    assert summarise_reasons([LeftOut(f"p{n}", reason) for n, reason in enumerate(reasons)]) == {summary: len(reasons)}


@pytest.mark.parametrize(
    "reason",
    [
        "B02: expected 120 x 120 values of uint16; received 60 x 60 of float32",
        "label 'slash_burn' is unknown to BEN-19",
        "max_bad_fraction",
    ],
)
def test_what_is_no_name_stays(reason: str) -> None:
    assert summarise_reasons([LeftOut(name, reason) for name in ("p", "2", "")]) == {reason: 3}
