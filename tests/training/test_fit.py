"""Fitting: reproducible, ends with the epoch that was asked for, stops when told, leaves frozen weights alone."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from landscribe.backend import keras, tf
from landscribe.errors import TrainingError
from landscribe.models.classifier import ClassifierSpec, build_classifier
from landscribe.models.preprocess import BandInput
from landscribe.training.fit import FitResult, fit
from landscribe.training.recipe import fit_classifier
from tests.model_fixtures import TinyRecords, Trained, make_train_config

pytest_plugins = ["tests.model_fixtures"]

STEPS = 3
COLUMNS = ["epoch", "loss", "val_loss", "val_macro_ap", "learning_rate", "seconds"]


def build_toy(dropout: float = 0.2) -> Any:
    """Return a small model with seeded weights and dropout."""
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dropout(dropout), keras.layers.Dense(2)]
    return keras.Sequential([keras.Input((4,)), *layers])


def make_batches(scale: float = 1.0) -> Any:
    """Return an endless dataset of three batches whose labels are linear in the features."""
    features = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32) * scale
    labels = (features[:, :2] > 0).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices((features, labels)).batch(8).repeat()


class Script:
    """An evaluation that says what a list says, epoch by epoch, and keeps the weights that it saw."""

    def __init__(self, *values: float) -> None:
        self.values: Iterator[float] = iter(values)
        self.seen: list[list[np.ndarray]] = []

    def __call__(self, model: Any) -> Mapping[str, float]:
        self.seen.append(model.get_weights())
        return {"val_loss": 0.0, "val_macro_ap": next(self.values)}


def fit_toy(script: Script, **changed: Any) -> tuple[Any, FitResult]:
    """Fit the toy; return the model and the result."""
    model = build_toy()
    config = make_train_config(**{"optimizer": "Adam", "weight_decay": 0.0, "learning_rate": 0.02} | changed)
    return model, fit(model, make_batches(), STEPS, script, config, lambda epoch, row: None)


def assert_same_weights(left: list[np.ndarray], right: list[np.ndarray]) -> None:
    """Compare weights bit by bit."""
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_same_seed_gives_the_same_weights() -> None:
    models = [fit_toy(Script(0.1, 0.2), epochs=2)[0] for _ in range(2)]
    assert_same_weights(models[0].get_weights(), models[1].get_weights())


def test_the_whole_recipe_is_a_function_of_its_seed(records: TinyRecords, trained: Trained) -> None:
    keras.utils.set_random_seed(999)  # what ran before must not matter
    build_toy()
    model, result = fit_classifier(
        records.manifest, records.folder, records.statistics, trained.config, lambda epoch, row: None
    )
    assert_same_weights(model.get_weights(), trained.model.get_weights())
    for row, other in zip(result.history, trained.history, strict=True):
        assert row | {"seconds": 0} == other | {"seconds": 0}


def test_history_has_one_row_an_epoch_and_is_logged_as_it_grows() -> None:
    logged: list[tuple[int, Mapping[str, float]]] = []
    config = make_train_config(epochs=3, optimizer="Adam", weight_decay=0.0, schedule="cosine")
    script = Script(0.3, 0.4, 0.2)
    result = fit(build_toy(), make_batches(), STEPS, script, config, lambda epoch, row: logged.append((epoch, row)))
    assert [list(row) for row in result.history] == [COLUMNS] * 3
    assert logged == [(1, result.history[0]), (2, result.history[1]), (3, result.history[2])]
    assert [row["epoch"] for row in result.history] == [1, 2, 3]
    assert [row["val_macro_ap"] for row in result.history] == [0.3, 0.4, 0.2]
    rates = [row["learning_rate"] for row in result.history]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] < config.learning_rate


@pytest.mark.parametrize(("keep", "epoch"), [("best", 2), ("last", 4)])
def test_training_ends_with_the_weights_that_were_asked_for(keep: str, epoch: int) -> None:
    script = Script(0.2, 0.9, 0.5, 0.9)  # among equals the earlier epoch counts
    model, result = fit_toy(script, epochs=4, keep=keep)
    assert_same_weights(model.get_weights(), script.seen[epoch - 1])
    assert (result.best_epoch, result.best_val_macro_ap) == (2, 0.9)
    assert any(not np.array_equal(*pair) for pair in zip(script.seen[1], script.seen[3], strict=True))


@pytest.mark.parametrize(("patience_epochs", "epochs"), [(0, 6), (1, 3), (2, 4), (3, 6)])
def test_early_stopping_waits_so_many_epochs_for_a_better_one(patience_epochs: int, epochs: int) -> None:
    script = Script(0.2, 0.9, 0.5, 0.9, 0.95, 0.3)
    _, result = fit_toy(script, epochs=6, early_stopping_epochs=patience_epochs)
    assert len(result.history) == epochs


def test_a_frozen_backbone_keeps_its_weights_and_the_head_learns() -> None:
    bands = [BandInput(name, 32, "uint8", 100.0, 50.0) for name in "RGB"]
    model = build_classifier(
        ClassifierSpec(
            bands=bands, num_classes=2, backbone="MobileNet", imagenet=False, trainable_backbone=False, dropout=0.0
        )
    )
    pixels = np.random.default_rng(0).integers(0, 256, (8, 3, 32, 32)).astype(np.uint8)
    values = {name: pixels[:, number] for number, name in enumerate("RGB")}
    batches = tf.data.Dataset.from_tensors((values, np.eye(2, dtype=np.float32)[[0, 0, 0, 1, 0, 1, 0, 0]])).repeat()
    before = {weight.path: weight.numpy() for weight in model.weights}
    fit(model, batches, 2, Script(0.5), make_train_config(epochs=1), lambda epoch, row: None)
    changed = {weight.path for weight in model.weights if not np.array_equal(weight.numpy(), before[weight.path])}
    assert changed == {"logits/kernel", "logits/bias"}


def test_label_smoothing_reaches_the_loss() -> None:
    rough, smooth = (fit_toy(Script(0.1), label_smoothing=value)[1].history[0]["loss"] for value in (0.0, 0.4))
    assert not math.isclose(rough, smooth, rel_tol=1e-3)


def test_a_loss_that_diverges_ends_the_training_with_one_sentence(records: TinyRecords) -> None:
    config = make_train_config(learning_rate=1e30, optimizer="SGD", weight_decay=0.0, epochs=2)
    with pytest.raises(TrainingError, match=r"train\.learning_rate") as caught:
        fit_classifier(records.manifest, records.folder, records.statistics, config, lambda epoch, row: None)
    assert "\n" not in str(caught.value)
