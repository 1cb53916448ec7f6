"""From what the archive says to the index: one row a patch, its classes by name."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from landscribe.archive.protocol import Listing
from landscribe.errors import ArchiveError
from landscribe.files import replacing
from landscribe.nomenclature import Nomenclature
from landscribe.params import Section
from landscribe.quarantine import LeftOut, summarise_reasons

INDEX_SCHEMA = pa.schema(
    {
        "patch_id": pa.string(),
        "labels": pa.list_(pa.string()),
        "source_labels": pa.list_(pa.string()),
        "path": pa.string(),
        "s1_patch_id": pa.string(),
        "s1_path": pa.string(),
        "granule": pa.string(),
        "tile": pa.string(),
        "column": pa.int32(),
        "row": pa.int32(),
        "acquired_at": pa.string(),
        "ulx_m": pa.float64(),
        "uly_m": pa.float64(),
        "dtype": pa.string(),
        "rows_px": pa.int32(),
        "columns_px": pa.int32(),
    }
)


class DiscoverConfig(Section):
    """Section `discover`."""

    max_bad_fraction: float = Field(ge=0, le=1)


def build_index(
    listing: Listing, nomenclature: Nomenclature, excluded_names: Iterable[str]
) -> tuple[pa.Table, list[LeftOut]]:
    """Return the index, sorted by patch_id, and the sound patches that a rule left out.

    Args:
        listing: what the reader found.
        nomenclature: gives each patch its classes, in class order.
        excluded_names: patch names of the user's lists.

    Raises:
        NomenclatureError: a label is unknown.
        ArchiveError: no patch is left.
    """
    excluded, rows = list(listing.excluded), []
    names = frozenset(excluded_names)
    for entry in listing.entries:
        if entry.patch_id in names:
            excluded.append(LeftOut(entry.patch_id, "named in a list of archive.exclude"))
            continue
        classes = nomenclature.to_classes(entry.labels)
        if not classes:
            excluded.append(LeftOut(entry.patch_id, f"no class of {nomenclature.name}"))
        else:
            rows.append(asdict(entry) | {"labels": classes, "source_labels": list(entry.labels)})
    if not rows:
        reasons = summarise_reasons([*listing.quarantined, *excluded])
        first = next(iter(reasons), "the archive lists none")
        raise ArchiveError(f"no patch is left; expected at least one. The most frequent reason: {first}.")
    rows.sort(key=lambda row: str(row["patch_id"]))
    return pa.Table.from_pylist(rows, schema=INDEX_SCHEMA), excluded


def write_index(index: pa.Table, path: Path) -> None:
    """Write the index as parquet, atomically."""
    with replacing(path) as beside:
        pq.write_table(index, beside)


def read_index(path: Path) -> pd.DataFrame:
    """Return the index as a data frame, one row a patch, with the columns of `INDEX_SCHEMA`."""
    return pq.read_table(path).to_pandas()


def encode_multi_hot(labels: Sequence[Sequence[str]], classes: Sequence[str]) -> np.ndarray:
    """Return float32 [patch, class] of 0 and 1."""
    position = {name: number for number, name in enumerate(classes)}
    multi_hot = np.zeros((len(labels), len(classes)), np.float32)
    for row, names in enumerate(labels):
        multi_hot[row, [position[name] for name in names]] = 1
    return multi_hot


def count_classes(labels: Iterable[Sequence[str]], classes: Sequence[str]) -> dict[str, int]:
    """Return class -> number of patches, in class order, classes without a patch included."""
    counts = Counter(name for names in labels for name in names)
    return {name: counts[name] for name in classes}


def compute_cooccurrence(multi_hot: np.ndarray) -> np.ndarray:
    """Return float64 [class, class]: the share of the row's patches that also carry the column's class."""
    together = multi_hot.T.astype(np.float64) @ multi_hot
    shares: np.ndarray = together / np.maximum(np.diag(together)[:, None], 1)
    return shares
