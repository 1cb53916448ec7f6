"""Parts of a split that are reported separately: country, season, tile, satellite."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from landscribe.core.scores import Scores
from landscribe.evaluation.bootstrap import compute_interval, compute_macro_ap_draws
from landscribe.evaluation.config import BootstrapConfig
from landscribe.evaluation.metrics import compute_metrics

KINDS = ("country", "season", "tile", "sensor", "radar")
_METRICS = ("macro_ap", "macro_ap_prior", "micro_ap", "macro_f1", "micro_f1", "sample_f1")
_COLUMNS = ("patch_id", "country", "tile", "granule", "acquired_at", "latitude", "s1_patch_id")
_SEASONS = np.array(["winter", "spring", "summer", "autumn"])  # of the north, by quarters from December
_DATE_IN_NAME = r"_\d{4}(\d{2})\d{2}T"


def read_slices(index_path: Path, patch_ids: Sequence[str]) -> pd.DataFrame:
    """Return the slice of each patch, in the order of `patch_ids`: columns `KINDS`, null where it is unknown.

    The season is that of the month of acquisition, from December on in quarters, on the patch's hemisphere; the month
    is that of `acquired_at`, else of the granule's name, whose date is correct although its time is not. The sensor is
    the satellite at the beginning of the granule's name, e.g. S2A; the radar that of the Sentinel-1 twin, e.g. S1B.

    Args:
        index_path: the index, `PATCH_SCHEMA`.
        patch_ids: the patches of a split.
    """
    table = pq.read_table(index_path, columns=list(_COLUMNS))
    wanted = table.filter(pc.is_in(table["patch_id"], value_set=pc.cast(list(patch_ids), "string")))
    index = wanted.to_pandas().set_index("patch_id").reindex(list(patch_ids)).reset_index(drop=True)
    granule = index["granule"].astype("string")
    return pd.DataFrame(
        {
            "country": index["country"].astype("string"),
            "season": _find_seasons(index, granule),
            "tile": index["tile"].astype("string"),
            "sensor": granule.str.extract(r"^(S2[A-Z])_")[0],
            "radar": index["s1_patch_id"].astype("string").str.extract(r"^(S1[A-Z])_")[0],
        }
    )


def _find_seasons(index: pd.DataFrame, granule: pd.Series) -> pd.Series:
    months = index["acquired_at"].astype("string").str[5:7].fillna(granule.str.extract(_DATE_IN_NAME)[0])
    numbers = pd.to_numeric(months, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    known = (numbers >= 1) & (numbers <= 12)
    is_south = index["latitude"].to_numpy(np.float64, na_value=np.nan) < 0
    quarters = np.where(known, numbers, 1).astype(int) % 12 // 3 + 2 * is_south
    return pd.Series(np.where(known, _SEASONS[quarters % 4], None), dtype="string")


def number_units(slices: pd.DataFrame, kind: str) -> np.ndarray | None:
    """Return the unit of each patch, intp [patch] from 0; None unless all are known and there are at least two."""
    numbers, names = pd.factorize(slices[kind])
    return numbers.astype(np.intp) if len(names) > 1 and (numbers >= 0).all() else None


def compute_slice_rows(
    scores: Scores, thresholds: np.ndarray, slices: pd.DataFrame, config: BootstrapConfig
) -> pd.DataFrame:
    """Return one row per slice: kind, slice, num_patches, num_classes_scored, metrics, ends of the macro AP's interval.

    Patches whose slice is unknown are in no row; a kind that is unknown for all has no row. `macro_ap_prior` is
    included, because slices differ in their classes and class shares.
    """
    keys = [(kind, str(name)) for kind in KINDS for name in sorted(slices[kind].dropna().unique())]
    members = [np.flatnonzero((slices[kind] == name).to_numpy(bool, na_value=False)) for kind, name in keys]
    truth = scores.truth.astype(bool)
    draws = compute_macro_ap_draws([truth[rows] for rows in members], [scores.scores[rows] for rows in members], config)
    table = []
    for (kind, name), rows, drawn in zip(keys, members, draws, strict=True):
        metrics = compute_metrics(truth[rows], scores.scores[rows], thresholds)
        numbers = {key: metrics[key] for key in ("num_patches", "num_classes_scored", *_METRICS)}
        low, high = compute_interval(metrics["macro_ap"], drawn, config.confidence, (0, 1))
        table.append({"kind": kind, "slice": name, **numbers, "macro_ap_low": low, "macro_ap_high": high})
    columns = ["kind", "slice", "num_patches", "num_classes_scored", *_METRICS, "macro_ap_low", "macro_ap_high"]
    return pd.DataFrame(table, columns=columns)
