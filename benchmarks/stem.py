"""stem: rules for the first kernel of ImageNet weights on other bands, by what a linear head makes of the features.

    UCMERCED=FOLDER MOBILENET=FILE python -m benchmarks stem

FOLDER is that of the case `ucmerced`, FILE the weights of `keras.applications.MobileNet` without its head. Problems:
the ten bands of params.yaml on the demo archive, and UC Merced with a fourth band, a synthetic infrared. No split named
test is read. The network is frozen; three ridge regressions, each on another random part of the patches, give three
seeds. The best two rules are then fine-tuned from the first of them, with one seed. The reference is the colours alone,
frozen.
"""

import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import Figure
from benchmarks.losses import make_records
from benchmarks.paths import find_path
from landscribe.core.average_precision import compute_macro_ap
from landscribe.core.bands import WAVELENGTHS_NM
from landscribe.core.params import PARAMS_FILE, read_params
from landscribe.models.preprocess import BandInput
from landscribe.models.stem import COLOURS, share_colours
from landscribe.records.reader import iter_split

BACKBONE = "MobileNet"
SEEDS = (1, 2, 3)
LEARNT = 0.75  # share of the demo's patches that a ridge regression learns from; 0.8 of the first 40 of UC Merced
FITTED_ON = 1000  # patches
TUNED_ON, EPOCHS, RATE, BATCH = 480, 15, 1e-4, 16  # patches ... patches per batch
_SIDE_PX = 128  # of UC Merced
_CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Problem:
    """Patches with labels.

    Attributes:
        name: for the figures.
        bands: in order.
        patches: band -> raw [patch, row, column].
        truth: float32 [patch, class].
        halves: of each seed, the patches to learn from and those to score.
    """

    name: str
    bands: list[BandInput]
    patches: dict[str, np.ndarray]
    truth: np.ndarray
    halves: list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Stem:
    """The first kernel, and what a standardised band is multiplied with and shifted by, one pair per band."""

    kernel: np.ndarray
    ranges: list[tuple[float, float]]


def mix(kernel: np.ndarray, shares: np.ndarray, matches: np.ndarray) -> Stem:
    """Return the stem of bands with these shares [band, colour] of the kernels, and the ranges of their colours."""
    from landscribe.models.applications import find_value_range

    scales, offsets = (matches @ values for values in find_value_range(BACKBONE))
    mixed = np.einsum("ijcf,bc->ijbf", kernel, shares).astype(np.float32)
    return Stem(mixed, list(zip(scales.tolist(), offsets.tolist(), strict=True)))


def take_colours_alone(kernel: np.ndarray, problem: Problem) -> Stem:
    """Give the three colours their kernels and every other band none: the reference."""
    shares = find_colours(problem)
    return mix(kernel, shares, shares)


def share_by_wavelength(kernel: np.ndarray, problem: Problem) -> Stem:
    """Share the kernel of a colour evenly among the bands nearest to it: the rule of earlier versions."""
    wavelengths = np.array([WAVELENGTHS_NM[band.name] for band in problem.bands])
    colours = np.array([WAVELENGTHS_NM[colour] for colour in COLOURS])
    nearest = np.eye(3)[abs(wavelengths[:, None] - colours).argmin(axis=1)]
    return mix(kernel, nearest / nearest.sum(axis=0), nearest)


def repeat_and_scale(kernel: np.ndarray, problem: Problem) -> Stem:
    """Repeat red, green and blue along the bands and scale by 3 / bands (timm, `adapt_input_conv`)."""
    repeated = np.eye(3)[np.arange(len(problem.bands)) % 3]
    return mix(kernel, repeated * 3 / len(problem.bands), repeated)


def keep_colours(kernel: np.ndarray, problem: Problem) -> Stem:
    """Give the three colours their kernels, every other band the mean of the three."""
    shares = find_colours(problem)
    shares[shares.sum(axis=1) == 0] = 1 / 3
    return mix(kernel, shares, shares)


def share_a_mean(kernel: np.ndarray, problem: Problem) -> Stem:
    """Give the three colours their kernels; all other bands share the mean of the three: the rule of the project."""
    shares = share_colours([band.name for band in problem.bands])
    return mix(kernel, shares, shares / shares.sum(axis=1, keepdims=True))


def fit_scales(kernel: np.ndarray, problem: Problem) -> Stem:
    """Scale each filter of `keep_colours` so that its response spreads as that of the three colours alone."""
    stems = (take_colours_alone(kernel, problem), keep_colours(kernel, problem))
    wanted, spread = (measure_spread(problem, stem) for stem in stems)
    return Stem(stems[1].kernel * (wanted / spread).astype(np.float32), stems[1].ranges)


REFERENCE = "colours alone"
RULES: dict[str, Callable[[np.ndarray, Problem], Stem]] = {
    REFERENCE: take_colours_alone,
    "shared by wavelength": share_by_wavelength,
    "repeated and scaled": repeat_and_scale,
    "colours kept, others their mean": keep_colours,
    "colours kept, others share their mean": share_a_mean,
    "colours kept, scales fitted": fit_scales,
}


def find_colours(problem: Problem) -> np.ndarray:
    """Return float64 [band, colour]: 1 where the band is the colour."""
    wavelengths = [WAVELENGTHS_NM[band.name] for band in problem.bands]
    return np.array([[float(one == WAVELENGTHS_NM[colour]) for colour in COLOURS] for one in wavelengths])


def measure_spread(problem: Problem, stem: Stem) -> np.ndarray:
    """Return the standard deviation of the first layer's response on patches to learn from, float64 [filter]."""
    from landscribe.models.preprocess import build_features, build_inputs
    from landscribe.pipeline.backend import keras, tf

    inputs = build_inputs(problem.bands)
    model = keras.Model(inputs, build_features(inputs, problem.bands))
    scale, offset = np.array(stem.ranges, np.float32).T
    moments = []
    for places in np.array_split(problem.halves[0][0][:FITTED_ON], 20):
        features = model.predict_on_batch({name: band[places] for name, band in problem.patches.items()})
        response = tf.nn.conv2d(features * scale + offset, stem.kernel, 2, "SAME").numpy().reshape(-1, 32)
        moments.append([response.mean(axis=0), (response**2).mean(axis=0)])
    mean, square = np.mean(np.array(moments, np.float64), axis=0)
    return np.asarray(np.sqrt(square - mean**2))


def run() -> list[Figure]:
    """Compare the rules frozen, then fine-tune the best two."""
    from landscribe.models.applications import build_application

    kernel, *rest = build_application(BACKBONE, (_SIDE_PX, _SIDE_PX, 3), str(find_path("MOBILENET"))).get_weights()
    figures, means = [], []
    problems = [make_demo(), make_ucmerced(find_path("UCMERCED"))]
    pooled: dict[tuple[str, str], np.ndarray] = {}
    for problem in problems:
        seeds = {}
        for rule, make in RULES.items():
            features = pooled[problem.name, rule] = pool(build(problem, make(kernel, problem), rest), problem)
            seeds[rule] = [probe(features, problem.truth, *half)[1] for half in problem.halves]
            _say(f"{problem.name}: {rule}, frozen", seeds[rule])
        means.append({rule: float(np.mean(values)) for rule, values in seeds.items()})
        figures += _compare(problem, "frozen", means[-1], means[-1][REFERENCE])
    ranked = sorted(set(RULES) - {REFERENCE}, key=lambda rule: -sum(mean[rule] for mean in means))
    for problem, mean in zip(problems, means, strict=True):
        tuned = {}
        for rule in ranked[:2]:
            tuned[rule] = tune(problem, RULES[rule](kernel, problem), rest, pooled[problem.name, rule])
        figures += _compare(problem, "fine-tuned", tuned, mean[REFERENCE])
    return figures


def build(problem: Problem, stem: Stem, rest: list[np.ndarray]) -> Any:
    """Return a Keras model {band: [batch, row, column]} -> pooled features [batch, 1024]."""
    from landscribe.models.backbones import build_backbone
    from landscribe.models.preprocess import build_features, build_inputs
    from landscribe.pipeline.backend import keras

    keras.backend.clear_session()
    inputs = build_inputs(problem.bands)
    (maps,) = build_backbone(BACKBONE, build_features(inputs, problem.bands), stem.ranges)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(maps))
    model.set_weights([stem.kernel, *rest])
    return model


def pool(model: Any, problem: Problem) -> np.ndarray:
    """Return the features of all patches, float32 [patch, feature]."""
    batches = np.array_split(np.arange(len(problem.truth)), len(problem.truth) // 64)
    return np.concatenate(
        [model.predict_on_batch({name: band[batch] for name, band in problem.patches.items()}) for batch in batches]
    )


def probe(features: np.ndarray, truth: np.ndarray, learn: np.ndarray, score: np.ndarray) -> tuple[Any, float]:
    """Return a ridge regression on frozen features, and its macro average precision."""
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 11))).fit(features[learn], truth[learn])
    return ridge, compute_macro_ap(truth[score], ridge.predict(features[score]))


def tune(problem: Problem, stem: Stem, rest: list[np.ndarray], features: np.ndarray) -> float:
    """Return the macro average precision of the whole network, fine-tuned from the ridge regression of seed 1."""
    from landscribe.models.classifier import freeze_batch_norm
    from landscribe.pipeline.backend import keras

    learn, score = problem.halves[0]
    scaler, ridge = (step for _, step in probe(features, problem.truth, learn, score)[0].steps)
    keras.utils.set_random_seed(SEEDS[0])
    network = build(problem, stem, rest)
    head = keras.layers.Dense(problem.truth.shape[1])
    model = keras.Model(network.input, head(network.output))
    slope = (ridge.coef_ / scaler.scale_).T
    head.set_weights([6 * slope, 6 * (ridge.intercept_ - scaler.mean_ @ slope - 0.5)])  # 0 to 1 as logits of -3 to 3
    freeze_batch_norm(model)
    steps = EPOCHS * min(TUNED_ON, len(learn)) // BATCH
    rate = keras.optimizers.schedules.CosineDecay(RATE, steps)
    model.compile(keras.optimizers.Adam(rate), keras.losses.BinaryCrossentropy(from_logits=True))
    chosen = np.random.default_rng(SEEDS[0]).permutation(learn)[:TUNED_ON]
    values = {name: band[chosen] for name, band in problem.patches.items()}
    model.fit(values, problem.truth[chosen], batch_size=BATCH, epochs=EPOCHS, verbose=0)
    logits = model.predict({name: band[score] for name, band in problem.patches.items()}, batch_size=64, verbose=0)
    return compute_macro_ap(problem.truth[score], logits)


def make_demo() -> Problem:
    """Return the train patches of the demo archive, with the bands of params.yaml."""
    params = read_params(_CHECKOUT / PARAMS_FILE)
    names = params["train"]["bands"]
    with tempfile.TemporaryDirectory() as folder:
        records = make_records(Path(folder), params)
        found = list(iter_split(records.manifest, records.folder, "train"))
    patches = {name: np.stack([record.bands[name] for record in found]) for name in names}
    truth = np.stack([record.multi_hot for record in found]).astype(np.float32)
    orders = [np.random.default_rng(seed).permutation(len(truth)) for seed in SEEDS]
    halves = [(order[: int(LEARNT * len(order))], order[int(LEARNT * len(order)) :]) for order in orders]
    return Problem("demo, 10 bands", _describe(patches), patches, truth, halves)


def make_ucmerced(folder: Path) -> Problem:
    """Return UC Merced with a synthetic infrared: numbers 0 to 39 of each class to learn from, 40 to 54 to score."""
    table = pd.read_csv(folder / "train.csv", index_col="image_name")
    numbers = pd.Series({name: int(re.sub(r"\D", "", name)) for name in table.index})
    names = numbers.index[numbers < 55]
    images = []
    for name in names:
        with Image.open(folder / "images" / f"{name}.jpg") as image:
            images.append(np.asarray(image.convert("RGB").resize((_SIDE_PX,) * 2, Image.Resampling.BOX)))
    red, green, blue = np.moveaxis(np.stack(images), 3, 0)
    patches = {"R": red, "G": green, "B": blue, "NIR": make_infrared(red, green)}
    truth = table.loc[names, "tags"].str.get_dummies(" ").to_numpy(np.float32)
    learn, score = (np.flatnonzero(which) for which in (numbers[names] < 40, numbers[names] >= 40))
    parts = [np.random.default_rng(seed).permutation(learn)[: int(0.8 * len(learn))] for seed in SEEDS]
    return Problem("UC Merced, RGB and infrared", _describe(patches), patches, truth, [(part, score) for part in parts])


def make_infrared(red: np.ndarray, green: np.ndarray) -> np.ndarray:
    """Return a synthetic infrared, uint8: bright where green exceeds red, as plants are, and noisy.

    It holds nothing that the colours do not hold: what is measured is whether a rule spoils them.
    """
    red, green = (colour.astype(np.float32) / 255 for colour in (red, green))
    greenness = np.clip((green - red) / (green + red + 0.05), 0, 1)
    noise = np.random.default_rng(0).normal(0, 0.03, red.shape)
    return np.round(255 * np.clip(0.6 * np.sqrt(red * green) + 2.0 * greenness + noise, 0, 1)).astype(np.uint8)


def _describe(patches: Mapping[str, np.ndarray]) -> list[BandInput]:
    return [
        BandInput(name, band.shape[1], str(band.dtype), float(band.mean()), float(band.std()))
        for name, band in patches.items()
    ]


def _compare(problem: Problem, how: str, values: Mapping[str, float], reference: float) -> list[Figure]:
    return [
        Figure(f"stem: {problem.name}: {rule}, {how}", value, "macro AP", reference, value / reference, None)
        for rule, value in values.items()
    ]


def _say(what: str, values: list[float]) -> None:
    sys.stdout.write(f"stem: {what}: {', '.join(f'{value:.4f}' for value in values)}\n")
    sys.stdout.flush()
