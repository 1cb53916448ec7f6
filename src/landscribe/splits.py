"""Who trains, who validates, who tests: a function of (patch names, params), not of the file system.

`random` ranks the patches by a salted digest of their name: the same patch gets the same rank on every machine and
with every library version. `official` reads the archive authors' lists.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, model_validator

from landscribe.errors import ArchiveError
from landscribe.files import compute_digest, replacing
from landscribe.name_lists import read_names
from landscribe.params import Section, find_repository

SPLITS = ("train", "val", "test")


class Fractions(Section):
    """Shares of the patches; train takes the rest."""

    val: float = Field(ge=0, lt=1)
    test: float = Field(ge=0, lt=1)


class SplitConfig(Section):
    """Section `split`."""

    strategy: Literal["random", "official"]
    fractions: Fractions
    files: list[str]
    seed: int

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.strategy == "official" and len(self.files) != len(SPLITS):
            raise ValueError(f"files: strategy official takes three lists, train, val, test; received {self.files}")
        if self.fractions.val + self.fractions.test >= 1:
            raise ValueError("fractions: val + test must leave something to train")
        return self

    @property
    def file_paths(self) -> list[Path]:
        """The lists that this strategy reads, absolute."""
        return [find_repository() / name for name in self.files] if self.strategy == "official" else []


def rank_by_digest(patch_ids: Iterable[str], seed: int, salt: str) -> list[str]:
    """Return the names in a seeded order that depends on the names alone."""
    return sorted(patch_ids, key=lambda patch_id: (compute_digest(salt, str(seed), patch_id), patch_id))


def make_splits(patch_ids: Sequence[str], config: SplitConfig) -> dict[str, str]:
    """Return patch_id -> split, sorted by patch_id; patches of no list (official) are left out.

    Raises:
        ArchiveError: a list is unreadable, names a patch twice or names none of the archive's.
    """
    chosen = _draw(patch_ids, config) if config.strategy == "random" else _read_lists(patch_ids, config.file_paths)
    return dict(sorted(chosen.items()))


def _draw(patch_ids: Sequence[str], config: SplitConfig) -> dict[str, str]:
    ranked = rank_by_digest(patch_ids, config.seed, "split")
    num_test = round(len(ranked) * config.fractions.test)
    num_val = round(len(ranked) * config.fractions.val)
    names = ["test"] * num_test + ["val"] * num_val
    return dict(zip(ranked, names + ["train"] * (len(ranked) - len(names)), strict=True))


def _read_lists(patch_ids: Sequence[str], paths: Sequence[Path]) -> dict[str, str]:
    known = frozenset(patch_ids)
    chosen: dict[str, str] = {}
    for split, path in zip(SPLITS, paths, strict=True):
        for name in read_names(path):
            if name in chosen:
                raise ArchiveError(f"{path}: patch '{name}' is already in {chosen[name]}; a patch has one split.")
            if name in known:
                chosen[name] = split
    if not chosen:
        raise ArchiveError(f"split.files: none of the names in {', '.join(map(str, paths))} is in the archive.")
    return chosen


def count_absent(patch_ids: Sequence[str], config: SplitConfig) -> dict[str, int]:
    """Return split -> how many names of its official list the archive does not hold; empty for other strategies."""
    known = frozenset(patch_ids)
    paths = dict(zip(SPLITS, config.file_paths, strict=False))
    return {split: sum(name not in known for name in read_names(path)) for split, path in paths.items()}


def write_splits(splits: dict[str, str], path: Path) -> None:
    """Write the columns patch_id and split as parquet, atomically."""
    with replacing(path) as beside:
        pq.write_table(pa.table({"patch_id": list(splits), "split": list(splits.values())}), beside)


def read_splits(path: Path) -> pd.DataFrame:
    """Return the columns patch_id and split."""
    return pq.read_table(path).to_pandas()
