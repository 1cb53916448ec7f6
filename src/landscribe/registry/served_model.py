"""The model as it is served: raw digital numbers by band name -> scores and labels by class name.

MLflow stores this file and runs it where the model is loaded ("models from code"), so it imports nothing from this
package: a process with only TensorFlow and MLflow can use the champion.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from PIL import Image

_BATCH_SIZE_PATCHES = 32
_MOST_CONSTANTS = 5_000_000  # TensorFlow holds a dozen copies of them: for ResNet50 more than 1 GB
_BILINEAR = Image.Resampling.BILINEAR
_LEAST_WEIGHT = 1e-6  # of the valid pixels in a resampled one; less is rounding
# A band is out of range where its median lies beyond the 1st or 99th percentile of train by more than this part of
# their distance from the 50th: the darkest lakes of an archive are within the range of that archive.
_MARGIN = 0.3
_SATURATED_SHARE = 0.01
_S2_BAND = re.compile("B(0[1-9]|1[0-2]|8A)")
# Products of ESA's processing baseline 04.00 (since 25 January 2022) have this added to every digital number. Nearly
# none of their pixels is below the second value: noise around a reflectance of 0.
_SHIFT_DN, _DARKEST_SHIFTED_DN = 1000, 900
_TYPICAL_SHARE = 0.8  # of the bands that a patch has within the percentiles of train once the shift is subtracted
_HIGHEST_8_BIT, _HIGHEST_REFLECTANCE = 255, 2
_REFLECTANCE = "reflectance? Send digital numbers: 10,000 times the reflectance"

# Band -> pixels of each patch, [patch, pixel], in ascending order: minimum, median and shares are then found at once.
_Patches = Mapping[str, np.ndarray]


class RequestError(MlflowException, ValueError):  # type: ignore[misc]
    """The input cannot be labelled; over HTTP status 400, the sentence alone as `message`.

    MLflow's server puts a dump of the whole request in front of the message of an `MlflowException`, and answers any
    other error with a traceback. Setting this message changes nothing.
    """

    def __init__(self, sentence: str) -> None:
        MlflowException.__init__(self, sentence, error_code=INVALID_PARAMETER_VALUE)

    @property
    def message(self) -> str:
        """What was expected, what was received, what to do."""
        return str(self)

    @message.setter
    def message(self, text: str) -> None:
        pass


class _Labeller:
    """Takes {band: [n, row, column]} in native dtype, returns a float column per class, `labels` and `warning`."""

    def load_context(self, context: Any) -> None:
        """Load the network, and its bands, classes and thresholds in order."""
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import keras
        import tensorflow as tf

        facts = json.loads(Path(context.artifacts["facts"]).read_text(encoding="utf-8"))
        self._bands: dict[str, dict[str, Any]] = facts["bands"]
        self._thresholds: dict[str, float] = facts["thresholds"]
        self._resamples: bool = facts["resamples"]
        self._optional: dict[str, dict[str, float]] = facts["optional"]
        self._max_nodata_fraction: float | None = facts["max_nodata_fraction"]
        self._range = _TrainRange(facts["percentiles"])
        network = keras.saving.load_model(context.artifacts["network"], compile=False)
        groups = network.trainable_variables, network.non_trainable_variables
        weights = [[variable.numpy() for variable in group] for group in groups]

        # One trace for batches of any size: `predict_on_batch` traces again at the second size, a second or more. The
        # weights are constants of it, so that batch normalisation is folded into convolutions: a fifth less time.
        def compute_logits(bands: Any) -> Any:
            if network.count_params() <= _MOST_CONSTANTS:
                return network.stateless_call(*weights, bands, training=False)[0]
            return network(bands, training=False)

        shapes = {
            name: tf.TensorSpec((None, *[band["size_px"]] * 2), band["dtype"]) for name, band in self._bands.items()
        }
        self._compute_logits = tf.function(compute_logits, input_signature=[shapes])

    # No annotations: MLflow would take them for the schema, in place of the signature.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Return a table: the score of each class in [0, 1], the `labels` at or above their threshold, and `warning`.

        `warning` is empty, or says how a patch is out of the range of the train split. Where conversion would have left
        the patch out, it is that reason; the scores are then NaN and there are no labels.

        Args:
            context: not used.
            model_input: {band: [n, row, column]}, arrays of the dtype of the band, or nested lists of JSON.
            params: not used.

        Raises:
            RequestError: a `ValueError`; a band is missing or unknown, or holds what the network does not take.
        """
        given = self._read(model_input)
        filled = self._fill(given)
        bands = {name: self._fit(name, filled[name]) for name in self._bands}
        reasons = self._find_nodata(list(given.values()))
        judged = [
            (not reason, reason) if reason else found
            for reason, found in zip(reasons, self._judge({name: bands[name] for name in given}), strict=True)
        ]
        scores = self._score(bands)
        scores[[number for number, (is_sound, _) in enumerate(judged) if not is_sound]] = np.nan
        classes = list(self._thresholds)
        table = pd.DataFrame(scores, columns=classes)
        chosen = scores >= np.array(list(self._thresholds.values()))
        table["labels"] = [[classes[number] for number in np.flatnonzero(row)] for row in chosen]
        table["warning"] = pd.Series([words for _, words in judged], dtype=object)
        return table

    def _find_nodata(self, bands: Sequence[np.ndarray]) -> list[str]:
        """Return the reason for which conversion would leave a patch out for NaN and infinity of images, or nothing."""
        limit, gaps = self._max_nodata_fraction, np.zeros(len(bands[0]))
        if limit is None:
            return [""] * len(gaps)
        for values in bands:
            gaps += (~np.isfinite(values)).sum(axis=(1, 2)) if values.dtype.kind == "f" else 0
        shares = gaps / sum(values[0].size for values in bands) if len(gaps) else gaps
        return [
            f"{share:.0%} of the pixels are nodata; at most {limit:.0%} are tolerated" if share > limit else ""
            for share in shares
        ]

    def _judge(self, bands: Mapping[str, np.ndarray]) -> Iterator[tuple[bool, str]]:
        """Yield what `_TrainRange.judge` finds of each patch; few are sorted at a time, to save memory."""
        for some in _iter_batches(bands):
            yield from self._range.judge({name: _sort_pixels(values) for name, values in some.items()})

    def _score(self, bands: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the scores, float64 [patch, class]."""
        logits = [self._compute_logits(some).numpy() for some in _iter_batches(bands)]
        together = np.concatenate([*logits, np.empty((0, len(self._thresholds)))], dtype=np.float64)
        scores: np.ndarray = 1 / (1 + np.exp(-together))
        return scores

    def _read(self, model_input: Any) -> dict[str, np.ndarray]:
        """Return the bands that are given, [n, row, column] in their dtype, in the order of the network."""
        expected = f"the bands {', '.join(self._bands)}"
        if not isinstance(model_input, Mapping):
            kind = type(model_input).__name__
            raise RequestError(f"expected {expected}, as {{band: [n, row, column]}}; received a value of type {kind}.")
        if unknown := [str(name) for name in model_input if name not in self._bands]:
            raise RequestError(
                f"expected {expected}; received {', '.join(unknown)} as well. Leave out what the model does not know."
            )
        given = {name: self._read_band(name, model_input[name]) for name in self._bands if name in model_input}
        counts = {name: len(values) for name, values in given.items()}
        if len(set(counts.values())) > 1:
            raise RequestError(
                f"expected the same number of patches in every band; received {counts}. Send every patch in every band."
            )
        return given

    def _read_band(self, name: str, values: Any) -> np.ndarray:
        """Return the numbers of a band in its dtype, if nothing is lost."""
        size_px, dtype = self._bands[name]["size_px"], np.dtype(self._bands[name]["dtype"])
        side = ("row", "column") if self._resamples else (size_px, size_px)
        expected = f"band {name}: expected {dtype} [n, {side[0]}, {side[1]}]"
        try:
            read = _cast_json(np.asarray(values), dtype)
        except ValueError:  # NumPy's words for lists that are no rectangle
            raise RequestError(f"{expected}; received lists of unequal length. Send rows of equal length.") from None
        if read.dtype != dtype:
            raise RequestError(f"{expected}; received {read.dtype} {list(read.shape)}{_explain(read, dtype)}.")
        if read.ndim != 3 or 0 in read.shape[1:] or (read.shape[1:] != (size_px, size_px) and not self._resamples):
            raise RequestError(f"{expected}; received {list(read.shape)}. Send n patches of this size, n at least 1.")
        return read

    def _fill(self, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every band; those of a sensor that is completely missing are filled, if the network allows it."""
        lost = [fills for fills in self._optional.values() if not any(name in given for name in fills)]
        fills = lost[0] if lost and given else {}
        if missing := [name for name in self._bands if name not in given and name not in fills]:
            raise RequestError(
                f"expected the bands {', '.join(self._bands)}; {', '.join(missing)} {'are' if missing[1:] else 'is'}"
                f" missing. Send {'all bands of one sensor or of both' if self._optional else 'every band'} by name."
            )
        filled = dict(given)
        for name, value in fills.items():
            size_px, dtype = self._bands[name]["size_px"], self._bands[name]["dtype"]
            num_patches = len(next(iter(given.values())))
            filled[name] = np.broadcast_to(np.array(value, dtype), (num_patches, size_px, size_px))
        return filled

    def _fit(self, name: str, values: np.ndarray) -> np.ndarray:
        """Return a band in the size of the network, without gaps."""
        size_px = self._bands[name]["size_px"]
        fill = self._bands[name].get("fill")  # of images alone
        if fill is not None and values.dtype.kind == "f":
            return _fill_gaps(values, size_px, fill)
        if values.shape[1:] == (size_px, size_px):
            return values
        return np.array([_resample(patch, size_px) for patch in values]).reshape(-1, size_px, size_px)


class _TrainRange:
    """The range of the train split, and what is to be said of a patch.

    Args:
        percentiles: band -> percentile -> value over the pixels of the train split; "1", "50", "75", "95" and "99".
    """

    def __init__(self, percentiles: Mapping[str, Mapping[str, float]]) -> None:
        self._percentiles = percentiles

    def judge(self, patches: _Patches) -> list[tuple[bool, str]]:
        """Return, per patch, whether it can be scored, and how it is out of range or why it cannot; else empty."""
        notes = zip(
            self._find_faults(patches),
            self._note_reflectance(patches),
            self._note_range(patches),
            self._note_saturation(patches),
            strict=True,
        )
        return [
            (not fault, fault or ". ".join(filter(None, (reflectance or beyond, saturation))))
            for fault, reflectance, beyond, saturation in notes
        ]

    def _find_faults(self, patches: _Patches) -> list[str]:
        """Return the reason for which conversion would leave each patch out; empty: it would not."""
        extremes = {name: pixels[:, [0, -1]] for name, pixels in patches.items()}
        has_signal = np.any([values.any(axis=1) for values in extremes.values()], axis=0)
        # Reflectances that were cast to integers are 0.
        nodata = "every pixel is 0: nodata" + (f"; or {_REFLECTANCE}" if self._find_digital(patches) else "")
        faults = ["" if filled else nodata for filled in has_signal]
        for name, values in reversed(extremes.items()):  # the first band is named
            for number in np.flatnonzero(~np.isfinite(values).all(axis=1)):
                faults[number] = f"{name} holds NaN or infinity"
        return faults

    def _find_digital(self, names: Iterable[str]) -> list[str]:
        """Return the bands of which train holds more than 8 bits: digital numbers, most of them far above 1."""
        return [name for name in names if self._percentiles[name]["99"] > _HIGHEST_8_BIT]

    def _note_reflectance(self, patches: _Patches) -> list[str]:
        digital = self._find_digital(patches)
        if not digital:
            return [""] * len(next(iter(patches.values())))
        ranked = [patches[name][:, int(0.99 * (patches[name].shape[1] - 1))] for name in digital]
        said = f"{', '.join(digital)}: 99 % of the pixels at most"
        return [
            f"{said} {highest:.3g}; {_REFLECTANCE}" if highest <= _HIGHEST_REFLECTANCE else ""
            for highest in np.max(ranked, axis=0)
        ]

    def _note_range(self, patches: _Patches) -> list[str]:
        """Say which bands are above or below nearly all of train, or all brighter by the shift of a new product."""
        above, below, shifted = {}, {}, self._find_shifted(patches)
        for name, pixels in patches.items():
            low, middle, high = (self._percentiles[name][key] for key in ("1", "50", "99"))
            # The lower median and the upper one: most pixels are then beyond.
            medians = pixels[:, [(pixels.shape[1] - 1) // 2, pixels.shape[1] // 2]]
            above[name] = (pixels[:, 0] > high) | (medians[:, 0] > high + _MARGIN * (high - middle))
            below[name] = ~above[name] & (medians[:, 1] < low - _MARGIN * (middle - low))
        notes = [""] * len(next(iter(patches.values())))
        for number in np.flatnonzero(np.any([*above.values(), *below.values(), *shifted.values()], axis=0)):
            marked = [[name for name in marks if marks[name][number]] for marks in (above, below, shifted)]
            notes[number] = self._say_range({name: pixels[number] for name, pixels in patches.items()}, *marked)
        return notes

    def _find_shifted(self, patches: _Patches) -> dict[str, np.ndarray]:
        """Return band -> bool [patch], whether it gives away the new baseline to a model trained on older products.

        Every Sentinel-2 band of such a patch is above the shift, also those of which train is mostly below it, and is
        within the range of train without the shift.
        """
        given_away, bright, typical = {}, [], []
        for name, pixels in patches.items():
            if not _S2_BAND.fullmatch(name) or pixels.dtype.kind not in "iu":
                continue
            marks, darkest = self._percentiles[name], pixels[:, pixels.shape[1] // 20]
            is_dark_band = marks["75"] - marks["1"] < _DARKEST_SHIFTED_DN
            given_away[name] = (darkest > marks["75"]) & is_dark_band
            bright.append(darkest >= _DARKEST_SHIFTED_DN)
            medians = pixels[:, pixels.shape[1] // 2].astype(np.float64) - _SHIFT_DN
            typical.append((marks["1"] <= medians) & (medians <= marks["99"]))
        is_shifted = np.all(bright, axis=0) & (np.sum(typical, axis=0) >= _TYPICAL_SHARE * len(typical))
        return {name: gives & is_shifted for name, gives in given_away.items()}

    def _say_range(self, patch: _Patches, above: Sequence[str], below: Sequence[str], shifted: Sequence[str]) -> str:
        """Return what is said of one patch, {band: [pixel]}, with bands out of range."""
        hint = f"; processing baseline 04.00? `--offset -{_SHIFT_DN}`" if shifted else ""
        notes = (self._say(patch, above or shifted, "above"), self._say(patch, below, "below"))
        return ". ".join(note for note in (notes[0] + hint, notes[1]) if note)

    def _say(self, patch: Mapping[str, np.ndarray], names: Iterable[str], side: str) -> str:
        """Return e.g. "B02: 100 % of the pixels above the 99th percentile of train, likewise most of B03"."""
        for percentile in ("99th", "95th", "75th") if side == "above" else ("1st",):
            shares = {name: self._find_share(name, patch[name], percentile[:-2], side) for name in names}
            most = {name: share for name, share in shares.items() if share > 0.5}
            if most:
                name = max(most, key=lambda band: most[band])
                words = f"{100 * most.pop(name):.0f} % of the pixels {side} the {percentile} percentile of train"
                return f"{name}: {words}" + (f", likewise most of {', '.join(most)}" if most else "")
        return ""

    def _find_share(self, name: str, pixels: np.ndarray, percentile: str, side: str) -> float:
        """Return the share of the pixels above or below a percentile of train."""
        mark = self._percentiles[name][percentile]
        if side == "above":
            return float(pixels.size - np.searchsorted(pixels, mark, "right")) / pixels.size
        return float(np.searchsorted(pixels, mark, "left")) / pixels.size

    def _note_saturation(self, patches: _Patches) -> list[str]:
        """Name the bands that are saturated, other than those of which train was as well."""
        notes: list[list[str]] = [[] for _ in next(iter(patches.values()))]
        for name, pixels in patches.items():
            if pixels.dtype.kind not in "iu" or self._percentiles[name]["99"] >= (top := np.iinfo(pixels.dtype).max):
                continue
            for number in np.flatnonzero(pixels[:, -1] == top):
                share = float(pixels.shape[1] - np.searchsorted(pixels[number], top, "left")) / pixels.shape[1]
                if share > _SATURATED_SHARE:
                    words = f"{100 * share:.0f} % of the pixels at {top}, the highest {pixels.dtype}: saturated"
                    notes[number].append(f"{name}: {words}")
        return [". ".join(words) for words in notes]


def _iter_batches(bands: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    for start in range(0, len(next(iter(bands.values()))), _BATCH_SIZE_PATCHES):
        yield {name: values[start : start + _BATCH_SIZE_PATCHES] for name, values in bands.items()}


def _sort_pixels(values: np.ndarray) -> np.ndarray:
    """Return [patch, pixel] in ascending order of [patch, row, column]."""
    pixels = values.reshape(len(values), values[0].size)
    # Of 16 bits and less NumPy's stable sort is a radix sort: a third of the time.
    return np.sort(pixels, axis=1, kind="stable" if pixels.itemsize <= 2 else None)


def _cast_json(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Return numbers of JSON, which have no dtype, in that of the band; what would lose its value stays as it is."""
    if values.dtype not in (np.int64, np.float64):
        return values
    with np.errstate(invalid="ignore", over="ignore"):
        cast: np.ndarray = values.astype(dtype)
    return cast if dtype.kind == "f" or np.array_equal(cast, values) else values


def _explain(values: np.ndarray, dtype: np.dtype[Any]) -> str:
    """Return why values are not of a dtype, and what to do."""
    if values.dtype.kind not in "iuf":
        return ", which are no numbers. Send numbers alone: no text, null, true or false"
    if not values.size:
        return ": no patch. Send at least one"
    if not np.isfinite(values).all():
        return ". NaN or infinity: leave the patch out, or send 0 where there is no data"
    low, high, limits = values.min(), values.max(), np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    said = f" from {low:.6g} to {high:.6g}"
    if low < limits.min or high > limits.max:
        return f"{said}. Send numbers from {limits.min:.6g} to {limits.max:.6g}"
    if dtype.kind in "iu" and np.any(values != np.rint(values)):
        is_reflectance = dtype == np.uint16 and high <= _HIGHEST_REFLECTANCE
        return f"{said}; {_REFLECTANCE if is_reflectance else 'fractions? Send whole numbers'}"
    return f"{said}. Cast them: values.astype('{dtype}')"


def _resample(values: np.ndarray, size_px: int) -> np.ndarray:
    """The rule of `archive.image.resample`, repeated because this file is stored alone; a test compares them."""
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
    """The labeller as MLflow runs it; it declares no `predict`, about which MLflow would warn: it has no type hints."""


mlflow.models.set_model(ServedModel())
