"""From the archive's metadata to the index: one row per patch, its classes by name."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from landscribe.archive.protocol import PATCH_SCHEMA, Listing
from landscribe.core.errors import ArchiveError
from landscribe.core.files import replacing
from landscribe.core.multi_hot import decode_multi_hot, map_labels
from landscribe.core.name_lists import read_names
from landscribe.core.nomenclature import Nomenclature
from landscribe.core.quarantine import LeftOut, format_reasons

# `labels` are the classes, in class order; `source_labels` are the labels of the archive.
INDEX_SCHEMA = PATCH_SCHEMA.insert(2, pa.field("source_labels", pa.list_(pa.string())))

_FLAGGED = {"snow": "flagged as seasonal snow", "cloud": "flagged as cloud or shadow"}


@dataclass(frozen=True)
class Exclusions:
    """The patches that archive.exclude leaves out.

    Attributes:
        lists: files of patch names; a BigEarthNet v2 patch is also known by its v1 name.
        flags: the archive's own, `snow` and `cloud`.
    """

    lists: Sequence[Path] = ()
    flags: Sequence[str] = ()


@dataclass(frozen=True)
class Index:
    """The index and the patches that are not in it.

    Attributes:
        table: `INDEX_SCHEMA`, sorted by patch_id.
        quarantined: bad patches, the reader's first.
        excluded: valid patches left out by a rule, the reader's first.
        quirks: name of a tolerated quirk -> how often it occurs.
        absent_names: list (with its folder where two share a name) -> how many of its names are not in the archive.
        labels_from: in words, how the labels were read where that had to be found; else empty.
    """

    table: pa.Table
    quarantined: list[LeftOut]
    excluded: list[LeftOut]
    quirks: Counter[str]
    absent_names: dict[str, int]
    labels_from: str

    @property
    def num_checked(self) -> int:
        """Number of good and bad patches together, without those that a rule excluded."""
        return int(self.table.num_rows) + len(self.quarantined)


def find_labels(patches: pa.Table) -> set[str]:
    """Return every distinct source label of a table of `PATCH_SCHEMA`, without nulls and empty strings."""
    return set(pc.unique(pc.list_flatten(patches["labels"])).to_pylist()) - {None, ""}


def build_index(listing: Listing, nomenclature: Nomenclature, exclusions: Exclusions = Exclusions()) -> Index:
    """Return the index, and the patches that a rule left out or whose labels do not fit.

    Exclusions come first: patches that are left out on purpose are not checked. A patch without a class is valid, but
    excluded.

    Raises:
        ArchiveError: a list is unreadable, a flag is not in this archive, or no patch is left.
    """
    patches = listing.patches
    excluded, absent_names = _find_excluded(listing, exclusions)
    unread = _exclude_unread(listing.quarantined, exclusions)
    multi_hot, faults = map_labels(patches["labels"], nomenclature)
    bad = {row: reason for row, reason in faults.items() if row not in excluded}
    unlabelled = pc.equal(pc.list_value_length(patches["labels"]), 0).to_pylist()
    for row in np.flatnonzero(~multi_hot.any(axis=1)).tolist():
        if row not in bad:
            reason = "the archive gives no label" if unlabelled[row] else f"no class of {nomenclature.name}"
            excluded.setdefault(row, reason)
    keep = np.ones(patches.num_rows, bool)
    keep[[*excluded, *bad]] = False
    unreadable = [patch for patch in listing.quarantined if patch.patch_id not in unread]
    index = Index(
        table=_make_table(patches.filter(keep), multi_hot[keep], nomenclature.classes),
        quarantined=[*unreadable, *_leave_out(patches, bad)],
        excluded=[*listing.excluded, *unread.values(), *_leave_out(patches, excluded)],
        quirks=Counter(listing.quirks),
        absent_names=absent_names,
        labels_from=listing.labels_from,
    )
    if not index.table.num_rows:
        left_out = [*index.quarantined, *index.excluded]
        why = format_reasons(left_out) if left_out else "The archive lists none"
        raise ArchiveError(f"no patch is left; expected at least one. {why}.")
    return index


def _find_excluded(listing: Listing, exclusions: Exclusions) -> tuple[dict[int, str], dict[str, int]]:
    """Return row -> the first rule that excludes it, and the number of names per list that are not in the archive."""
    patches = listing.patches
    reasons: dict[int, str] = {}
    absent: dict[str, int] = {}
    left_out = [patch.patch_id for patch in (*listing.quarantined, *listing.excluded)]
    known = pa.chunked_array([*patches["patch_id"].chunks, *patches["v1_patch_id"].chunks, left_out], pa.string())
    for path in exclusions.lists:
        names = pa.array(set(read_names(path)), pa.string())
        named = pc.or_(*(pc.is_in(patches[column], value_set=names) for column in ("patch_id", "v1_patch_id")))
        for row in np.flatnonzero(named).tolist():
            reasons.setdefault(row, _name_list(path))
        twice = [other.name for other in exclusions.lists].count(path.name) > 1
        num_present = pc.sum(pc.is_in(names, value_set=known)).as_py()
        absent["/".join(path.parts[-2:]) if twice else path.name] = len(names) - num_present
    for flag in exclusions.flags:
        if patches.num_rows and patches[flag].null_count == patches.num_rows:
            raise ArchiveError(
                f"archive.exclude: '{flag}' needs an archive that flags its patches (BigEarthNet v2); this one does"
                " not. Name a list of patches in its place."
            )
        for row in np.flatnonzero(patches[flag].fill_null(False)).tolist():
            reasons.setdefault(row, _FLAGGED[flag])
    return reasons, absent


def _exclude_unread(quarantined: Sequence[LeftOut], exclusions: Exclusions) -> dict[str, LeftOut]:
    """Return the bad patches that a list names: left out on purpose, they are not checked either."""
    bad = {patch.patch_id for patch in quarantined}
    lists = {path: bad.intersection(read_names(path)) for path in exclusions.lists} if bad else {}
    return {name: LeftOut(name, _name_list(path)) for path, names in lists.items() for name in sorted(names)}


def _name_list(path: Path) -> str:
    return f"named in {path.name} (archive.exclude)"


def _leave_out(patches: pa.Table, reasons: Mapping[int, str]) -> list[LeftOut]:
    """Return the patches of some rows with their reasons, sorted by row."""
    rows = sorted(reasons)
    names = patches["patch_id"].take(pa.array(rows, pa.int64())).to_pylist()
    return [LeftOut(name, reasons[row]) for name, row in zip(names, rows, strict=True)]


def _make_table(patches: pa.Table, multi_hot: np.ndarray, classes: Sequence[str]) -> pa.Table:
    columns = dict(zip(patches.column_names, patches.columns, strict=True))
    columns |= {"labels": decode_multi_hot(multi_hot, classes), "source_labels": patches["labels"]}
    return pa.table([columns[name] for name in INDEX_SCHEMA.names], schema=INDEX_SCHEMA)


def write_index(index: pa.Table, path: Path) -> None:
    """Write the table of an index as parquet, atomically."""
    with replacing(path) as beside:
        pq.write_table(index, beside)


def read_index(path: Path) -> pd.DataFrame:
    """Return the index as a data frame, one row per patch, with the columns of `INDEX_SCHEMA`."""
    return pq.read_table(path).to_pandas()


def compute_cooccurrence(multi_hot: np.ndarray) -> np.ndarray:
    """Return float64 [class, class]: the share of the row's patches that also have the column's class."""
    hot = multi_hot.astype(np.float32)
    together = (hot.T @ hot).astype(np.float64)  # counts below 2**24 are exact in float32
    shares: np.ndarray = together / np.maximum(np.diag(together)[:, None], 1)
    return shares
