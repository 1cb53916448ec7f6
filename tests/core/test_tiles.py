"""A tile's corner follows from its MGRS code."""

import itertools

import pytest

from landscribe.core.errors import PatchError
from landscribe.core.tiles import locate_tile

# Corners of real products: of BigEarthNet's patches, and of the quality masks of products that ESA published (T53HNV,
# T53HMA: https://github.com/ungarj/s2reader, tests/data/safe; T01CCV and T40VEM: likewise).
CORNERS = {
    "33UUP": (32633, 300000, 5400000),
    "29UPU": (32629, 600000, 5900040),
    "35VPK": (32635, 600000, 7000020),
    "29SND": (32629, 499980, 4400040),
    "40VEM": (32640, 499980, 6700020),  # an even zone
    "53HNV": (32753, 499980, 6000040),
    "53HMA": (32753, 399960, 6100000),
    "01CCV": (32701, 300000, 2000020),
}


def list_column(column: str) -> list[tuple[str, float]]:
    """Return (band, uly_m from the equator) of every square that the letters allow in one column of squares."""
    zone = column[:2]
    found = []
    for band in "CDEFGHJKLMNPQRSTUVWX":
        for row in "ABCDEFGHJKLMNPQRSTUV":
            epsg, _, uly_m = locate_tile(f"{zone}{band}{column[2]}{row}")
            found.append((band, uly_m - (10_000_000 if epsg > 32700 else 0)))
    return found


@pytest.mark.parametrize("column", ["32M", "33V", "34E"])
def test_each_band_finds_every_row_letter_once_and_covers_its_latitudes(column: str) -> None:
    found = list_column(column)
    for number, band in enumerate("CDEFGHJKLMNPQRSTUVWX"):
        tops = sorted(top for name, top in found if name == band)
        assert all(top % 60 == 0 for top in tops)
        assert [round(b - a, -3) for a, b in itertools.pairwise(tops)] == [100_000] * 19
        assert tops[0] < (8 * number - 80) * 111_000
        assert tops[-1] > (8 * number - 72) * 111_000


def test_the_columns_of_a_zone_are_100_km_apart_and_on_the_grid() -> None:
    for letters, zone in (("ABCDEFGH", "31"), ("JKLMNPQR", "32"), ("STUVWXYZ", "33")):
        lefts = [locate_tile(f"{zone}U{letter}P")[1] for letter in letters]
        assert all(left % 60 == 0 for left in lefts)
        assert [round(left, -3) for left in lefts] == [100_000 * (number + 1) for number in range(8)]


def test_both_hemispheres_have_their_own_codes() -> None:
    assert locate_tile("60NWF")[0] == 32660
    assert locate_tile("60MWE")[0] == 32760
    assert locate_tile("01CCV")[0] == 32701


@pytest.mark.parametrize(
    "tile", ["", "33UUP ", "33uup", "3UUP", "00UUP", "61UUP", "33IUP", "33UOP", "33UUW", "33UAP", "T33UUP", "3٣UUP"]
)
def test_other_codes_are_refused_by_name(tile: str) -> None:
    with pytest.raises(PatchError, match=r"e\.g\. 33UUP") as caught:
        locate_tile(tile)
    assert f"received '{tile}'" in str(caught.value)
