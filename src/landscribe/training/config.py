"""Section `train` of params.yaml, importable without TensorFlow."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from landscribe.core.bands import SENSORS, group_by_sensor
from landscribe.core.errors import ParamsError
from landscribe.core.params import Section, flatten, nest
from landscribe.models.config import Backbone, Weights
from landscribe.pipeline.config import AugmentationConfig, PipelineConfig

EpochLog = Callable[[int, Mapping[str, float]], None]
"""Receives (epoch from 1, row of the history) after each epoch."""


def _check_epochs(value: object) -> object:
    if value == "all" or (type(value) is int and value >= 0):
        return value
    raise ValueError(f"expected a number of epochs, 0 or more, or all; received {value!r}")


class WeightedBceConfig(Section):
    """Loss `weighted_bce`: 0 weighs nothing, 1 makes the positives and the negatives of a class weigh the same."""

    power: float = Field(ge=0, le=1)


class FocalConfig(Section):
    """Loss `focal`: how fast easy decisions lose weight; the weight of positives, None for none."""

    gamma: float = Field(ge=0, allow_inf_nan=False)
    alpha: float | None = Field(gt=0, lt=1)


class AsymmetricConfig(Section):
    """Loss `asymmetric`: two gammas; negatives that score below the margin count nothing."""

    positive_gamma: float = Field(ge=0, allow_inf_nan=False)
    negative_gamma: float = Field(ge=0, allow_inf_nan=False)
    margin: float = Field(ge=0, lt=1)


class LossConfig(Section):
    """The loss by name, and the values of each: `training.losses` has the formula. Only those of the name count."""

    name: Literal["bce", "weighted_bce", "focal", "asymmetric"]
    weighted_bce: WeightedBceConfig
    focal: FocalConfig
    asymmetric: AsymmetricConfig


class TrainConfig(Section):
    """Section `train`.

    Attributes:
        bands: inputs of the model, a subset of `convert.bands`.
        weights: to start from: "imagenet", a file, a registered model, see `models.config.find_kind`; None: random.
        head_scales: resolutions of the backbone whose feature maps the head reads: 1 for the last map alone, see
            `models.scales`.
        probe_penalty: the head starts as ridge regression on the features of `weights`, with this penalty, see
            `training.probe`; 0: it starts random, or as it was in a model of the same classes.
        freeze_epochs: first epochs, in which the head alone learns; "all": the backbone never does.
        unfrozen_rate_factor: learning rate of the epochs after these, as a share of `learning_rate`.
        freeze_batch_norm: the batch normalisation of the backbone keeps statistics, scales and offsets of the weights
            that it started from also where the rest learns.
        first_layer_rate_factor: learning rate of the first layer as a share of that of the head; between them it rises
            by the same factor from layer to layer (Clark et al., arXiv:2003.10555, appendix A). 1: one rate for all.
        schedule: "cosine" to 0 over all epochs (Loshchilov and Hutter, arXiv:1608.03983) or "constant".
        warmup_epochs: epochs in which the learning rate rises linearly from 0.
        weight_decay: decoupled, AdamW alone; biases and normalisation are left out.
        clip_norm: gradients of the global batch longer than this are shortened to it; 0: never.
        ema_momentum: the weights that are evaluated and kept are a moving average over the steps (Polyak and Juditsky,
            doi:10.1137/0330046), with this share of the old; 0: the weights themselves.
        average_last_fraction: part of the epochs, the last ones, whose weights at their ends are averaged: each is
            evaluated, and the last kept, with the mean so far (Izmailov et al., arXiv:1803.05407). 0: none.
        norm_batches: batches of train from which batch-normalisation statistics are computed again before an evaluation
            if the moving averages have not converged, see `training.norms`; 0: never.
        early_stopping_epochs: stop after so many epochs without a better val macro average precision; 0: never.
        keep: weights of the epoch that is best on val, or of the last: with a small val split the best of many epochs
            is best by chance, and cosine decay ends at a good one.
        test_time_augmentation: the saved model averages its logits over the eight symmetries of a patch, or of five
            windows of it where training patches are smaller, see `models.views`; the val scores of each epoch are those
            of one view of the whole.
        batch_size_patches: the global batch, over all devices together.
        modality_dropout: share of the training patches that lose one of their two sensors, see `pipeline.modality`; the
            model then serves with either missing. 0: none.
        mixed_precision: "auto" computes in 16 bits on GPUs made for it; weights and the saved model are float32.
        deterministic: the same section gives the same bytes on the same machine, at some cost on a GPU.
    """

    bands: list[str] = Field(min_length=1)
    backbone: Backbone
    weights: Weights | None
    head_scales: int = Field(ge=1, le=4)
    probe_penalty: float = Field(ge=0, allow_inf_nan=False)
    freeze_epochs: Annotated[int | Literal["all"], BeforeValidator(_check_epochs)]
    unfrozen_rate_factor: float = Field(gt=0, le=1)
    freeze_batch_norm: bool
    first_layer_rate_factor: float = Field(gt=0, le=1)
    dropout: float = Field(ge=0, lt=1)
    optimizer: Literal["AdamW", "Adam", "RMSprop", "SGD"]
    learning_rate: float = Field(gt=0, allow_inf_nan=False)
    weight_decay: float = Field(ge=0, allow_inf_nan=False)
    schedule: Literal["constant", "cosine"]
    warmup_epochs: float = Field(ge=0, allow_inf_nan=False)
    clip_norm: float = Field(ge=0, allow_inf_nan=False)
    ema_momentum: float = Field(ge=0, lt=1)
    average_last_fraction: float = Field(ge=0, le=1)
    norm_batches: int = Field(ge=0)
    epochs: int = Field(ge=1)
    loss: LossConfig
    label_smoothing: float = Field(ge=0, lt=1)
    early_stopping_epochs: int = Field(ge=0)
    keep: Literal["best", "last"]
    test_time_augmentation: bool
    batch_size_patches: int = Field(ge=1)
    shuffle_buffer_patches: int = Field(ge=1)
    augmentation: AugmentationConfig
    modality_dropout: float = Field(ge=0, le=1)
    seed: int = Field(ge=0, lt=2**31)
    mixed_precision: Literal["auto", "on", "off"]
    deterministic: bool

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.bands)) != len(self.bands):
            raise ValueError(f"bands: expected each band once; received {self.bands}")
        if self.optimizer != "AdamW" and self.weight_decay > 0:
            raise ValueError(f"weight_decay: decoupled decay is AdamW's; set it to 0 for {self.optimizer}")
        if self.probe_penalty and self.weights is None:
            raise ValueError(
                "probe_penalty: expected 0 with random weights, whose features say little; received"
                f" {self.probe_penalty}. Set it to 0, or name train.weights"
            )
        if self.average_last_fraction and (self.ema_momentum or self.keep != "last"):
            raise ValueError(
                "average_last_fraction: expected ema_momentum 0 and keep last, as the mean over the last epochs is what"
                f" is kept; received {self.ema_momentum} and {self.keep}. Set them so, or average_last_fraction to 0"
            )
        if self.modality_dropout and set(group_by_sensor(self.bands)) != set(SENSORS):
            raise ValueError(
                f"modality_dropout: expected bands of both sensors ({' and '.join(SENSORS)}) in train.bands; received"
                f" {self.bands}. Add those of the other sensor, or set it to 0"
            )
        return self

    def vary(self, values: Mapping[str, Any]) -> Self:
        """Return the section with other values under dotted keys.

        Raises:
            ParamsError: they are impossible, or do not go together.
        """
        try:
            return self.model_validate(nest(flatten(self.model_dump()) | dict(values)))
        except ValidationError as error:
            words = ", ".join(f"{key}: {value}" for key, value in values.items())
            reason = error.errors()[0]["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
            raise ParamsError(f"section train with {words}: {reason}.") from error

    @property
    def pipeline(self) -> PipelineConfig:
        """The part that the input pipeline reads."""
        return PipelineConfig(
            batch_size_patches=self.batch_size_patches,
            shuffle_buffer_patches=self.shuffle_buffer_patches,
            augmentation=self.augmentation,
        )
