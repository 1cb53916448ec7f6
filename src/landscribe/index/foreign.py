"""Labels and scores made elsewhere, imported by name: the class order is read or named by the user, never guessed.

A file (.parquet, .csv or .npz) has patch_id and one of three forms:

- a column per class, under its exact name: labels (0 or 1), or scores to be evaluated on the truth of an index;
- `score`, `truth` or `multi_hot`, a list per patch. The class names are in a parquet's schema metadata under
  `classes` (JSON) or in the array `classes` of an .npz; without names the user names the order;
- `labels`, names (with `;` between them in a CSV), alone or together with zeros and ones, which must then agree with
  them. Together with scores alone they are ignored: they may be a prediction.

Columns called 0, 1, 2, ... are a matrix without names. docs/class_orders.md lists who writes which order.
"""

import json
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from landscribe.core.errors import ForeignError, NomenclatureError, did_you_mean
from landscribe.core.files import replacing
from landscribe.core.multi_hot import decode_multi_hot, map_labels
from landscribe.core.nomenclature import Nomenclature, check_same_classes, order_classes
from landscribe.core.scores import Scores

Kind = Literal["score", "truth"]

_LISTS: dict[str, Kind] = {"score": "score", "truth": "truth", "multi_hot": "truth"}
_NO_CLASSES = ("patch_id", "labels", "", "__index_level_0__")  # the last two: how pandas writes a nameless index


@dataclass(frozen=True)
class Foreign:
    """The content of a foreign file.

    Attributes:
        patch_ids: one per row.
        classes: those of the nomenclature, in its order.
        truth: bool [patch, class], None for scores alone.
        scores: float32 [patch, class] in [0, 1], None for labels alone.
    """

    patch_ids: tuple[str, ...]
    classes: tuple[str, ...]
    truth: np.ndarray | None
    scores: np.ndarray | None


def read_foreign(path: Path, nomenclature: Nomenclature, order: str | None, class_columns: Kind) -> Foreign:
    """Return the rows of a foreign file, in the class order of the nomenclature.

    Args:
        path: .parquet, .csv or .npz.
        nomenclature: gives the classes; the names in `labels` may be any of its source labels.
        order: one of `nomenclature.CLASS_ORDERS`; needed if the file names no classes, checked if it does.
        class_columns: content of a column per class: scores or truth.

    Raises:
        ForeignError: the file is unreadable or incomplete, or its numbers are not scores or labels.
        NomenclatureError: class names, order and nomenclature do not agree.
    """
    try:
        return _parse(_read_table(path), nomenclature, order, class_columns)
    except (ForeignError, NomenclatureError) as error:
        raise type(error)(f"{path}: {error}") from error


def _parse(table: pa.Table, nomenclature: Nomenclature, order: str | None, class_columns: Kind) -> Foreign:
    patch_ids, classes = _read_patch_ids(table), nomenclature.classes
    if not classes:
        raise NomenclatureError(f"{nomenclature.name} has no classes of its own; name them in a mapping file.")
    named, matrices = _read_matrices(table, classes, class_columns)
    if matrices:
        written = _decide_order(nomenclature, named, order)
        for kind, matrix in matrices.items():
            _check_matrix(patch_ids, written, matrix, kind)
        places = [written.index(name) for name in classes]
        matrices = {kind: matrix[:, places] for kind, matrix in matrices.items()}
    truth = matrices["truth"].astype(bool) if "truth" in matrices else None
    if "labels" in table.column_names and (truth is not None or not matrices):  # else: a prediction?
        labels = _read_labels(table["labels"], patch_ids, nomenclature)
        if truth is not None:
            _check_agree(patch_ids, classes, truth, labels, "the column labels")
        truth = labels
    return Foreign(patch_ids, classes, truth, matrices.get("score"))


def make_scores(foreign: Foreign, nomenclature: Nomenclature, index_path: Path | None) -> Scores:
    """Return foreign scores with their truth: the file's own, that of an index, or both if they agree.

    Raises:
        ForeignError: scores or truth are missing, the index lacks a patch, or the two truths differ.
    """
    truth = foreign.truth
    if index_path is not None:
        indexed = _read_truth(index_path, foreign.patch_ids, nomenclature)
        if truth is not None:
            _check_agree(foreign.patch_ids, foreign.classes, truth, indexed, str(index_path))
        truth = indexed
    if foreign.scores is None:
        raise ForeignError("the file contains only labels; leave --truth out, or give a file of scores.")
    if truth is None:
        raise ForeignError("scores without truth cannot be evaluated; name an index, e.g. --truth data/index.parquet.")
    return Scores(foreign.patch_ids, truth.astype(np.float32), foreign.scores, foreign.classes)


def write_labels(foreign: Foreign, path: Path) -> None:
    """Write patch_id and labels, in class order, as parquet (lists) or CSV (`;` between names), atomically.

    archive.labels_file of the v1 layouts reads such a table in place of the labels in the archive's JSON.

    Raises:
        ForeignError: the file contains scores, or `path` has another suffix.
    """
    if foreign.truth is None or foreign.scores is not None:
        raise ForeignError("the file contains scores; write them as scores, with their truth.")
    if path.suffix not in (".csv", ".parquet"):
        raise ForeignError(f"{path}: expected a file of labels that ends in .csv or .parquet.")
    labels = decode_multi_hot(foreign.truth, foreign.classes)
    with replacing(path) as beside:
        if path.suffix == ".csv":
            joined = pc.binary_join(labels, ";")
            pyarrow.csv.write_csv(pa.table({"patch_id": foreign.patch_ids, "labels": joined}), beside)
        else:
            pq.write_table(pa.table({"patch_id": foreign.patch_ids, "labels": labels}), beside)


def _read_table(path: Path) -> pa.Table:
    """Return the columns of a file; class names of lists are in the schema metadata under `classes`."""
    readers = {".parquet": pq.read_table, ".csv": _read_csv, ".npz": _read_npz}
    if path.suffix not in readers:
        raise ForeignError(f"expected a file whose name ends in {', '.join(readers)}.")
    if not path.is_file():
        raise ForeignError("there is no such file.")
    try:
        table = readers[path.suffix](path)
        table.validate(full=True)  # bytes that are not text
    except _UNREADABLE as error:
        raise ForeignError(f"expected a readable {path.suffix}; {' '.join(str(error).split())}") from error
    repeated = [name for name, count in Counter(table.column_names).items() if count > 1]
    if repeated:
        raise ForeignError(f"the column '{repeated[0]}' is there twice; keep one.")
    return table


# The errors of the three readers for damaged files.
_UNREADABLE = (OSError, ValueError, TypeError, EOFError, TokenError, zipfile.BadZipFile, pa.ArrowException)


def _read_csv(path: Path) -> pa.Table:
    as_text = {"patch_id": pa.string(), "labels": pa.string()}  # "0012" is not 12
    return pyarrow.csv.read_csv(path, convert_options=pyarrow.csv.ConvertOptions(column_types=as_text))


def _read_npz(path: Path) -> pa.Table:
    if not zipfile.is_zipfile(path):
        raise ValueError("received something that numpy.savez did not write")
    with np.load(path) as arrays:  # without pickle: data, never code
        content = {name: arrays[name] for name in arrays.files}
    classes = content.pop("classes", None)
    table = pa.table({name: pa.array(list(values)) for name, values in content.items()})
    return table if classes is None else table.replace_schema_metadata({"classes": json.dumps(classes.tolist())})


def _read_patch_ids(table: pa.Table) -> tuple[str, ...]:
    if "patch_id" not in table.column_names:
        raise ForeignError(f"expected a column patch_id; received {', '.join(table.column_names)}.")
    names: list[str | None] = _cast(table["patch_id"], pa.string(), "patch_id").to_pylist()
    if not all(names):
        raise ForeignError("expected a patch_id on every row; received an empty one.")
    if not names:
        raise ForeignError("expected one row per patch; received none.")
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise ForeignError(f"patch {name} is on {count} rows; keep one.")
    return tuple(map(str, names))


def _read_matrices(
    table: pa.Table, classes: Sequence[str], class_columns: Kind
) -> tuple[list[str] | None, dict[Kind, np.ndarray]]:
    """Return the class names in the file, and float32 [patch, class] of each kind in the file's order."""
    columns = [name for name in table.column_names if name not in _NO_CLASSES]
    lists = [name for name in _LISTS if name in columns]
    if lists:
        if len({_LISTS[name] for name in lists}) < len(lists):
            raise ForeignError("truth and multi_hot mean the same; keep one of the two columns.")
        return _read_named_classes(table), {_LISTS[name]: _read_lists(table[name], name) for name in lists}
    if columns and columns == [str(number) for number in range(len(columns))]:
        return None, {class_columns: _read_columns(table, columns)}
    named = [name for name in columns if name in classes]
    if not named and "labels" in table.column_names:
        return None, {}
    missing = [name for name in classes if name not in named]
    if missing:
        hint = did_you_mean(missing[0], columns)
        raise ForeignError(
            f"expected a column for each of the {len(classes)} classes, or score, truth, multi_hot or labels; there is"
            f" none for {', '.join(map(repr, missing))}.{hint}"
        )
    return named, {class_columns: _read_columns(table, named)}


def _read_named_classes(table: pa.Table) -> list[str] | None:
    text = (table.schema.metadata or {}).get(b"classes")
    if text is None:
        return None
    try:
        names = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ForeignError(f"expected the metadata `classes` to be a JSON list of names; {error}.") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ForeignError(f"expected the metadata `classes` to be a JSON list of names; received {names!r}.")
    return names


def _read_lists(column: pa.ChunkedArray, name: str) -> np.ndarray:
    lists = _cast(column.combine_chunks(), pa.list_(pa.float32()), name)
    widths = pc.unique(pc.list_value_length(lists)).to_pylist()
    if len(widths) != 1 or widths == [None]:
        raise ForeignError(f"column {name}: expected lists of one length; received lengths {sorted(map(str, widths))}.")
    values = lists.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(values).reshape(len(lists), widths[0])


def _read_columns(table: pa.Table, names: Sequence[str]) -> np.ndarray:
    return np.stack([_cast(table[name], pa.float32(), name).to_numpy() for name in names], axis=1)


def _cast(column: Any, kind: pa.DataType, name: str) -> Any:
    try:
        cast = pc.cast(column, kind, safe=False)
        cast.validate(full=True)
        return cast
    except pa.ArrowException as error:
        raise ForeignError(f"column {name}: expected {kind}; {' '.join(str(error).split())}.") from error


def _decide_order(nomenclature: Nomenclature, named: Sequence[str] | None, order: str | None) -> tuple[str, ...]:
    """Return the classes in the order of the file: as named by the file, by the user, or by both."""
    wanted = order_classes(nomenclature, order) if order else None
    if named is None:
        if wanted is None:
            raise ForeignError(
                "the numbers have no class names. Name the classes, or the order that they follow: --order clc (the"
                " archive's authors, torchgeo) or --order alphabetical (TensorFlow Datasets, ConfigILM, the published"
                " reBEN weights)."
            )
        return wanted
    check_same_classes(
        sorted(nomenclature.classes), sorted(named), f"the nomenclature {nomenclature.name}", "Name the file's own."
    )
    if wanted is not None:
        check_same_classes(wanted, named, f"--order {order}", "The file names its classes: leave --order out.")
    return tuple(named)


def _check_matrix(patch_ids: Sequence[str], classes: Sequence[str], matrix: np.ndarray, kind: Kind) -> None:
    """Raise `ForeignError` unless the matrix has one number per class, in [0, 1] for scores, 0 or 1 for truth."""
    if matrix.shape[1] != len(classes):
        raise ForeignError(f"expected a number for each of the {len(classes)} classes; received {matrix.shape[1]}.")
    sound = (matrix >= 0) & (matrix <= 1) if kind == "score" else (matrix == 0) | (matrix == 1)
    for row, column in np.argwhere(~sound)[:1]:  # NaN is not valid either
        expected, advice = {
            "score": ("a score in [0, 1]", "Turn logits into scores first (sigmoid)."),
            "truth": ("0 or 1", "For scores, name their truth: --truth data/index.parquet."),
        }[kind]
        raise ForeignError(
            f"patch {patch_ids[row]}, '{classes[column]}': expected {expected}; received {matrix[row, column]:g}."
            f" {advice}"
        )


def _read_labels(column: pa.ChunkedArray, patch_ids: Sequence[str], nomenclature: Nomenclature) -> np.ndarray:
    """Return bool [patch, class] from lists of names, or from text with `;` between the names."""
    kind = pa.list_(pa.string())
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        texts = column.to_pylist()  # an empty text is not a name, but split would return one
        column = pa.array([[] if text == "" else text and text.split(";") for text in texts], kind)
    return _map_named(_cast(column, kind, "labels"), patch_ids, nomenclature)


def _map_named(column: Any, patch_ids: Sequence[str], nomenclature: Nomenclature) -> np.ndarray:
    multi_hot, faults = map_labels(column, nomenclature)
    if faults:
        row, reason = next(iter(faults.items()))
        raise NomenclatureError(f"patch {patch_ids[row]}: {reason}.")
    return multi_hot


def _read_truth(index_path: Path, patch_ids: Sequence[str], nomenclature: Nomenclature) -> np.ndarray:
    """Return bool [patch, class] of some patches of an index."""
    try:
        table = pq.read_table(index_path, columns=["patch_id", "labels"])
    except (OSError, pa.ArrowException) as error:
        raise ForeignError(f"{index_path}: expected an index with patch_id and labels; {error}") from error
    places = pc.index_in(pa.array(patch_ids), value_set=table["patch_id"])
    if places.null_count:
        absent = patch_ids[places.is_null().index(True).as_py()]
        raise ForeignError(
            f"{index_path} has no truth for {places.null_count} of the {len(patch_ids)} patches, e.g. {absent}; take"
            " them out of the file, or name an index that contains them."
        )
    return _map_named(table["labels"].take(places), patch_ids, nomenclature)


def _check_agree(
    patch_ids: Sequence[str], classes: Sequence[str], truth: np.ndarray, other: np.ndarray, what: str
) -> None:
    """Raise `ForeignError` unless zeros and ones equal `other`, both bool [patch, class]."""
    rows = np.flatnonzero((truth != other).any(axis=1))
    if not rows.size:
        return
    here, there = (np.array(classes)[values[rows[0]]].tolist() for values in (truth, other))
    raise ForeignError(
        f"the zeros and ones of {len(rows)} of {len(truth)} patches differ from {what}, e.g. {patch_ids[rows[0]]}:"
        f" expected {there}; received {here}. Check the class order (--order)."
    )
