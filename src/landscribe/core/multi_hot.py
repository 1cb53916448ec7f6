"""Labels as names and as 0 and 1: lists of class names to [patch, class], and back."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from landscribe.core.errors import NomenclatureError
from landscribe.core.nomenclature import Nomenclature


def map_labels(labels: Any, nomenclature: Nomenclature) -> tuple[np.ndarray, dict[int, str]]:
    """Return the classes of each patch, bool [patch, class], and row -> why its labels are invalid.

    Invalid labels, and labels dropped on purpose, set no class. Each distinct label is looked up once.

    Args:
        labels: one list of source labels per patch: an arrow or pandas column, or a sequence of sequences.
        nomenclature: gives each label its class.
    """
    lists = _to_lists(labels)
    words = lists.flatten().dictionary_encode()
    ids, reasons = _look_up([*words.dictionary.to_pylist(), None], nomenclature)
    numbers = words.indices.fill_null(len(ids) - 1).to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(len(lists)), pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False))
    multi_hot = np.zeros((len(lists), len(nomenclature.classes)), bool)
    found = ids[numbers] >= 0
    multi_hot[rows[found], ids[numbers[found]]] = True
    faults = dict.fromkeys(np.flatnonzero(lists.is_null()).tolist(), "expected a list of labels; received null")
    wrong = np.flatnonzero(np.isin(numbers, list(reasons)))
    for place in wrong[np.unique(rows[wrong], return_index=True)[1]]:  # the first of each patch
        faults[int(rows[place])] = reasons[int(numbers[place])]
    return multi_hot, faults


def _to_lists(labels: Any) -> Any:
    """Return an arrow array of lists of strings."""
    if isinstance(labels, pa.ChunkedArray):
        return labels.combine_chunks()
    return labels if isinstance(labels, pa.Array) else pa.array(labels, pa.list_(pa.string()))


def _look_up(labels: Sequence[str | None], nomenclature: Nomenclature) -> tuple[np.ndarray, dict[int, str]]:
    """Return the class_id of each label, -1 without one, and position -> why the label is invalid."""
    position = {name: number for number, name in enumerate(nomenclature.classes)}
    ids, reasons = np.full(len(labels), -1), {}
    for place, label in enumerate(labels):
        if not label:
            reasons[place] = f"a label is {'null' if label is None else 'an empty string'}"
            continue
        try:
            ids[place] = position.get(nomenclature.to_class(label) or "", -1)
        except NomenclatureError as error:
            reasons[place] = str(error)
    return ids, reasons


def encode_multi_hot(labels: Any, classes: Sequence[str]) -> np.ndarray:
    """Return float32 [patch, class] of 0 and 1.

    Args:
        labels: one list of class names per patch: an arrow or pandas column, or a sequence of sequences.
        classes: class order.

    Raises:
        NomenclatureError: a label is not one of the classes.
    """
    itself = Nomenclature("the classes given", tuple(classes), {name: name for name in classes})
    multi_hot, faults = map_labels(labels, itself)
    if faults:
        raise NomenclatureError(next(iter(faults.values())))
    return multi_hot.astype(np.float32)


def decode_multi_hot(multi_hot: np.ndarray, classes: Sequence[str]) -> pa.Array:
    """Return the class names of each patch in class order, list<string> [patch], from [patch, class] of 0 and 1."""
    rows, ids = np.nonzero(multi_hot)
    offsets = np.searchsorted(rows, np.arange(len(multi_hot) + 1))
    names = pa.array(classes, pa.string()).take(pa.array(ids))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), names)
