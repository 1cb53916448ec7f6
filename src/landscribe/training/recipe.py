"""One training from records to a fitted classifier: the only module that wires packages together, with `stages/`.

The stages `search` and `train` both go through here, so that a trial is a training and nothing else.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from landscribe.backend import keras
from landscribe.devices import choose_device
from landscribe.evaluation.average_precision import compute_macro_ap
from landscribe.inference.predictor import predict_scores
from landscribe.models.card import ModelCard
from landscribe.models.classifier import ClassifierSpec, build_classifier
from landscribe.models.preprocess import BandInput
from landscribe.pipeline.dataset import make_eval_dataset, make_train_dataset, steps_per_epoch
from landscribe.records.schema import Manifest, check_not_empty, check_subset
from landscribe.training.config import EpochLog, TrainConfig
from landscribe.training.fit import DivergedError, FitResult, fit


def fit_classifier(
    manifest: Manifest,
    records_dir: Path,
    statistics: Mapping[str, Mapping[str, float]],
    config: TrainConfig,
    log_epoch: EpochLog,
) -> tuple[Any, FitResult]:
    """Return the classifier with the weights that `config.keep` names, and how it got there.

    Args:
        manifest: of the records under `records_dir`.
        records_dir: folder of the records.
        statistics: band -> mean and std of the train split.
        config: section `train`.
        log_epoch: receives every epoch's row.

    Raises:
        TrainingError: the backbone does not fit; `DivergedError`: the learning rate is too high.
        RecordsError: a band is not stored.
    """
    keras.backend.clear_session()  # layer names count up in a process; the same training must give the same bytes
    keras.utils.set_random_seed(config.seed)
    model = build_classifier(_make_spec(manifest, statistics, config))
    steps = steps_per_epoch(manifest, config.batch_size_patches)
    batches = make_train_dataset(
        manifest, records_dir, config.bands, config.pipeline, seed=config.seed, first_epoch=0, epochs=config.epochs
    )
    val = make_eval_dataset(manifest, records_dir, "val", config.bands, config.batch_size_patches)
    return model, fit(model, batches, steps, lambda fitted: _evaluate(fitted, val, config), config, log_epoch)


def make_card(manifest: Manifest, config: TrainConfig) -> ModelCard:
    """Return what travels with the model: bands and classes, by name and in order."""
    groups = {name: manifest.group_of(name) for name in config.bands}
    return ModelCard(
        bands={name: {"size_px": group.size_px, "dtype": group.dtype} for name, group in groups.items()},
        classes=manifest.classes,
        nomenclature=manifest.nomenclature,
        backbone=config.backbone,
        resamples=manifest.archive == "tagged-images",
    )


def prepare(manifest: Manifest, config: TrainConfig) -> str:
    """Check before any work that training can start; choose the device and return its name.

    Raises:
        RecordsError: a band is not stored, or train or val is empty.
        TrainingError: a GPU was asked for and there is none.
    """
    check_subset(config.bands, manifest, "train.bands")
    check_not_empty(manifest, "train")
    check_not_empty(manifest, "val")
    return choose_device(config.device)


def _make_spec(
    manifest: Manifest, statistics: Mapping[str, Mapping[str, float]], config: TrainConfig
) -> ClassifierSpec:
    groups = {name: manifest.group_of(name) for name in config.bands}
    return ClassifierSpec(
        bands=[
            BandInput(name, group.size_px, group.dtype, statistics[name]["mean"], statistics[name]["std"])
            for name, group in groups.items()
        ],
        num_classes=len(manifest.classes),
        backbone=config.backbone,
        imagenet=config.weights == "imagenet",
        trainable_backbone=config.trainable_backbone,
        dropout=config.dropout,
    )


def _evaluate(model: Any, batches: Any, config: TrainConfig) -> dict[str, float]:
    """Return loss and macro average precision of the whole val split: never an average of batches."""
    _, truth, scores = predict_scores(model, batches)
    if np.isnan(scores).any():
        raise DivergedError(
            f"the training diverged: its scores are no numbers. Lower train.learning_rate ({config.learning_rate:.3g})"
            " or raise train.warmup_epochs."
        )
    likelihood = np.where(truth > 0.5, scores, 1 - scores)
    return {
        "val_loss": float(-np.log(np.maximum(likelihood, 1e-7)).mean()),
        "val_macro_ap": compute_macro_ap(truth, scores),
    }
