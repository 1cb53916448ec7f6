"""Sections and indexes for the tests of splits."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from landscribe.archive.protocol import make_patches
from landscribe.splits.config import SplitConfig

SPATIAL: dict[str, Any] = {"unit": "block", "block_cells": 5, "buffer_cells": 1, "val": [], "test": []}
GRANULES = ["S2A_MSIL2A_20170613T101031", "S2B_MSIL2A_20170924T93020"]


def make_config(strategy: str = "random", spatial: Mapping[str, Any] | None = None, **values: Any) -> SplitConfig:
    """Return a section `split` with some values; `spatial` changes some of `SPATIAL`."""
    base: dict[str, Any] = {"fractions": {"val": 0.1, "test": 0.2}, "files": [], "seed": 20170613, "seen_lists": []}
    return SplitConfig.model_validate(base | values | {"strategy": strategy, "spatial": SPATIAL | dict(spatial or {})})


def make_index(**columns: Any) -> pd.DataFrame:
    """Return an index with the columns given; all others are null."""
    return make_patches(columns).to_pandas()


def make_grid(side: int, **columns: Any) -> pd.DataFrame:
    """Return two granules of `side` x `side` patches, known by their cells."""
    granule, column, row = np.indices((len(GRANULES), side, side)).reshape(3, -1)
    names = [f"{GRANULES[g]}_{c}_{r}" for g, c, r in zip(granule, column, row, strict=True)]
    cells = {"granule": [GRANULES[g] for g in granule], "column": column, "row": row}
    return make_index(patch_id=names, **(cells | columns))


def shuffle(index: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in another order."""
    return index.sample(frac=1, random_state=1, ignore_index=True)
