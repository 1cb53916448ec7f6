"""Strategy `official`: the split of the archive's authors, from their lists or from the archive itself."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from landscribe.core.errors import ArchiveError
from landscribe.core.name_lists import read_names, read_pairs
from landscribe.splits.assignment import Assignment, make_assignment
from landscribe.splits.config import SPLITS, SplitConfig


def read_official(index: pd.DataFrame, config: SplitConfig) -> Assignment:
    """Return the split of three lists or, without lists, of the column `official_split`.

    Args:
        index: columns patch_id, and official_split or, where known, v1_patch_id and s1_patch_id.
        config: section `split`.

    Raises:
        ArchiveError: a list is unreadable, two lists name one patch, no name is in the index, or the archive has no
            split of its own.
    """
    index = index.reindex(columns=["patch_id", "v1_patch_id", "s1_patch_id", "official_split"])
    return _read_lists(index, config.official_paths) if config.files else _read_column(index)


def _read_column(index: pd.DataFrame) -> Assignment:
    split = pd.Index(SPLITS).get_indexer(index["official_split"])  # -1 where it is null
    if (split < 0).all():
        raise ArchiveError(
            "split.strategy: official without lists takes the archive's own split, and this archive has none. Name"
            " three lists, train, val, test, in split.files, or choose random, stratified or spatial."
        )
    return make_assignment(index["patch_id"], split, {"no official split": np.count_nonzero(split < 0)}, [])


def _read_lists(index: pd.DataFrame, paths: Sequence[Path]) -> Assignment:
    listed, warnings = _merge_lists(paths)
    found = listed.index.get_indexer(index["patch_id"])  # -1 for a patch that no list names
    if (found >= 0).any():
        twin_warnings = _compare_twins(index, paths)
    else:
        found = listed.index.get_indexer(index["v1_patch_id"])
        # The Sentinel-1 twins of v1 have other names than those of v2.
        twin_warnings = ["the lists have names of BigEarthNet v1; the patches were found by their v1_patch_id"]
    if (found < 0).all():
        raise ArchiveError(
            f"split.files: none of the names in {', '.join(map(str, paths))} is in the archive. Name the lists of this"
            " archive, or choose another split.strategy."
        )
    numbers = listed.to_numpy(np.int8)
    warnings += twin_warnings + _count_absent(np.delete(numbers, found[found >= 0]), numbers, paths)
    split = np.append(numbers, np.int8(-1))[found]
    return make_assignment(index["patch_id"], split, {"in no official list": np.count_nonzero(found < 0)}, warnings)


def _merge_lists(paths: Sequence[Path]) -> tuple[pd.Series, list[str]]:
    """Return name -> number of its split, and warnings about names that occur twice in one list."""
    columns = [pd.Series(number, read_names(path)) for number, path in enumerate(paths)]
    unique = [column[~column.index.duplicated()] for column in columns]
    warnings = [
        f"{path.name}: {len(column) - len(once):,} names occur more than once; each counts once"
        for path, column, once in zip(paths, columns, unique, strict=True)
        if len(column) > len(once)
    ]
    listed = pd.concat(unique)
    if (repeated := listed.index.duplicated()).any():
        name = listed.index[repeated].min()
        files = " and ".join(str(paths[number]) for number in listed.loc[[name]])
        more = f" (and {repeated.sum() - 1:,} more)" if repeated.sum() > 1 else ""
        raise ArchiveError(f"split.files: patch '{name}'{more} is in {files}; a patch has one split: name it in one.")
    return listed, warnings


def _count_absent(absent: np.ndarray, listed: np.ndarray, paths: Sequence[Path]) -> list[str]:
    """Warn about names that are not in the index: excluded patches, a partial archive, a list of another archive."""
    sizes = [(np.count_nonzero(absent == number), np.count_nonzero(listed == number)) for number in range(len(paths))]
    return [
        f"{path.name}: {num_absent:,} of {num_listed:,} names are not in the index"
        for path, (num_absent, num_listed) in zip(paths, sizes, strict=True)
        if num_absent
    ]


def _compare_twins(index: pd.DataFrame, paths: Sequence[Path]) -> list[str]:
    """Warn about lists of pairs whose Sentinel-1 patches are not those of the index."""
    known = index.dropna(subset=["s1_patch_id"])
    if known.empty:
        return []
    warnings = []
    for path in paths:
        twins = known["patch_id"].map(read_pairs(path))
        if num_other := np.count_nonzero(twins.notna() & (twins != known["s1_patch_id"])):
            warnings.append(f"{path.name}: {num_other:,} patches have another Sentinel-1 twin than in the index")
    return warnings
