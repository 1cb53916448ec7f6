"""Section `train` of params.yaml, known without importing TensorFlow."""

from collections.abc import Callable, Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from landscribe.models.config import Backbone
from landscribe.params import Section
from landscribe.pipeline.config import AugmentationConfig, PipelineConfig

EpochLog = Callable[[int, Mapping[str, float]], None]
"""Receives (epoch from 1, row of the history) after each epoch."""


class TrainConfig(Section):
    """Section `train`.

    Attributes:
        bands: inputs of the model, a subset of `convert.bands`.
        weights: "imagenet" (three bands) or None for random initial weights.
        trainable_backbone: False trains the head alone.
        schedule: "cosine" to 0 over all epochs (Loshchilov and Hutter, arXiv:1608.03983) or "constant".
        warmup_epochs: epochs in which the learning rate rises linearly from 0.
        weight_decay: decoupled, AdamW alone; biases and normalisation are left out.
        early_stopping_epochs: stop after so many epochs without a better val macro average precision; 0: never.
        keep: weights of the epoch that is best on val, or of the last: with a small val split the best of many epochs
            is best by luck, and cosine decay ends at a good one.
        device: "auto" takes a GPU when there is one; "gpu" stops without one.
    """

    bands: list[str] = Field(min_length=1)
    backbone: Backbone
    weights: Literal["imagenet"] | None
    trainable_backbone: bool
    dropout: float = Field(ge=0, lt=1)
    optimizer: Literal["AdamW", "Adam", "RMSprop", "SGD"]
    learning_rate: float = Field(gt=0, allow_inf_nan=False)
    weight_decay: float = Field(ge=0, allow_inf_nan=False)
    schedule: Literal["constant", "cosine"]
    warmup_epochs: float = Field(ge=0, allow_inf_nan=False)
    epochs: int = Field(ge=1)
    label_smoothing: float = Field(ge=0, lt=1)
    early_stopping_epochs: int = Field(ge=0)
    keep: Literal["best", "last"]
    batch_size_patches: int = Field(ge=1)
    shuffle_buffer_patches: int = Field(ge=1)
    augmentation: AugmentationConfig
    seed: int = Field(ge=0, lt=2**31)
    device: Literal["auto", "cpu", "gpu"]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.bands)) != len(self.bands):
            raise ValueError(f"bands: expected each band once; received {self.bands}")
        if self.optimizer != "AdamW" and self.weight_decay > 0:
            raise ValueError(f"weight_decay: decoupled decay is AdamW's; set it to 0 for {self.optimizer}")
        return self

    @property
    def pipeline(self) -> PipelineConfig:
        """The part that the input pipeline reads."""
        return PipelineConfig(
            batch_size_patches=self.batch_size_patches,
            shuffle_buffer_patches=self.shuffle_buffer_patches,
            augmentation=self.augmentation,
        )
