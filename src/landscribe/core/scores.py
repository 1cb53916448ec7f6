"""Scores of one split: patch_id, truth and score of every class, the class names in the schema metadata."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from landscribe.core.files import replacing


@dataclass(frozen=True)
class Scores:
    """Truth and scores of one split.

    Attributes:
        patch_ids: one per row.
        truth: float32 [patch, class] of 0 and 1.
        scores: float32 [patch, class] in [0, 1].
        classes: names in the order of the class axis.
    """

    patch_ids: tuple[str, ...]
    truth: np.ndarray
    scores: np.ndarray
    classes: tuple[str, ...]


def write_scores(scores: Scores, path: Path) -> None:
    """Write the columns patch_id, truth, score (lists in class order) as parquet, atomically."""
    columns = {
        "patch_id": pa.array(scores.patch_ids, pa.string()),
        "truth": pa.array(list(scores.truth.astype(np.uint8)), pa.list_(pa.uint8())),
        "score": pa.array(list(scores.scores.astype(np.float32)), pa.list_(pa.float32())),
    }
    table = pa.table(columns).replace_schema_metadata({"classes": json.dumps(scores.classes, ensure_ascii=False)})
    with replacing(path) as beside:
        pq.write_table(table, beside)


def read_scores(path: Path) -> Scores:
    """Return the scores as written by `write_scores`."""
    table = pq.read_table(path)
    classes = tuple(json.loads(table.schema.metadata[b"classes"]))
    shape = (table.num_rows, len(classes))
    return Scores(
        patch_ids=tuple(table["patch_id"].to_pylist()),
        truth=np.asarray(table["truth"].combine_chunks().flatten(), np.float32).reshape(shape),
        scores=np.asarray(table["score"].combine_chunks().flatten(), np.float32).reshape(shape),
        classes=classes,
    )
