"""Trials of the search: short trainings, each a child run of the study's run in MLflow."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import optuna

from landscribe.params import find_scratch
from landscribe.progress import make_logger
from landscribe.records.schema import Manifest, read_manifest
from landscribe.search import PARENT_RUN, Choice, SearchConfig, completed, open_study, read_best, run_study
from landscribe.search_report import write_search_report
from landscribe.statistics import read_statistics
from landscribe.tracking import runs
from landscribe.training.config import TrainConfig
from landscribe.training.fit import DivergedError
from landscribe.training.identity import identify
from landscribe.training.recipe import fit_classifier, prepare, read_pretrained
from landscribe.training.weights import find_source


def search_best(
    config: SearchConfig, train: TrainConfig, manifest_path: Path, statistics_path: Path, report_dir: Path
) -> Choice:
    """Run the missing trials, write the report and return the best values.

    Args:
        config: section `search`.
        train: section `train`; what a trial does not vary.
        manifest_path: of the records, which lie beside it.
        statistics_path: band statistics of the train split.
        report_dir: receives the report.

    Raises:
        TrainingError: training cannot start.
    """
    manifest, folder = read_manifest(manifest_path), manifest_path.parent
    device, source = prepare(manifest, train), find_source(train.weights, config.backbones)
    baseline = Choice(train.learning_rate, train.backbone)
    digest = _identify(config, train, manifest, source.digest)
    study = open_study(config, baseline, find_scratch() / "search" / digest)
    tags = runs.make_tags(manifest, device, folder.parent)
    statistics = read_statistics(statistics_path)

    def objective(number: int, choice: Choice) -> float:
        trial = _shorten(train, config.epochs, choice)
        with runs.start_run(f"trial-{number:03d}", tags, {"train": trial.model_dump()}, parent_run_id=parent):
            try:
                start = read_pretrained(manifest, trial)
                _, result = fit_classifier(manifest, folder, statistics, trial, runs.log_epoch, None, start)
                value = result.best_val_macro_ap
            except DivergedError:  # an answer too: the worst
                value = 0.0
            runs.log_metrics({"best_val_macro_ap": value})
        words = (number, choice.backbone, choice.learning_rate, value)
        make_logger("search").info("trial %d: %s at %.2g: val macro AP %.4f", *words)
        return value

    with _open_parent(study, tags, config) as parent:
        study.set_user_attr(PARENT_RUN, parent)
        runs.close_children(parent)
        runs.log_dataset(manifest, folder, "search")
        run_study(study, config, objective)
        write_search_report(report_dir, study, config)
        best = read_best(study, config)
        trials = completed(study, config)
        runs.log_metrics({"best_val_macro_ap": max(t.value or 0.0 for t in trials), "num_trials": len(trials)})
        runs.log_files(report_dir, "search")
    return best


def _identify(config: SearchConfig, train: TrainConfig, manifest: Manifest, weights_digest: str) -> str:
    """Return the digest of all that shapes a trial; the number of trials does not."""
    shaping = train.model_dump(exclude={"epochs", "device"})
    return identify(config.model_dump(exclude={"trials"}), shaping, manifest.digest, weights_digest)


def _shorten(train: TrainConfig, epochs: int, choice: Choice) -> TrainConfig:
    """Return the section `train` with the values of a trial; the schedule is that of the shorter training."""
    varied = {"epochs": epochs, "learning_rate": choice.learning_rate, "backbone": choice.backbone}
    return TrainConfig.model_validate(train.model_dump() | varied)


def _open_parent(study: optuna.Study, tags: Mapping[str, str], config: SearchConfig) -> AbstractContextManager[str]:
    """Open the study's run: the one it had before, when the store still knows it."""
    run_id = study.user_attrs.get(PARENT_RUN)
    if run_id and (present := runs.find_run(run_id)):
        return runs.resume_run(present)
    return runs.start_run("search", tags, {"search": config.model_dump()})
