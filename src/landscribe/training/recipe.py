"""One training from records to a fitted classifier: the only module that wires packages together, with `stages/`.

The stages `search` and `train` both go through here, so that a trial is a training and nothing else.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from landscribe.core.average_precision import compute_macro_ap
from landscribe.models.card import ModelCard
from landscribe.models.classifier import ClassifierSpec, build_classifier
from landscribe.models.config import Device
from landscribe.models.devices import choose_device, choose_precision, make_strategy
from landscribe.models.preprocess import BandInput
from landscribe.models.pretrained import Pretrained, read_classifier, read_imagenet
from landscribe.models.scoring import make_predict, predict_scores
from landscribe.models.views import average_views
from landscribe.pipeline.backend import keras, tf
from landscribe.pipeline.config import ONLY_REPLICA
from landscribe.pipeline.dataset import make_eval_dataset, make_train_dataset, steps_per_epoch
from landscribe.pipeline.modality import SensorDropout, make_fills
from landscribe.records.schema import Manifest
from landscribe.training.config import EpochLog, TrainConfig
from landscribe.training.fit import DivergedError, FitResult, FitTask, fit
from landscribe.training.fused_norms import fuse_norms
from landscribe.training.inputs import check_inputs
from landscribe.training.losses import build_loss
from landscribe.training.norms import synchronise_norms
from landscribe.training.probe import fit_head
from landscribe.training.state import TrainState
from landscribe.training.weights import find_source


def fit_classifier(
    manifest: Manifest,
    records_dir: Path,
    statistics: Mapping[str, Mapping[str, float]],
    config: TrainConfig,
    log_epoch: EpochLog,
    state: TrainState | None = None,
    pretrained: Pretrained | None = None,
    what: str = "training",
) -> tuple[Any, FitResult]:
    """Return the classifier with the weights that `config.keep` names, and how it got there.

    Args:
        manifest: of the records under `records_dir`.
        records_dir: folder of the records.
        statistics: band -> mean and std of the train split.
        config: section `train`.
        log_epoch: receives every epoch's row.
        state: where to go on from after a kill; None starts afresh and writes nothing.
        pretrained: weights to start from, as `read_pretrained` says; None: random ones.
        what: the words of the progress shown.

    Raises:
        TrainingError: the backbone does not fit; `DivergedError`: the learning rate is too high.
        RecordsError: a band is not stored.
    """
    keras.backend.clear_session()  # layer names count up in a process; the same training must give the same bytes
    spec = _make_spec(manifest, statistics, config, pretrained)
    evaluated = build_classifier(spec)
    trained = _build_trained(spec, config)
    if pretrained:
        pretrained.give_to(trained)
    task = _make_task(manifest, records_dir, statistics, config)
    result = fit(trained, evaluated, task, config, log_epoch, state, what)
    return _build_viewing(evaluated, spec, config) if config.test_time_augmentation else evaluated, result


def make_card(manifest: Manifest, statistics: Mapping[str, Mapping[str, Any]], config: TrainConfig) -> ModelCard:
    """Return the card of the model: bands and classes, by name and in order, and the sensors that may be missing."""
    return ModelCard(
        bands={name: _describe_band(manifest, name) for name in config.bands},
        classes=manifest.classes,
        nomenclature=manifest.nomenclature,
        backbone=config.backbone,
        resamples=manifest.archive == "tagged-images",
        max_nodata_fraction=manifest.nodata.max_fraction if manifest.nodata else None,
        optional=make_fills(manifest, statistics, config.bands) if config.modality_dropout else {},
    )


def _describe_band(manifest: Manifest, name: str) -> dict[str, Any]:
    group = manifest.group_of(name)
    facts: dict[str, Any] = {"size_px": group.size_px, "dtype": group.dtype}
    facts |= {"fill": manifest.nodata.fills[name]} if manifest.nodata else {}
    return facts | ({"wavelength_nm": manifest.wavelengths_nm[name]} if name in manifest.wavelengths_nm else {})


def prepare(manifest: Manifest, config: TrainConfig, wanted: Device) -> str:
    """Check before any work that training can start; choose the device and return its name.

    Raises:
        RecordsError: a band is not stored, or train or val is empty.
        TrainingError: a GPU was requested and there is none.
    """
    check_inputs(manifest, config)
    device = choose_device(wanted)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    return device


def read_pretrained(manifest: Manifest, config: TrainConfig) -> Pretrained | None:
    """Return the weights that `train.weights` names, for the bands and classes of a training; None: random ones.

    Raises:
        TrainingError: they are not available, or do not fit.
        RegistryError: the registry holds no such model.
    """
    if config.weights is None:
        return None
    source = find_source(config.weights, [config.backbone])
    path = source.fetch()
    if path and path.suffix == ".keras":
        found = read_classifier(path, config.bands, manifest.classes)
    else:
        size_px = max(manifest.group_of(name).size_px for name in config.bands)
        found = read_imagenet(config.backbone, config.bands, size_px, path, manifest.wavelengths_nm)
    if config.probe_penalty:
        found = replace(found, head=(), recipe={**found.recipe, "head": "probe"})
    return replace(found, digest=source.digest)


def _make_spec(
    manifest: Manifest,
    statistics: Mapping[str, Mapping[str, float]],
    config: TrainConfig,
    pretrained: Pretrained | None,
) -> ClassifierSpec:
    groups = {name: manifest.group_of(name) for name in config.bands}
    return ClassifierSpec(
        bands=[
            BandInput(name, group.size_px, group.dtype, statistics[name]["mean"], statistics[name]["std"])
            for name, group in groups.items()
        ],
        num_classes=len(manifest.classes),
        backbone=config.backbone,
        dropout=config.dropout,
        num_scales=config.head_scales,
        ranges=pretrained.ranges if pretrained else None,
    )


def _build_trained(spec: ClassifierSpec, config: TrainConfig) -> Any:
    """Return the classifier that learns: on all chosen devices, in the precision chosen, from the seed.

    Its patches have the side of training; the network is convolutional, so that its weights serve every side.
    """
    strategy = make_strategy(config.batch_size_patches)
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(choose_precision(config.mixed_precision))
    try:
        with strategy.scope():
            model = build_classifier(_scale_sides(spec, config))
    finally:
        keras.config.set_dtype_policy("float32")
    if strategy.num_replicas_in_sync > 1:
        synchronise_norms(model)
    else:
        fuse_norms(model)
    return model


def _build_viewing(evaluated: Any, spec: ClassifierSpec, config: TrainConfig) -> Any:
    """Return the classifier that averages several views of a patch, each of the size of the training patches."""
    network = build_classifier(_scale_sides(spec, config))
    network.set_weights(evaluated.get_weights())
    return average_views(network, {band.name: band.size_px for band in spec.bands})


def _scale_sides(spec: ClassifierSpec, config: TrainConfig) -> ClassifierSpec:
    """Return the spec with the sides of training patches."""
    sides = config.augmentation.scale_sides({band.name: band.size_px for band in spec.bands})
    return replace(spec, bands=[replace(band, size_px=sides[band.name]) for band in spec.bands])


def _make_task(
    manifest: Manifest, records_dir: Path, statistics: Mapping[str, Mapping[str, float]], config: TrainConfig
) -> FitTask:
    """Return the batches of train, the evaluation on val and the loss."""
    size = config.batch_size_patches
    steps = steps_per_epoch(manifest, size)
    dropout = None
    if config.modality_dropout:
        dropout = SensorDropout(config.modality_dropout, make_fills(manifest, statistics, config.bands))

    def make_batches(first_epoch: int) -> Any:
        return make_train_dataset(
            manifest,
            records_dir,
            config.bands,
            config.pipeline,
            seed=config.seed,
            first_step=first_epoch * steps,
            epochs=config.epochs,
            replica=ONLY_REPLICA,  # Keras shares its batches out among the devices of this host
            dropout=dropout,
        )

    val = make_eval_dataset(manifest, records_dir, "val", config.bands, size)
    # In stored order, which `convert` shuffled: the first batches are a sample of the split, and cost no shuffling.
    train = make_eval_dataset(manifest, records_dir, "train", config.bands, size)

    def probe(trained: Any, evaluated: Any) -> None:
        evaluated.set_weights(trained.get_weights())  # it sees whole patches
        fit_head(evaluated, train, manifest.num_records("train"), config.probe_penalty, config.augmentation.dihedral)
        trained.set_weights(evaluated.get_weights())

    return FitTask(
        make_batches=make_batches,
        steps=steps,
        loss=build_loss(config, _count_positives(manifest, records_dir, config), manifest.num_records("train")),
        evaluate=lambda model: _evaluate(model, val, manifest.num_records("val"), config),
        start=probe if config.probe_penalty else None,
        norm_batches=train.take(config.norm_batches).map(lambda _, values, __: values),
    )


def _count_positives(manifest: Manifest, records_dir: Path, config: TrainConfig) -> np.ndarray:
    """Return the train patches with each class, int64 [class], or zeros where the loss does not ask for them.

    One pass over the records of train, of which the smallest band is decoded.
    """
    counts = np.zeros(len(manifest.classes), np.int64)
    if config.loss.name != "weighted_bce":
        return counts
    smallest = min(manifest.bands, key=lambda band: manifest.group_of(band).num_bytes)
    for _, _, multi_hot in make_eval_dataset(manifest, records_dir, "train", [smallest], config.batch_size_patches):
        counts += multi_hot.numpy().astype(np.int64).sum(axis=0)
    return counts


def _evaluate(model: Any, batches: Any, num_patches: int, config: TrainConfig) -> dict[str, float]:
    """Return loss and macro average precision of the whole val split: never an average of batches."""
    _, truth, scores = predict_scores(make_predict(model), batches, num_patches, "evaluating val")
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
