"""The model as it is served: raw digital numbers by band name -> scores and labels by class name.

MLflow stores this very file and runs it where the model is loaded ("models from code"), so it imports nothing of this
package: a process with TensorFlow and MLflow alone can use the champion.
"""

import json
import os
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from PIL import Image

_BATCH_SIZE_PATCHES = 64
_BILINEAR = Image.Resampling.BILINEAR
_LEAST_WEIGHT = 1e-6  # of the valid pixels in a resampled one; less is rounding


class _Labeller:
    """Takes {band: [n, row, column]} in native dtype, returns one float column a class and `labels`."""

    def load_context(self, context: Any) -> None:
        """Load the network and what goes with it: bands, classes and thresholds, in order."""
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import keras

        facts = json.loads(Path(context.artifacts["facts"]).read_text(encoding="utf-8"))
        self._bands: dict[str, dict[str, Any]] = facts["bands"]
        self._thresholds: dict[str, float] = facts["thresholds"]
        self._resamples: bool = facts["resamples"]
        self._optional: dict[str, dict[str, float]] = facts["optional"]
        self._network = keras.saving.load_model(context.artifacts["network"], compile=False)

    # No annotations: MLflow would take them for the schema, in place of the signature.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Return a table: the score of each class in [0, 1], and `labels`, the classes at or above their threshold.

        Raises:
            ValueError: a band is missing, or has another size or dtype than the network takes.
        """
        given = self._fill(model_input)
        bands = {name: self._check(name, given) for name in self._bands}
        counts = {name: len(values) for name, values in bands.items()}
        if len(set(counts.values())) > 1:
            raise ValueError(f"expected the same number of patches in every band; received {counts}")
        num_patches = next(iter(counts.values()))
        batches = range(0, num_patches, _BATCH_SIZE_PATCHES)
        logits = [
            self._network.predict_on_batch(
                {name: values[start : start + _BATCH_SIZE_PATCHES] for name, values in bands.items()}
            )
            for start in batches
        ]
        scores = 1 / (1 + np.exp(-np.concatenate([*logits, np.empty((0, len(self._thresholds)))], dtype=np.float64)))
        classes = list(self._thresholds)
        table = pd.DataFrame(scores, columns=classes)
        chosen = scores >= np.array(list(self._thresholds.values()))
        table["labels"] = [[classes[number] for number in np.flatnonzero(row)] for row in chosen]
        return table

    def _fill(self, model_input: Any) -> Any:
        """Return the input with the bands of a sensor that is missing as a whole, where the network can do without."""
        missing = [fills for fills in self._optional.values() if not any(name in model_input for name in fills)]
        given = [name for name in self._bands if name in model_input]
        if not missing or not given:
            return model_input
        num_patches = len(model_input[given[0]])
        filled = {name: model_input[name] for name in given}
        for name, value in missing[0].items():
            size_px, dtype = self._bands[name]["size_px"], self._bands[name]["dtype"]
            filled[name] = np.broadcast_to(np.array(value, dtype), (num_patches, size_px, size_px))
        return filled

    def _check(self, name: str, model_input: Any) -> np.ndarray:
        if name not in model_input:
            raise ValueError(f"expected the bands {', '.join(self._bands)}; band {name} is missing")
        values = np.asarray(model_input[name])
        size_px, dtype = self._bands[name]["size_px"], self._bands[name]["dtype"]
        if values.ndim != 3 or values.dtype != dtype:
            raise ValueError(f"band {name}: expected {dtype} [n, row, column]; received {values.dtype} {values.shape}")
        if values.shape[1:] != (size_px, size_px) and not self._resamples:
            raise ValueError(f"band {name}: expected {size_px} x {size_px} pixels; received {values.shape[1:]}")
        fill = self._bands[name].get("fill")  # of images alone
        if fill is not None and values.dtype.kind == "f":
            return _fill_gaps(values, size_px, fill)
        if values.shape[1:] == (size_px, size_px):
            return values
        return np.array([_resample(patch, size_px) for patch in values]).reshape(-1, size_px, size_px)


def _resample(values: np.ndarray, size_px: int) -> np.ndarray:
    """The rule of `archive.image.resample`, written again because this file travels alone; a test holds them equal."""
    if values.shape == (size_px, size_px):
        return values
    resized = np.asarray(Image.fromarray(values.astype(np.float32)).resize((size_px, size_px), _BILINEAR))
    if values.dtype.kind == "f":
        return resized
    limits = np.iinfo(values.dtype)
    rounded: np.ndarray = np.clip(np.rint(resized), limits.min, limits.max).astype(values.dtype)
    return rounded


def _fill_gaps(values: np.ndarray, size_px: int, fill: float) -> np.ndarray:
    """Return float32 [n, size_px, size_px]; NaN and infinity are nodata, which has no weight and becomes `fill`."""
    filled = np.empty((len(values), size_px, size_px), values.dtype)
    for number, patch in enumerate(values):
        valid = np.isfinite(patch)
        means = _resample(np.where(valid, patch, np.float32(0)), size_px)
        weights = _resample(valid.astype(np.float32), size_px)
        known = weights >= _LEAST_WEIGHT
        filled[number] = np.where(known, means / np.where(known, weights, 1), fill)
    return filled


class ServedModel(_Labeller, mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """The labeller as MLflow runs it.

    Inherited, not declared here: MLflow would warn, at each load, that `predict` has no type hints for it to make a
    schema of. The signature says more than they could.
    """


mlflow.models.set_model(ServedModel())
