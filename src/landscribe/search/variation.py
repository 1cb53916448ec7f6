"""What the search varies of the section `train`, checked before any work, importable without TensorFlow."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from landscribe.core.errors import ParamsError, did_you_mean
from landscribe.core.params import flatten
from landscribe.runtime.progress import make_logger
from landscribe.search.config import Hyperparameter, Scalar, SearchConfig
from landscribe.search.space import Dimension, Space
from landscribe.training.config import TrainConfig

# Keys that no trial may vary -> why.
_REFUSED = {
    "learning_rate": "its range is search.learning_rate",
    "backbone": "its choices are search.backbones",
    "epochs": "search.epochs is that of every trial",
    "bands": "all trials share their inputs",
    "weights": "all trials start from the same source",
    "keep": "val macro AP is that of the best epoch either way",
    "test_time_augmentation": "no val macro AP shows it",
    "seed": "a lucky one makes no better model",
} | dict.fromkeys(
    ("mixed_precision", "deterministic", "shuffle_buffer_patches"), "it says how to compute, not what to learn"
)


def make_space(search: SearchConfig, train: TrainConfig) -> Space:
    """Return what trials vary.

    Raises:
        ParamsError: a key is unknown or not to be varied; a value, or two together, are impossible in `train`.
    """
    rates = search.learning_rate
    dimensions = [
        Dimension("backbone", choices=tuple(search.backbones)),
        Dimension("learning_rate", low=rates.low, high=rates.high, log=True),
        *(_make_dimension(key, entry, train) for key, entry in search.space.items()),
    ]
    for one, other in itertools.combinations(dimensions, 2):
        for values in itertools.product(one.list_extremes(), other.list_extremes()):
            _check("search.space", train, dict(zip((one.key, other.key), values, strict=True)))
    return Space(dimensions, list(_iter_baselines(search, train, dimensions)))


def warn_of_baseline(space: Space, train: TrainConfig) -> None:
    """Print a line if the section `train` is not a trial, because a value is outside of the search space."""
    flat = flatten(train.model_dump())
    varied = [dimension for dimension in space.dimensions if dimension.is_for(train.backbone)]
    outside = [f"{one.key}: {flat[one.key]}" for one in varied if not one.contains(flat[one.key])]
    if outside:
        make_logger("search").warning(
            "search: the section train lies outside of what is searched (%s) and is no trial; search.trials=0 trains"
            " with it",
            ", ".join(outside),
        )


def _make_dimension(key: str, entry: Hyperparameter, train: TrainConfig) -> Dimension:
    """Return the dimension of an entry of `search.space`, its values in the type that the section `train` has."""
    _check_key(key, train)

    def read(value: Scalar) -> Any:
        return flatten(_check(f"search.space.{key}", train, {key: value}).model_dump())[key]

    if entry.choices is not None:
        return Dimension(key, choices=tuple(map(read, entry.choices)), backbones=entry.backbones)
    low, high = read(entry.low), read(entry.high)
    step = entry.step if entry.step is None or isinstance(low, float) else _read_whole(key, entry.step)
    return Dimension(key, (), low, high, entry.log, step, entry.backbones)


def _read_whole(key: str, step: float) -> int:
    if step != int(step):
        raise ParamsError(f"search.space.{key}.step: train.{key} is a whole number, so is its step; received {step}.")
    return int(step)


def _check_key(key: str, train: TrainConfig) -> None:
    """Raise `ParamsError` unless trials may vary the key."""
    if reason := _REFUSED.get(key):
        raise ParamsError(f"search.space.{key}: this is not varied here, for {reason}.")
    if key in ("freeze_epochs", "freeze_batch_norm") and train.weights is None:
        raise ParamsError(f"search.space.{key}: it freezes random weights; set train.weights, or take it out.")
    known = [name for name in flatten(train.model_dump()) if name not in _REFUSED]
    if key not in known:
        inner = [name for name in known if name.startswith(f"{key}.")]
        hint = f" Name one of its values: {', '.join(inner)}." if inner else did_you_mean(key, known)
        raise ParamsError(f"search.space.{key}: expected a key of the section train, dotted.{hint}")


def _check(where: str, train: TrainConfig, values: Mapping[str, Scalar]) -> TrainConfig:
    try:
        return train.vary(values)
    except ParamsError as error:
        raise ParamsError(f"{where}: {error}") from error


def _iter_baselines(
    search: SearchConfig, train: TrainConfig, dimensions: list[Dimension]
) -> Iterator[dict[str, Scalar]]:
    """Yield the values of `train`, then the same with every other backbone: a comparison at equal terms."""
    flat = flatten(train.model_dump())
    for backbone in sorted(search.backbones, key=lambda name: name != train.backbone):
        varied = [dimension for dimension in dimensions if dimension.is_for(backbone)]
        values = {dimension.key: flat[dimension.key] for dimension in varied} | {"backbone": backbone}
        if all(dimension.contains(values[dimension.key]) for dimension in varied):
            yield values
