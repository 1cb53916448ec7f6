"""Fill the MLflow store of this checkout with runs that look like trainings, to see pages with many of them.

    python -m benchmarks.many_runs 500

Tags, params, datasets and measures of the machine are real, and everything goes through `tracking.runs`; the learning
curves and the scores are drawn at random. It needs data/ as `make repro STAGE=convert` leaves it.
"""

import random
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from landscribe.core.params import PARAMS_FILE, find_repository, parse_section, read_params
from landscribe.evaluation.metrics import HEADLINE
from landscribe.records.schema import read_manifest
from landscribe.runtime.progress import track
from landscribe.tracking import runs
from landscribe.tracking.provenance import make_tags
from landscribe.tracking.system_metrics import SystemMetrics
from landscribe.training.config import TrainConfig

_CEILINGS = {
    "SmallResNet": 0.85,
    "MobileNetV3Small": 0.80,
    "MobileNetV2": 0.83,
    "ResNet50": 0.87,
    "EfficientNetB0": 0.86,
}
_BEST_RATE = 1.5e-3
_NUM_SAMPLES = 6


def main(num_runs: int) -> None:
    """Log so many runs."""
    root = find_repository()
    config = parse_section(read_params(root / PARAMS_FILE), "train", TrainConfig)
    manifest = read_manifest(root / "data/records/manifest.json")
    tags = make_tags(manifest, "CPU", root / "data")
    machine, rng = SystemMetrics(), random.Random(0)  # noqa: S311
    with tempfile.TemporaryDirectory() as empty:
        for _ in track(range(num_runs), total=num_runs, what="logging", unit="runs"):
            varied = vary(config, rng)
            history = draw_history(varied, rng)
            with runs.start_run(f"train-{varied.backbone}", tags, {"train": varied.model_dump()}) as run_id:
                runs.log_dataset(manifest, root / "data/records", "training")
                for row in history:
                    runs.log_epoch(int(row["epoch"]), row)
                for second in range(0, 5 * _NUM_SAMPLES, 5):
                    runs.log_metrics(machine.sample(), second)
                best = max(history, key=lambda row: row["val_macro_ap"])
                runs.log_metrics({"best_epoch": best["epoch"], "best_val_macro_ap": best["val_macro_ap"]})
            runs.add_to_run(run_id, draw_metrics(best["val_macro_ap"], rng), Path(empty), [])


def vary(config: TrainConfig, rng: random.Random) -> TrainConfig:
    """Return another section `train`, as a search or a person would try it."""
    changed = {
        "backbone": rng.choice(sorted(_CEILINGS)),
        "learning_rate": float(f"{10 ** rng.uniform(-4, -2):.2e}"),
        "batch_size_patches": rng.choice([16, 32, 64, 128]),
        "dropout": rng.choice([0.0, 0.1, 0.3]),
        "ema_momentum": rng.choice([0.0, 0.0, 0.99]),
        "epochs": rng.choice([5, 10, 15]),
        "seed": rng.randrange(100),
    }
    return TrainConfig.model_validate(config.model_dump() | changed)


def draw_history(config: TrainConfig, rng: random.Random) -> list[dict[str, float]]:
    """Return a learning curve that ends lower the further the learning rate is from a good one."""
    decades = abs(config.learning_rate / _BEST_RATE - 1) if config.learning_rate > _BEST_RATE else 0.0
    ceiling = _CEILINGS[config.backbone] - 0.03 * decades - rng.uniform(0, 0.06)
    rows = []
    for epoch in range(1, config.epochs + 1):
        done = 1 - 2.0 ** (-epoch * min(1.0, config.learning_rate / 4e-4))
        rows.append(
            {
                "epoch": epoch,
                "loss": 0.45 - 0.3 * done + rng.uniform(0, 0.01),
                "val_loss": 0.47 - 0.28 * done + rng.uniform(0, 0.03),
                "val_macro_ap": max(0.1, ceiling * (0.25 + 0.75 * done) + rng.uniform(-0.02, 0.02)),
                "learning_rate": config.learning_rate * (1 - (epoch - 1) / config.epochs),
                "seconds": rng.uniform(20, 25),
            }
        )
    return rows


def draw_metrics(macro_ap: float, rng: random.Random) -> Mapping[str, float]:
    """Return the headline metrics of val and test around a score."""
    metrics = {
        f"{split}_{name}": macro_ap - lower + rng.uniform(-0.03, 0.01)
        for split, lower in (("val", 0.0), ("test", 0.01))
        for name in (*HEADLINE, "macro_ap_ridge")
    }
    return metrics | {
        "test_macro_ap_low": metrics["test_macro_ap"] - 0.02,
        "test_macro_ap_high": metrics["test_macro_ap"] + 0.02,
    }


if __name__ == "__main__":
    main(int(sys.argv[1]))
