"""Patch names of BigEarthNet: keys, not timestamps.

A Sentinel-2 name is a granule (mission, level, date, "clock") and a cell of the tile's 1,200 m grid. The digits that
look like a clock are not one: 69,863 of the listed v1 names have five digits, 13,599 an impossible time; they keep
granules apart. The time of acquisition comes from the JSON alone.
"""

import re
from dataclasses import dataclass

from landscribe.errors import PatchError

# Top folders of the v1 / MM distribution.
S2_FOLDER = "BigEarthNet-v1.0"
S1_FOLDER = "BigEarthNet-S1-v1.0"

_S2_NAME = re.compile(r"(?P<granule>S2[AB]_MSIL2A_\d{8}T(?P<clock>\d{4,6}))_(?P<column>\d{1,2})_(?P<row>\d{1,2})")
_S1_NAME = re.compile(r"S1[AB]_IW_GRDH_1SDV_\d{8}T\d{6}_(?P<tile>\w{5})_\d{1,2}_\d{1,2}")


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
