"""The search as a whole: a study, its run in MLflow, worker processes for its trials, its report.

TensorFlow is the workers' alone.
"""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from landscribe.models.config import Device
from landscribe.records.schema import Manifest, read_manifest
from landscribe.runtime.progress import make_logger
from landscribe.search.config import SearchConfig
from landscribe.search.processes import run_workers
from landscribe.search.report import Summary, write_search_report
from landscribe.search.storage import explain_failures
from landscribe.search.study import Study, read_best_value, read_values
from landscribe.search.trial import TrialTask
from landscribe.search.variation import make_space, warn_of_baseline
from landscribe.tracking import runs, studies
from landscribe.tracking.provenance import make_tags
from landscribe.training.config import TrainConfig
from landscribe.training.identity import identify
from landscribe.training.inputs import check_inputs
from landscribe.training.weights import find_source

WORKER_MODULE = "landscribe.search.trial"
WORKER = (sys.executable, "-m", WORKER_MODULE)


def search_best(
    config: SearchConfig,
    train: TrainConfig,
    device: Device,
    data_dir: Path,
    num_workers: int,
    report_dir: Path | None = None,
) -> Summary:
    """Run the missing trials, alone or with other hosts, and return the summary.

    Args:
        config: section `search`, of one trial or more.
        train: section `train`; what a trial does not vary.
        device: where trials compute, `machine.device`.
        data_dir: has `records`, `band_statistics.json` and the files that say where they come from.
        num_workers: processes at a time, each with one trial.
        report_dir: receives the report; None: there is none.

    Raises:
        ParamsError: `search.space` does not fit the section `train`.
        RecordsError: a band is not stored, or train or val is empty.
        SearchError: the study cannot be reached, or a trial cannot be done.
        TrainingError: the weights to start from are not there.
    """
    space = make_space(config, train)
    warn_of_baseline(space, train)
    manifest = read_manifest(data_dir / "records/manifest.json")
    check_inputs(manifest, train)
    with explain_failures():
        study = Study(name_study(config, train, manifest), config, space)
        with _open_parent(study, manifest, data_dir) as (parent, tags):
            task = TrialTask(
                search=config,
                train=train,
                device=device,
                manifest_path=data_dir / "records/manifest.json",
                statistics_path=data_dir / "band_statistics.json",
                study_name=study.name,
                parent_run_id=parent,
                tags=tags,
            )
            _say_begun(study)

            def settle() -> None:
                studies.settle_trials(parent, study.read_states(), study.list_lost())

            run_workers(study, WORKER, task.model_dump(mode="json"), num_workers, settle)
            summary = Summary.of(study)
            runs.log_metrics(summary.make_metrics())
            if report_dir:
                _write_report(report_dir, study, task)
                runs.log_files(report_dir, "search")
    return summary


def name_study(config: SearchConfig, train: TrainConfig, manifest: Manifest) -> str:
    """Return the name of the study: a digest of everything that a trial depends on, without the number of trials.

    Raises:
        TrainingError: the weights to start from are not there.
    """
    source = find_source(train.weights, config.backbones)
    shaping = train.model_dump(exclude={"epochs"})
    digest = identify(WORKER_MODULE, config.model_dump(exclude={"trials"}), shaping, manifest.digest, source.digest)
    return f"landscribe-{digest}"


@contextlib.contextmanager
def _open_parent(study: Study, manifest: Manifest, data_dir: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Open the study's run; yield its id and the tags of its trials."""
    tags = make_tags(manifest, "that of each trial", data_dir)
    with contextlib.ExitStack() as until_done:
        with study.lock():  # also: two hosts that make the tables of one tracking store at once break each other
            params = {"search": study.config.model_dump()}
            parent = until_done.enter_context(studies.open_parent(study.key, tags, params))
        runs.log_dataset(manifest, data_dir / "records", "search")
        yield parent, tags


def _write_report(folder: Path, study: Study, task: TrialTask) -> None:
    """Write the report, and `run.json`, from which the runs can be restored."""
    write_search_report(folder, study)
    trials = [
        {
            "number": trial.number,
            "state": trial.state.name,
            "params": {"train": task.vary_train(read_values(trial)).model_dump()},
            "metrics": {"best_val_macro_ap": read_best_value(trial), "num_epochs": len(trial.intermediate_values)},
            "val_macro_ap": list(trial.intermediate_values.values()),
        }
        for trial in study.list_answered()
    ]
    metrics, params = Summary.of(study).make_metrics(), {"search": study.config.model_dump()}
    studies.write_record(folder / "run.json", study.key, task.tags, params, metrics, trials)


def _say_begun(study: Study) -> None:
    """Say what is there from before."""
    num_left = study.count_missing() + len(study.list_running())
    if num_answered := study.config.trials - num_left:
        make_logger("search").info("search: %d of %d trials are there", num_answered, study.config.trials)
