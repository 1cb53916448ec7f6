"""ucmerced: test macro AP of the committed recipe on multi-label UC Merced, beside what it must beat.

    UCMERCED=FOLDER python -m benchmarks ucmerced

FOLDER holds images/, train.csv (image_name,tags) and lists/{train,val,test}.csv. Every model is trained from scratch on
the same lists; each run of a recipe is the whole pipeline, in a copy of the project, and reads the test split once.
"""

import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import Figure
from landscribe.core.average_precision import compute_macro_ap
from landscribe.core.errors import ParamsError
from landscribe.records.reader import iter_split
from landscribe.records.schema import read_manifest
from tests.support.checkout import Checkout

SEEDS = (1, 2, 3)
TARGET = 0.87  # of the mean over the seeds
_PLANET = "train.weights=null train.freeze_epochs=0 archive.nomenclature=discovered split.strategy=official"


def run() -> list[Figure]:
    """Train every seed of the recipe, the Planet recipe, ridge and random forest; the reference is the forest."""
    data = _find_data()
    with tempfile.TemporaryDirectory() as folder:
        checkout = Checkout(Path(folder))
        planet = _run_recipe(checkout, "recipes/planet.yaml", f"{data} {_PLANET}")
        seeds = [_run_recipe(checkout, "recipes/ucmerced.yaml", f"{data} train.seed={seed}") for seed in SEEDS]
        ridge, forest = _score_statistics(Path(folder) / "data/records")
    values = {f"seed {seed}": value for seed, value in zip(SEEDS, seeds, strict=True)}
    values |= {"mean of the seeds": statistics.mean(seeds), "planet recipe from scratch": planet}
    values |= {"ridge on colour and texture": ridge, "random forest on the same": forest}
    return [
        Figure(
            f"ucmerced: {name}",
            value,
            "test macro AP",
            forest,
            value / forest,
            TARGET if name == "mean of the seeds" else None,
        )
        for name, value in values.items()
    ]


def _find_data() -> str:
    """Return the assignments that name the data.

    Raises:
        ParamsError: UCMERCED does not name a folder of it.
    """
    root = Path(os.environ.get("UCMERCED", ""))
    lists = [root / "lists" / f"{split}.csv" for split in ("train", "val", "test")]
    if not os.environ.get("UCMERCED") or not all(path.is_file() for path in (root / "train.csv", *lists)):
        raise ParamsError(
            "UCMERCED: expected the folder of the data, with images/, train.csv and lists/{train,val,test}.csv;"
            f" received '{root}'. Set the environment variable UCMERCED."
        )
    files = ",".join(str(path.resolve()) for path in lists)
    root = root.resolve()
    return f"archive.root={root / 'images'} archive.labels_file={root / 'train.csv'} split.files=[{files}]"


def _run_recipe(checkout: Checkout, recipe: str, assignments: str) -> float:
    """Return the test macro AP of the pipeline with these params."""
    checkout.run("git", "checkout", "--quiet", "params.yaml")
    began, worked = time.monotonic(), _sum_processor_s()
    checkout.repro(assignments, "--recipe", recipe, "--stage", "evaluate")
    minutes, core_minutes = (time.monotonic() - began) / 60, (_sum_processor_s() - worked) / 60
    value = checkout.read("metrics/test.json")["test_macro_ap"]
    sys.stdout.write(f"{recipe}: {value:.4f} after {minutes:.1f} min, {core_minutes:.1f} of one core\n")
    sys.stdout.flush()
    return value


def _sum_processor_s() -> float:
    """Return the processor time of all child processes that have ended: other work of the machine does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _score_statistics(records: Path) -> tuple[float, float]:
    """Return the test macro AP of ridge regression and of a random forest on statistics of colour and texture."""
    manifest = read_manifest(records / "manifest.json")
    features: dict[str, np.ndarray] = {}
    truth: dict[str, np.ndarray] = {}
    for split in ("train", "test"):
        found = list(iter_split(manifest, records, split))
        features[split] = np.stack([_describe(np.stack([record.bands[band] for band in "RGB"])) for record in found])
        truth[split] = np.stack([record.multi_hot for record in found]).astype(np.float32)
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 7))).fit(features["train"], truth["train"])
    forest = RandomForestClassifier(500, min_samples_leaf=2, random_state=0, n_jobs=-1)
    forest.fit(features["train"], truth["train"].astype(np.int64))
    votes = np.stack([share[:, -1] for share in forest.predict_proba(features["test"])], axis=1)
    return (
        compute_macro_ap(truth["test"], ridge.predict(features["test"])),
        compute_macro_ap(truth["test"], votes),
    )


def _describe(image: np.ndarray) -> np.ndarray:
    """Return statistics of uint8 [3, row, column]: colours, and how rough the grey image is at three scales."""
    colours = image.reshape(3, -1).astype(np.float32)
    parts = [colours.mean(axis=1), colours.std(axis=1), *np.percentile(colours, [5, 25, 50, 75, 95], axis=1)]
    grey = Image.fromarray(image.mean(axis=0).astype(np.uint8))
    for side in (128, 64, 32):
        values = np.asarray(grey.resize((side, side), Image.Resampling.BOX), dtype=np.float32)
        rows, columns = np.gradient(values)
        steepness = np.hypot(rows, columns)
        parts += [np.array([steepness.mean(), steepness.std(), *np.percentile(steepness, [50, 90])])]
        parts += [np.histogram(np.arctan2(rows, columns) % np.pi, 8, (0, np.pi), weights=steepness)[0] / side**2]
    return np.concatenate(parts)
