"""Weights to start from, made for any bands and classes: ImageNet's, a Keras weights file, a model of `train`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landscribe.core.bands import NO_WAVELENGTHS
from landscribe.core.errors import TrainingError
from landscribe.models import stem
from landscribe.models.applications import build_application, find_smallest_side, find_value_range, reads_blue_first
from landscribe.models.artifact import read_model
from landscribe.models.backbones import RANGE_LAYER, Range
from landscribe.models.card import read_card
from landscribe.models.views import find_network


@dataclass(frozen=True, kw_only=True, eq=False)
class Pretrained:
    """The initial weights of a classifier, made for its bands and classes.

    Attributes:
        ranges: of each band, as the weights saw it.
        backbone: weights in their order; the first is the kernel of the stem, for these bands.
        head: kernel [feature, class] and bias [class]; none: they stay random.
        recipe: what was made of the source: of each band, and of the head.
        digest: of the source; empty for ImageNet's.
    """

    ranges: Sequence[Range]
    backbone: Sequence[np.ndarray]
    head: Sequence[np.ndarray]
    recipe: Mapping[str, Any]
    digest: str = ""

    @property
    def tags(self) -> dict[str, str]:
        """Tags of a run that identify them: `train.weights` may name a file that is replaced or an alias that moves."""
        return {"weights_digest": self.digest} if self.digest else {}

    def give_to(self, model: Any) -> None:
        """Replace the weights of a classifier.

        Raises:
            TrainingError: they are those of another network.
        """
        *backbone, kernel, bias = model.weights
        variables = [*backbone, *((kernel, bias) if self.head else ())]
        values = [*self.backbone, *self.head]
        ours, theirs = ([tuple(one.shape) for one in each] for each in (variables, values))
        if ours != theirs:
            pairs = zip(ours, theirs, strict=False)
            first = next((f"{one} where it has {other}" for other, one in pairs if one != other), "another length")
            raise TrainingError(
                f"train.weights: expected the {len(ours)} weights of the network of this version; received"
                f" {len(theirs)}, {first}. Set train.head_scales as it was there, train the model again, or set"
                " train.weights: null."
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def read_imagenet(
    backbone: str,
    bands: Sequence[str],
    size_px: int,
    path: Path | None = None,
    wavelengths_nm: Mapping[str, float] = NO_WAVELENGTHS,
) -> Pretrained:
    """Return weights for red, green and blue in 0 to 255, made for any bands.

    Args:
        backbone: one of `models.config.APPLICATIONS`.
        bands: names, in order.
        size_px: side of a patch; some networks have weights for several.
        path: Keras weights file (.h5) of the network; None for ImageNet's, from the cache of Keras.
        wavelengths_nm: of bands whose name does not say it.

    Raises:
        TrainingError: the weights cannot be had, or are those of another network.
    """
    side = max(size_px, find_smallest_side(backbone))
    kernel, *rest = build_application(backbone, (side, side, 3), str(path or "imagenet")).get_weights()
    kernel = kernel[:, :, ::-1] if reads_blue_first(backbone) else kernel
    shares = stem.share_colours(bands, wavelengths_nm)
    scales, offsets = (stem.mean_of_colours(shares, values) for values in find_value_range(backbone))
    named = {
        name: dict(zip(stem.COLOURS, row.round(6).tolist(), strict=True))
        for name, row in zip(bands, shares, strict=True)
    }
    return Pretrained(
        ranges=list(zip(scales.tolist(), offsets.tolist(), strict=True)),
        backbone=[stem.inflate(kernel, shares), *rest],
        head=(),
        recipe={"bands": named, "head": "new"},
    )


def read_classifier(path: Path, bands: Sequence[str], classes: Sequence[str]) -> Pretrained:
    """Return the weights of a model of the stage `train`, made for other bands and classes, by name.

    Args:
        path: `model.keras`.
        bands: names, in order; one that the model does not know takes the mean of those that it does.
        classes: names, in order; where they are not the model's, in whatever order, the head stays random.

    Raises:
        TrainingError: the file does not contain such a model.
    """
    card = read_card(path)
    model = _load(path)
    *backbone, kernel, bias = model.get_weights()
    known = list(card.bands)
    places = [card.classes.index(name) for name in classes] if set(classes) == set(card.classes) else []
    return Pretrained(
        ranges=_take_ranges(model, known, bands),
        backbone=[stem.take_by_name(backbone[0], known, bands), *backbone[1:]],
        head=(kernel[:, places], bias[places]) if places else (),
        recipe={
            "bands": {name: name if name in known else "mean" for name in bands},
            "head": "kept" if places else "new",
        },
    )


def _load(path: Path) -> Any:
    try:
        return find_network(read_model(path))
    except Exception as error:  # Keras raises what it meets: a damaged archive, an unknown layer
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise TrainingError(f"train.weights: {path} cannot be loaded: {reason} Train it again.") from error


def _take_ranges(model: Any, known: Sequence[str], bands: Sequence[str]) -> list[Range]:
    """Return the ranges of the bands; one that is not known takes the mean of those that are."""
    layers = [layer for layer in model.layers if layer.name == RANGE_LAYER]
    pairs = np.transpose([layers[0].scale, layers[0].offset]) if layers else np.array([[1.0, 0.0]] * len(known))
    found = [pairs[known.index(name)] if name in known else pairs.mean(axis=0) for name in bands]
    return [(float(scale), float(offset)) for scale, offset in found]
