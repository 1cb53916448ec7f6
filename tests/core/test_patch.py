"""Patch names are keys: granule, column, row; no clock is read from them."""

import pytest

from landscribe.core.errors import PatchError
from landscribe.core.patch import is_s1_name, is_s2_name, parse_patch_name

CLOCKS = ("101031", "93020", "94161", "9302", "000000")  # with its zero, without, impossible, two lost, midnight


@pytest.mark.parametrize("mission", ["S2A", "S2B"])
@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize(("column", "row"), [(0, 0), (87, 48), (90, 5), (4, 90)])
def test_a_name_is_granule_column_and_row(mission: str, clock: str, column: int, row: int) -> None:
    granule = f"{mission}_MSIL2A_20170924T{clock}"
    parsed = parse_patch_name(f"{granule}_{column}_{row}")
    assert (parsed.granule, parsed.column, parsed.row) == (granule, column, row)
    assert parsed.short_clock == (len(clock) < 6)
    assert is_s2_name(f"{granule}_{column}_{row}")


NO_S2_NAMES = (
    "",
    "S2A_MSIL2A_20170613T101031",
    "S2A_MSIL2A_20170613T101031_87",
    "S2A_MSIL2A_20170613T101031_87_48_B02",
    "S2A_MSIL2A_20170613T101031_87_48\n",
    " S2A_MSIL2A_20170613T101031_87_48",
    "S2A_MSIL2A_20170613T101031_187_48",
    "S2A_MSIL2A_20170613T101031_-1_48",
    "S2A_MSIL2A_2017061T101031_87_48",
    "S2A_MSIL1C_20170613T101031_87_48",
    "s2a_msil2a_20170613t101031_87_48",
    "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57",  # the form of v2
    "S1A_IW_GRDH_1SDV_20170613T165043_33UUP_87_48",
    ".DS_Store",
)


@pytest.mark.parametrize("name", NO_S2_NAMES)
def test_other_names_are_refused_by_name(name: str) -> None:
    assert not is_s2_name(name)
    with pytest.raises(PatchError) as caught:
        parse_patch_name(name)
    assert f"received '{name}'" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "is_s1"),
    [
        ("S1A_IW_GRDH_1SDV_20170613T165043_33UUP_87_48", True),
        ("S1B_IW_GRDH_1SDV_20171221T064238_29SND_5_3", True),
        ("S1A_IW_GRDH_1SDV_20170613T165043_33UUP_87_48_VV", False),
        ("S1A_IW_GRDH_1SDV_20170613T165043", False),
        ("S2A_MSIL2A_20170613T101031_87_48", False),
        ("", False),
    ],
)
def test_radar_names_are_told_from_others(name: str, is_s1: bool) -> None:
    assert is_s1_name(name) == is_s1
    assert not (is_s1_name(name) and is_s2_name(name))
