"""The result of a strategy: the split of each patch, and why some have none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import SupportsInt

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from landscribe.core.files import replacing
from landscribe.splits.config import SPLITS


@dataclass(frozen=True)
class Assignment:
    """The outcome of a strategy.

    Attributes:
        splits: patch_id -> split, sorted by patch_id.
        left_out: reason -> number of patches of the index that are in no split for this reason.
        warnings: what a reader of the scores must know, one sentence each.
    """

    splits: dict[str, str]
    left_out: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def make_assignment(
    patch_ids: pd.Series, split: np.ndarray, left_out: Mapping[str, SupportsInt], warnings: list[str]
) -> Assignment:
    """Return the assignment of patches to splits by number.

    Args:
        patch_ids: names, one per patch.
        split: int [patch], number in `SPLITS`; -1 for a patch that is left out.
        left_out: reason -> number of patches; reasons without a patch are dropped.
        warnings: one sentence each.
    """
    chosen = split >= 0
    names = np.array(SPLITS, object)[split[chosen]]
    return Assignment(
        splits=dict(sorted(zip(patch_ids.to_numpy()[chosen], names, strict=True))),
        left_out={reason: int(number) for reason, number in left_out.items() if number},
        warnings=warnings,
    )


def write_splits(splits: Mapping[str, str], path: Path) -> None:
    """Write the columns patch_id and split as parquet, atomically."""
    with replacing(path) as beside:
        pq.write_table(pa.table({"patch_id": list(splits), "split": list(splits.values())}), beside)


def read_splits(path: Path) -> pd.DataFrame:
    """Return the columns patch_id and split."""
    return pq.read_table(path).to_pandas()
