"""Makes the split by the strategy that section `split` names."""

import pandas as pd

from landscribe.splits.assignment import Assignment
from landscribe.splits.config import SPLITS, SplitConfig
from landscribe.splits.digest_order import rank_by_digest
from landscribe.splits.official import read_official
from landscribe.splits.spatial import draw_spatial
from landscribe.splits.stratified import draw_stratified


def make_splits(index: pd.DataFrame, config: SplitConfig) -> Assignment:
    """Return the split of each patch; it depends on the index and params alone, not on the order of the rows.

    Args:
        index: one row per patch, columns as `PATCH_SCHEMA` in archive/protocol.py; only those of the strategy are read.
        config: section `split`.

    Raises:
        ArchiveError: a list is unreadable, two lists name one patch, or the index lacks what the strategy needs.
        ParamsError: `split.spatial` names a tile or country that is not in the index.
    """
    match config.strategy:
        case "random":
            return _draw_random(index, config)
        case "official":
            return read_official(index, config)
        case "stratified":
            return draw_stratified(index, config)
        case "spatial":
            return draw_spatial(index, config)


def _draw_random(index: pd.DataFrame, config: SplitConfig) -> Assignment:
    """Rank the patches; the first are test, the next val."""
    ranked = rank_by_digest(index["patch_id"], config.seed, "split")
    num_test = round(len(ranked) * config.fractions.test)
    num_val = round(len(ranked) * config.fractions.val)
    train, val, test = SPLITS
    names = [test] * num_test + [val] * num_val
    return Assignment(dict(sorted(zip(ranked, names + [train] * (len(ranked) - len(names)), strict=True))))
