"""pruning: what it saves in epochs and what it costs in the best value, on the demo archive.

The search of the project with the pruning of params.yaml and without, from the same seeds: the epochs of all trials,
and the best val macro average precision. The noise is the standard deviation over the seeds of the best values without
pruning. 20 trials of 8 epochs, twice for each of three seeds, two at a time.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks import Figure
from benchmarks.losses import make_records
from landscribe.core.files import write_json
from landscribe.core.params import PARAMS_FILE, parse_section, read_params
from landscribe.records.schema import write_manifest
from landscribe.search.config import SearchConfig
from landscribe.search.report import Summary
from landscribe.training.config import TrainConfig

SEEDS = (1, 2, 3)
NUM_TRIALS = 20
NUM_EPOCHS = 8
NUM_PATCHES = 500
NUM_WORKERS = 2
MOST_EPOCHS = 0.75  # of those without pruning
_CHECKOUT = Path(__file__).resolve().parents[1]
_SEARCH = {
    "backbones": ["SmallResNet"],
    "learning_rate": {"low": 1e-4, "high": 3e-2},
    "space": {"dropout": {"low": 0.0, "high": 0.5}, "weight_decay": {"low": 1e-3, "high": 0.3, "log": True}},
}
_TRAIN = {"bands": ["B02", "B03", "B04", "B08"], "warmup_epochs": 0.5, "norm_batches": 8}


def run() -> list[Figure]:
    """Search and compare; a line per seed goes to stdout."""
    params = read_params(_CHECKOUT / PARAMS_FILE)
    params["demo"] |= {"num_patches": NUM_PATCHES}
    params["split"] |= {"fractions": {"val": 0.25, "test": 0.05}}
    with tempfile.TemporaryDirectory() as name, _keep_aside(Path(name)):
        records = make_records(Path(name), params)
        write_manifest(records.manifest, records.folder / "manifest.json")
        write_json(Path(name) / "band_statistics.json", records.statistics)
        pairs = [_compare(params, seed, Path(name)) for seed in SEEDS]
    epochs = np.array([[with_it.num_epochs, without.num_epochs] for with_it, without in pairs], float).mean(axis=0)
    best = np.array([[with_it.best_val_macro_ap, without.best_val_macro_ap] for with_it, without in pairs])
    noise = float(best[:, 1].std(ddof=1)) if len(pairs) > 1 else 0.0
    value, reference = map(float, best.mean(axis=0))
    sys.stdout.write(f"pruning: noise of a seed {noise:.4f} macro AP\n")
    what = f"{NUM_TRIALS} trials of {NUM_EPOCHS} epochs, mean of {len(SEEDS)} seeds"
    target = MOST_EPOCHS * float(epochs[1])
    return [
        Figure(f"pruning: epochs, {what}", float(epochs[0]), "epochs", float(epochs[1]), epochs[0] / epochs[1], target),
        Figure(f"pruning: best, {what}", value, "macro AP", reference, value / reference, reference - noise),
    ]


@contextlib.contextmanager
def _keep_aside(folder: Path) -> Iterator[None]:
    """Let studies and runs of the block lie in a folder."""
    changed = {"DVC_ROOT": str(folder), "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    changed |= {"OPTUNA_STORAGE": f"sqlite:///{folder}/studies.db"}
    before = dict(os.environ)
    os.environ.update(changed)
    try:
        yield
    finally:
        for name in changed:
            os.environ.pop(name)
        os.environ.update({name: value for name, value in before.items() if name in changed})


def _compare(params: dict[str, dict[str, object]], seed: int, data_dir: Path) -> tuple[Summary, Summary]:
    """Return what a search with pruning, and one without, gave from a seed."""
    from landscribe.search.optimize import search_best

    train = parse_section({"train": params["train"] | _TRAIN | {"seed": seed}}, "train", TrainConfig)
    found = []
    for pruning in (params["search"]["pruning"], None):
        section = _SEARCH | {"trials": NUM_TRIALS, "epochs": NUM_EPOCHS, "seed": seed, "pruning": pruning}
        search = parse_section({"search": section}, "search", SearchConfig)
        found.append(search_best(search, train, "auto", data_dir, NUM_WORKERS))
    with_it, without = found
    sys.stdout.write(
        f"pruning: seed {seed}: {with_it.num_epochs} epochs instead of {without.num_epochs}, {with_it.num_pruned} of"
        f" {NUM_TRIALS} trials pruned; best val macro AP {with_it.best_val_macro_ap:.4f} instead of"
        f" {without.best_val_macro_ap:.4f}\n"
    )
    sys.stdout.flush()
    return with_it, without
