"""The card inside `model.keras`: the bands of its inputs and the classes of its outputs, by name and in order."""

import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py

from landscribe.core.errors import RecordsError

CARD_NAME = "landscribe.json"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Inputs and outputs of a model.

    Attributes:
        bands: name -> {"size_px", "dtype"}, in the order of the inputs; of a model of images also "fill", what stands
            for nodata, and "wavelength_nm" where the name does not say it.
        classes: names in the order of the logits.
        nomenclature: name of the class order.
        backbone: name of the feature extractor.
        resamples: images of another size may be resampled to `size_px` before they reach the model.
        optional: sensor -> band -> fill: the bands of one of these sensors may be missing together, and then hold the
            fill everywhere. Empty: every band is needed.
        max_nodata_fraction: share of nodata above which a patch is left out; None: every pixel counts.
    """

    bands: dict[str, dict[str, Any]]
    classes: tuple[str, ...]
    nomenclature: str
    backbone: str
    resamples: bool
    optional: dict[str, dict[str, float]] = field(default_factory=dict)
    max_nodata_fraction: float | None = None


def read_card(path: Path) -> ModelCard:
    """Return the card of a model file.

    Raises:
        RecordsError: the file is absent or has no card.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = json.loads(archive.read(CARD_NAME))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise RecordsError(f"{path}: expected a model written by the stage train; {error}") from error
    return ModelCard(**content | {"classes": tuple(content["classes"])})


def count_weights(path: Path) -> int:
    """Return the number of weights in a model file, the statistics of its normalisation included, without TensorFlow.

    Raises:
        RecordsError: the file is absent or has no weights.
    """
    sizes: list[int] = []

    def count(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":  # seeds of dropout are whole numbers
            sizes.append(item.size)

    try:
        with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
            weights.visititems(count)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise RecordsError(f"{path}: expected a model written by the stage train; {error}") from error
    return sum(sizes)
