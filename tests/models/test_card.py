"""The card of a model file, and how many numbers the file holds, read without TensorFlow."""

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest

from landscribe.core.errors import RecordsError
from landscribe.models.card import CARD_NAME, count_weights, read_card


def write_model_file(path: Path, classes: Sequence[str] = ("a", "b")) -> None:
    """Write a file such as Keras does: 10 weights in two layers, a seed, and a card."""
    content = io.BytesIO()
    with h5py.File(content, "w") as weights:
        weights["layers/dense/vars/0"] = np.zeros((4, 2), np.float32)
        weights["layers/dense/vars/1"] = np.zeros(2, np.float32)
        weights["layers/dropout/seed_generator/vars/0"] = np.zeros(2, np.uint32)
    card = {
        "bands": {"B02": {"size_px": 4, "dtype": "uint16"}},
        "classes": list(classes),
        "nomenclature": "BEN",
        "backbone": "SmallResNet",
        "resamples": False,
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", content.getvalue())
        archive.writestr(CARD_NAME, json.dumps(card))


def test_weights_are_counted_and_seeds_are_not(tmp_path: Path) -> None:
    write_model_file(tmp_path / "model.keras")
    assert count_weights(tmp_path / "model.keras") == 10
    assert read_card(tmp_path / "model.keras").classes == ("a", "b")


@pytest.mark.parametrize("content", [None, b"", b"PK\x05\x06" + bytes(18)])
def test_a_file_without_them_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.keras"
    if content is not None:
        path.write_bytes(content)
    for read in (count_weights, read_card):
        with pytest.raises(RecordsError, match="expected a model written by the stage train"):
            read(path)
