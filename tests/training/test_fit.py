"""Fitting: reproducible, resumed as if never killed, ends with the epoch asked for, stops early."""

import contextlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landscribe.core.errors import TrainingError
from landscribe.pipeline.backend import keras, tf
from landscribe.training.fit import FitResult, FitTask, fit, plan_phases
from landscribe.training.losses import MultiLabelLoss, build_loss
from landscribe.training.optimizers import build_optimizer, read_weights
from landscribe.training.recipe import fit_classifier
from landscribe.training.state import TrainState
from tests.support.model_fixtures import TinyRecords, Trained, make_train_config

pytest_plugins = ["tests.support.model_fixtures"]
pytestmark = pytest.mark.slow(70)

STEPS = 3
FROZEN_AT_FIRST = {
    "freeze_epochs": 2,
    "keep": "last",
    "ema_momentum": 0.5,
    "schedule": "cosine",
    "warmup_epochs": 1,
}
MEAN_OF_THE_LAST: dict[str, Any] = {"keep": "last", "average_last_fraction": 0.75}
COLUMNS = ["epoch", "loss", "val_loss", "val_macro_ap", "learning_rate", "seconds"]


def build_toy(dropout: float = 0.2) -> Any:
    """Return a small model with seeded weights, normalisation and dropout."""
    keras.utils.set_random_seed(1)
    layers = [
        keras.layers.Dense(8, "relu"),
        keras.layers.BatchNormalization(momentum=0.5),
        keras.layers.Dropout(dropout),
        keras.layers.Dense(2, name="logits"),
    ]
    return keras.Sequential([keras.Input((4,)), *layers])


def make_batches(first_epoch: int = 0) -> Any:
    """Return an endless dataset of three batches per epoch that differ by epoch; labels linear in the features."""
    features = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
    labels = (features[:, :2] > 0).astype(np.float32)
    whole = tf.data.Dataset.from_tensor_slices((features, labels))
    epochs = tf.data.Dataset.range(first_epoch, 100)

    def make_epoch(epoch: Any) -> Any:
        drift = 0.1 * tf.cast(epoch, tf.float32)
        return whole.map(lambda values, multi_hot: ({"features": values + drift}, multi_hot)).batch(8)

    return epochs.flat_map(make_epoch)


class Killed(BaseException):
    """What ends a training at any moment."""


class Script:
    """An evaluation that says what a list says, epoch by epoch, and keeps the weights that it saw."""

    def __init__(self, *values: float | Killed) -> None:
        self.values: Iterator[float | Killed] = iter(values)
        self.seen: list[list[np.ndarray]] = []

    def __call__(self, model: Any) -> Mapping[str, float]:
        self.seen.append(model.get_weights())
        value = next(self.values)
        if isinstance(value, Killed):
            raise value
        return {"val_loss": float(np.sum(self.seen[-1][0])), "val_macro_ap": value}


def make_task(evaluate: Any, **changed: Any) -> FitTask:
    """Return the toy's task."""
    values = {"make_batches": make_batches, "steps": STEPS, "loss": MultiLabelLoss(), "evaluate": evaluate}
    return FitTask(**values | changed)


def fit_toy(script: Script, state: TrainState | None = None, **changed: Any) -> tuple[Any, FitResult]:
    """Fit the toy; return the evaluated model and the result."""
    config = make_train_config(**{"optimizer": "Adam", "weight_decay": 0.0, "learning_rate": 0.02} | changed)
    batch = next(iter(make_batches()))[0]
    task = make_task(script, loss=build_loss(config, np.ones(2), 2), norm_batches=[batch])
    evaluated = wrap(build_toy())
    return evaluated, fit(wrap(build_toy()), evaluated, task, config, lambda epoch, row: None, state)


def wrap(toy: Any) -> Any:
    """Return the toy with a named input, as classifiers have."""
    features = outputs = keras.Input((4,), name="features")
    for layer in toy.layers:
        outputs = layer(outputs)
    return keras.Model({"features": features}, outputs)


def forget_seconds(result: FitResult) -> list[dict[str, float]]:
    """Return the history without what no two runs share."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in result.history]


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
    assert forget_seconds(result) == forget_seconds(FitResult(trained.history))


def test_history_has_one_row_an_epoch_and_is_logged_as_it_grows() -> None:
    logged: list[tuple[int, Mapping[str, float]]] = []
    config = make_train_config(epochs=3, optimizer="Adam", weight_decay=0.0, schedule="cosine")
    script = Script(0.3, 0.4, 0.2)
    trained, evaluated = wrap(build_toy()), wrap(build_toy())
    result = fit(trained, evaluated, make_task(script), config, lambda epoch, row: logged.append((epoch, row)))
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


@pytest.mark.parametrize(
    ("num_epochs", "changed"),
    [
        pytest.param(1, {"keep": "best"}, marks=pytest.mark.drill),
        (3, {"keep": "best"}),
        (2, {"keep": "last", "ema_momentum": 0.9, "clip_norm": 0.1}),
        *((epochs, MEAN_OF_THE_LAST) for epochs in (2, 3)),  # before and within the epochs that are averaged
        (2, {"early_stopping_epochs": 1, "optimizer": "SGD", "schedule": "cosine", "warmup_epochs": 1}),
        *((epochs, FROZEN_AT_FIRST) for epochs in (1, 2, 3)),  # within, at the end of and after the first phase
    ],
    ids=["best 1", "best 3", "averaged 2", "mean 2", "mean 3", "stopped 2", "frozen 1", "frozen 2", "frozen 3"],
)
def test_a_training_that_was_killed_ends_as_one_that_was_not(
    num_epochs: int, changed: dict[str, Any], tmp_path: Path
) -> None:
    values = (0.2, 0.9, 0.5, 0.95)
    whole, result = fit_toy(Script(*values), epochs=4, **changed)
    state = TrainState(tmp_path)
    with contextlib.suppress(Killed):
        fit_toy(Script(*values[:num_epochs], Killed()), state, epochs=4, **changed)
    snapshot = state.read()
    assert snapshot is not None
    assert len(snapshot.history) == num_epochs
    keras.utils.set_random_seed(999)  # another process
    resumed, again = fit_toy(Script(*values[num_epochs:]), state, epochs=4, **changed)
    assert_same_weights(resumed.get_weights(), whole.get_weights())
    assert forget_seconds(again) == forget_seconds(result)
    finished, _ = fit_toy(Script(), state, epochs=4, **changed)  # the kill came after the last epoch
    assert_same_weights(finished.get_weights(), whole.get_weights())


def test_what_comes_before_the_first_epoch_is_done_once(tmp_path: Path) -> None:
    begun: list[Any] = []

    def start(trained: Any, evaluated: Any) -> None:
        begun.append(evaluated)
        trained.set_weights([weight + 0.5 for weight in trained.get_weights()])

    def fit_started(script: Script, state: TrainState | None = None) -> list[np.ndarray]:
        config = make_train_config(epochs=2, optimizer="Adam", weight_decay=0.0)
        evaluated = wrap(build_toy())
        fit(wrap(build_toy()), evaluated, make_task(script, start=start), config, lambda epoch, row: None, state)
        return list(evaluated.get_weights())

    whole, state = fit_started(Script(0.1, 0.2)), TrainState(tmp_path)
    with contextlib.suppress(Killed):
        fit_started(Script(0.1, Killed()), state)
    assert_same_weights(fit_started(Script(0.2), state), whole)
    assert len(begun) == 2


def test_averaged_weights_are_the_average_over_the_steps() -> None:
    model = build_toy()
    config = make_train_config(ema_momentum=0.75, optimizer="SGD", weight_decay=0.0)
    model.compile(optimizer=build_optimizer(config, model, STEPS), loss=MultiLabelLoss())
    expected: list[np.ndarray] = []
    for values, multi_hot in make_batches().take(5):
        model.train_on_batch(values["features"], multi_hot)
        now = [weight.numpy() for weight in model.trainable_variables]
        expected = [0.75 * old + 0.25 * new for old, new in zip(expected or now, now, strict=True)]
    raw = model.get_weights()
    averages = dict(zip((weight.path for weight in model.weights), read_weights(model, averaged=True), strict=True))
    for weight, value in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(averages[weight.path], value, rtol=1e-5, atol=1e-7)
    assert_same_weights(model.get_weights(), raw)
    assert_same_weights(read_weights(model, averaged=False), raw)


def test_the_last_epochs_are_kept_as_their_mean_with_statistics_of_it() -> None:
    raw, mean = Script(*[0.5] * 4), Script(*[0.5] * 4)
    fit_toy(raw, epochs=4, keep="last", norm_batches=0)
    evaluated, _ = fit_toy(mean, epochs=4, **MEAN_OF_THE_LAST)
    paths = [weight.path for weight in evaluated.weights]
    for number in range(4):
        epochs = raw.seen[min(number, 1) : number + 1]
        for path, value, *seen in zip(paths, mean.seen[number], *epochs, strict=True):
            if "moving" not in path:
                np.testing.assert_allclose(value, np.mean(seen, axis=0), rtol=1e-4, atol=1e-6, err_msg=path)
    kernel, bias, _, _, statistics, *_ = evaluated.get_weights()
    activations = np.maximum(next(iter(make_batches()))[0]["features"].numpy() @ kernel + bias, 0)
    np.testing.assert_allclose(statistics, activations.mean(axis=0), atol=1e-5)


@pytest.mark.parametrize(("norm_batches", "estimated"), [(1, True), (0, False)])
def test_unsettled_statistics_are_computed_anew_before_an_evaluation(norm_batches: int, estimated: bool) -> None:
    script = Script(0.1)
    fit_toy(script, epochs=1, norm_batches=norm_batches, ema_momentum=0.5)
    kernel, bias, _, _, mean, *_ = script.seen[0]
    features = next(iter(make_batches()))[0]["features"].numpy()
    activations = np.maximum(features @ kernel + bias, 0)
    assert np.allclose(mean, activations.mean(axis=0), atol=1e-5) == estimated


@pytest.mark.parametrize(("freeze_epochs", "phases"), [(0, [4]), (1, [1, 3]), (4, [4]), (9, [4]), ("all", [4])])
def test_phases_share_out_the_epochs(freeze_epochs: Any, phases: list[int]) -> None:
    config = make_train_config(epochs=4, freeze_epochs=freeze_epochs, learning_rate=0.1, unfrozen_rate_factor=0.5)
    planned = plan_phases(config)
    assert [phase.config.epochs for phase in planned] == phases
    assert [phase.first_epoch for phase in planned] == [0, *phases[:-1]]
    assert planned[-1].end_epoch == 4
    assert [phase.frozen for phase in planned] == [True, False][-len(phases) :] if freeze_epochs in (0, 1) else [True]
    rates = [phase.config.learning_rate for phase in planned]
    assert rates == ([0.1, 0.05] if freeze_epochs == 1 else [0.1])


def test_a_frozen_backbone_keeps_its_weights_and_statistics_until_it_learns_too() -> None:
    script = Script(0.5, 0.6)
    evaluated, result = fit_toy(script, epochs=2, freeze_epochs=1, unfrozen_rate_factor=0.5)
    before = wrap(build_toy()).get_weights()
    paths = [weight.path for weight in evaluated.weights]
    for earlier, later, changed in ((before, script.seen[0], ["logits"]), (*script.seen, {"logits", "dense", "batch"})):
        moved = {path for path, *pair in zip(paths, earlier, later, strict=True) if not np.array_equal(*pair)}
        assert {path.split("/")[-2].split("_")[0] for path in moved} == set(changed)
    assert moved == set(paths)
    assert [row["learning_rate"] for row in result.history] == pytest.approx([0.02, 0.01])
    assert all(layer.trainable for layer in evaluated.layers)  # how it was trained is no part of what is saved


def test_frozen_batch_normalisation_keeps_what_came_with_the_weights_while_the_rest_learns() -> None:
    script = Script(0.5, 0.6)
    options: dict[str, Any] = {"freeze_batch_norm": True, "ema_momentum": 0.5, "first_layer_rate_factor": 0.5}
    evaluated, _ = fit_toy(script, epochs=2, freeze_epochs=1, keep="last", **options)
    before = wrap(build_toy()).get_weights()
    for weight, earlier, later in zip(evaluated.weights, before, evaluated.get_weights(), strict=True):
        kept = "batch_normalization" in weight.path or "seed_generator" in weight.path
        assert np.array_equal(earlier, later) == kept, weight.path
    assert all(layer.trainable for layer in evaluated.layers)


def test_label_smoothing_reaches_the_loss() -> None:
    rough, smooth = (fit_toy(Script(0.1), label_smoothing=value)[1].history[0]["loss"] for value in (0.0, 0.4))
    assert not math.isclose(rough, smooth, rel_tol=1e-3)


def test_a_loss_that_diverges_ends_the_training_with_one_sentence(records: TinyRecords) -> None:
    config = make_train_config(learning_rate=1e30, optimizer="SGD", weight_decay=0.0, epochs=2)
    with pytest.raises(TrainingError, match=r"train\.learning_rate") as caught:
        fit_classifier(records.manifest, records.folder, records.statistics, config, lambda epoch, row: None)
    assert "\n" not in str(caught.value)
