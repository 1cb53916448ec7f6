"""Patch names of BigEarthNet: keys, not timestamps.

A Sentinel-2 name is a granule (mission, level, date, "clock") and a cell of the tile's 1,200 m grid. The digits that
resemble a time of day are not one: 69,863 of the listed v1 names have five digits, 13,599 an impossible time; they only
distinguish granules. The time of acquisition comes from the JSON.
"""

import re
from dataclasses import dataclass

from landscribe.core.errors import PatchError

# Top folders of the v1 / MM distribution.
S2_FOLDER = "BigEarthNet-v1.0"
S1_FOLDER = "BigEarthNet-S1-v1.0"

# [0-9], not \d, which also matches the digits of other scripts.
_S2_NAME = re.compile(
    r"(?P<granule>S2[AB]_MSIL2A_[0-9]{8}T(?P<clock>[0-9]{4,6}))_(?P<column>[0-9]{1,2})_(?P<row>[0-9]{1,2})"
)
_S1_NAME = re.compile(r"S1[AB]_IW_GRDH_1SDV_[0-9]{8}T[0-9]{6}_(?P<tile>[0-9]{2}[A-Z]{3})_[0-9]{1,2}_[0-9]{1,2}")


@dataclass(frozen=True)
class PatchName:
    """A parsed Sentinel-2 patch name.

    Attributes:
        granule: the name without its cell: one tile at one acquisition.
        column: cell of the tile's 1,200 m grid, eastwards from 0.
        row: cell of the tile's 1,200 m grid, southwards from 0.
        short_clock: the hour lacks its leading zero (a documented quirk).
    """

    granule: str
    column: int
    row: int
    short_clock: bool


def parse_patch_name(name: str) -> PatchName:
    """Parse a v1 Sentinel-2 patch name, e.g. `S2A_MSIL2A_20170613T101031_87_48`.

    Raises:
        PatchError: the name has another form.
    """
    found = _S2_NAME.fullmatch(name)
    if not found:
        raise PatchError(f"expected a patch name like S2A_MSIL2A_20170613T101031_87_48; received '{name}'")
    return PatchName(found["granule"], int(found["column"]), int(found["row"]), len(found["clock"]) < 6)


def is_s2_name(name: str) -> bool:
    """Return whether `name` is a v1 Sentinel-2 patch name."""
    return _S2_NAME.fullmatch(name) is not None


def is_s1_name(name: str) -> bool:
    """Return whether `name` is a v1 Sentinel-1 patch name."""
    return _S1_NAME.fullmatch(name) is not None


# Names of BigEarthNet v2 (reBEN) contain the tile, and a cell of two digits; those of Sentinel-1 are as in v1. The
# patterns work in `re` and in RE2, because whole columns of names are parsed at once. They allow no separator and
# no dot: a name that matches is safe as a part of a path.
V2_GRANULE = r"S2[AB]_MSIL2A_[0-9]{8}T[0-9]{6}_N[0-9]{4}_R[0-9]{3}_T(?P<tile>[0-9]{2}[A-Z]{3})"
V2_S2_NAME = rf"(?P<granule>{V2_GRANULE})_(?P<column>[0-9]{{2}})_(?P<row>[0-9]{{2}})"
S1_SCENE = "S1[AB]_IW_GRDH_1SDV_[0-9]{8}T[0-9]{6}"
V2_S1_NAME = rf"(?P<scene>{S1_SCENE})_(?P<tile>[0-9]{{2}}[A-Z]{{3}})_(?P<column>[0-9]{{1,2}})_(?P<row>[0-9]{{1,2}})"
V1_S2_NAME = _S2_NAME.pattern


def is_patch_name(name: str) -> bool:
    """Return whether `name` is that of a patch of BigEarthNet, either release and sensor."""
    return is_s2_name(name) or is_s1_name(name) or re.fullmatch(V2_S2_NAME, name) is not None


def parse_s1_tile(name: str) -> str | None:
    """Return the MGRS tile in a v1 Sentinel-1 patch name, e.g. "33UUP"; None for a name of another form."""
    found = _S1_NAME.fullmatch(name)
    return found["tile"] if found else None
