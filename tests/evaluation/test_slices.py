"""Slices: what is known of each patch, and the metrics of each part alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from landscribe.archive.protocol import make_patches
from landscribe.evaluation.metrics import compute_metrics
from landscribe.evaluation.slices import KINDS, compute_slice_rows, number_units, read_slices
from tests.support.problems import draw_scores, make_config

PATCHES = {
    "patch_id": ["a", "b", "c", "d", "e"],
    "country": ["Finland", None, "Finland", "Kosovo", None],
    "tile": ["35VPK", "35VPK", "34TDN", None, None],
    # The clock of b is impossible, its date is sound; d has a date of its own.
    "granule": ["S2A_MSIL2A_20170613T101031", "S2B_MSIL2A_20180204T94161", None, "S2A_MSIL2A_20170613T101031", "x"],
    "acquired_at": ["2017-06-13T10:10:31", None, "2017-12-01T00:00:00", "2017-09-24T09:30:20", None],
    "latitude": [60.0, 60.0, -30.0, None, None],
    "s1_patch_id": ["S1A_IW_GRDH_1SDV_20170613T165043_33UUP_87_48", None, None, None, None],
}


def test_slices_are_read_in_the_order_asked_for_and_null_where_unknown(tmp_path: Path) -> None:
    pq.write_table(make_patches({**PATCHES, "labels": [["x"]] * 5}), path := tmp_path / "index.parquet")
    slices = read_slices(path, ["d", "a", "c", "b", "e"])
    assert tuple(slices.columns) == KINDS
    expected = {
        "country": ["Kosovo", "Finland", "Finland", None, None],
        "season": ["autumn", "summer", "summer", "winter", None],  # December in the south is summer
        "tile": [None, "35VPK", "34TDN", "35VPK", None],
        "sensor": ["S2A", "S2A", None, "S2B", None],
        "radar": [None, "S1A", None, None, None],
    }
    for kind, names in expected.items():
        assert [None if pd.isna(name) else name for name in slices[kind]] == names, kind


def test_seasons_turn_in_quarters_from_december(tmp_path: Path) -> None:
    months = [f"2017-{month:02}-15T10:00:00" for month in range(1, 13)]
    names = [f"p{month:02}" for month in range(1, 13)]
    columns = {"patch_id": names, "labels": [["x"]] * 12, "acquired_at": months, "latitude": [50.0] * 12}
    pq.write_table(make_patches(columns), path := tmp_path / "index.parquet")
    assert read_slices(path, names)["season"].tolist() == [
        *["winter"] * 2, *["spring"] * 3, *["summer"] * 3, *["autumn"] * 3, "winter",
    ]  # fmt: skip


def test_a_slice_is_the_metrics_of_its_patches_alone() -> None:
    scores = draw_scores(2)
    rng = np.random.default_rng(0)
    slices = pd.DataFrame({kind: pd.Series([None] * 60, dtype="string") for kind in KINDS})
    slices["country"] = pd.Series(rng.choice(["Finland", "Kosovo"], 60), dtype="string")
    slices.loc[:4, "country"] = None
    slices["season"] = "winter"
    thresholds = np.full(7, 0.45)
    table = compute_slice_rows(scores, thresholds, slices, make_config().bootstrap)
    keys = list(zip(table["kind"], table["slice"], strict=True))
    assert keys == [("country", "Finland"), ("country", "Kosovo"), ("season", "winter")]
    for _, row in table.iterrows():
        rows = [number for number, name in enumerate(slices[row["kind"]]) if str(name) == row["slice"]]
        expected = compute_metrics(scores.truth[rows], scores.scores[rows], thresholds)
        for name in ("num_patches", "num_classes_scored", "macro_ap", "macro_ap_prior", "micro_ap", "sample_f1"):
            assert row[name] == expected[name]
        assert 0 <= row["macro_ap_low"] <= row["macro_ap_high"] <= 1
    assert table["num_patches"].tolist()[2] == 60 == sum(table["num_patches"][:2]) + 5


def test_units_are_numbered_where_all_are_known() -> None:
    slices = pd.DataFrame({"tile": ["b", "a", "b"], "country": ["x", None, "y"], "season": ["s"] * 3})
    units = number_units(slices, "tile")
    assert units is not None
    assert units.tolist() == [0, 1, 0]
    assert number_units(slices, "country") is None
    assert number_units(slices, "season") is None  # a single unit cannot vary


def test_nothing_known_is_no_row() -> None:
    slices = pd.DataFrame({kind: pd.Series([None] * 60, dtype="string") for kind in KINDS})
    assert compute_slice_rows(draw_scores(0), np.full(7, 0.5), slices, make_config().bootstrap).empty
