"""search: Optuna over the section `train`; one parent run in MLflow with a child run per trial.

Reads: data/records/, data/band_statistics.json. Writes: search/best_params.yaml, reports/search/.
Params: search, train (its values are trial 0). Cost: search.trials short trainings, LANDSCRIBE_WORKERS at a time.
`trials: 0` passes train through.
"""

from collections.abc import Mapping
from typing import Any

from landscribe.core.files import write_json
from landscribe.core.params import parse_section, read_params
from landscribe.models.config import MachineConfig
from landscribe.runtime.entry import run_or_exit
from landscribe.runtime.progress import make_logger
from landscribe.search.best import write_best
from landscribe.search.config import SearchConfig
from landscribe.search.optimize import search_best
from landscribe.search.processes import read_num_workers
from landscribe.training.config import TrainConfig
from stages import paths


def main() -> None:
    params = read_params()
    config = parse_section(params, "search", SearchConfig)
    train = parse_section(params, "train", TrainConfig)
    best: Mapping[str, Any] = {"learning_rate": train.learning_rate, "backbone": train.backbone}
    if config.trials:
        device = parse_section(params, "machine", MachineConfig).device
        reports = paths.REPORTS / "search"
        best = search_best(config, train, device, paths.RECORDS.parent, read_num_workers(), reports).best
    else:
        make_logger("search").info("search: no trials; train takes its own values")
        write_json(paths.REPORTS / "search/summary.json", {"num_trials": 0})
    write_best(best, paths.BEST_PARAMS)


if __name__ == "__main__":
    run_or_exit(main)
