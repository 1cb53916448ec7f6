"""search: Optuna over learning rate and backbone; one parent run in MLflow with a child run a trial.

Reads: data/records/, data/band_statistics.json. Writes: search/best_params.yaml, reports/search/.
Params: search, train (its values are trial 0). Cost: search.trials short trainings. `trials: 0` passes train through.
"""

from dataclasses import asdict

from landscribe.errors import run_or_exit
from landscribe.files import write_json
from landscribe.params import parse_section, read_params
from landscribe.progress import make_logger
from landscribe.search import Choice, SearchConfig, write_best
from landscribe.training.config import TrainConfig
from stages import paths


def main() -> None:
    """Run the stage."""
    params = read_params()
    config = parse_section(params, "search", SearchConfig)
    train = parse_section(params, "train", TrainConfig)
    best = Choice(train.learning_rate, train.backbone)
    if not config.trials:
        make_logger("search").info("search: no trials; train takes its own values")
    else:
        # Imported here: a search without trials needs no TensorFlow.
        from landscribe.training.trials import search_best

        best = search_best(config, train, paths.MANIFEST, paths.BAND_STATISTICS, paths.REPORTS / "search")
    write_best(best, paths.BEST_PARAMS)
    write_json(paths.REPORTS / "search/summary.json", {"trials": config.trials, **asdict(best)})


if __name__ == "__main__":
    run_or_exit(main)
