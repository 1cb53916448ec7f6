"""train: fit the classifier, keep the epoch that train.keep names.

Reads: data/records/, data/band_statistics.json, search/best_params.yaml; DVC compares data/weights.json.
Writes: models/model.keras, reports/train/. Params: train, with the values of the search. Cost: the longest stage.
"""

from landscribe.core.params import parse_section, read_params
from landscribe.models.artifact import write_model
from landscribe.models.config import MachineConfig
from landscribe.records.schema import read_manifest
from landscribe.records.statistics import read_statistics
from landscribe.runtime.entry import run_or_exit
from landscribe.search.best import read_best
from landscribe.tracking import provenance, runs
from landscribe.training.config import TrainConfig
from landscribe.training.epoch_lines import log_lines
from landscribe.training.recipe import fit_classifier, make_card, prepare, read_pretrained
from landscribe.training.report import write_train_report
from landscribe.training.session import open_session
from stages import paths


def main() -> None:
    config = parse_section(read_params(), "train", TrainConfig).vary(read_best(paths.BEST_PARAMS))
    manifest, statistics = read_manifest(paths.MANIFEST), read_statistics(paths.BAND_STATISTICS)
    device = prepare(manifest, config, parse_section(read_params(), "machine", MachineConfig).device)
    start, name = read_pretrained(manifest, config), f"train-{config.backbone}"
    tags = provenance.make_tags(manifest, device, paths.RECORDS.parent) | (start.tags if start else {})
    log = log_lines(config, device, runs.log_epoch)
    with open_session(name, config, manifest, statistics, tags) as (run_id, state):
        data = runs.log_dataset(manifest, paths.RECORDS, "training")
        model, result = fit_classifier(manifest, paths.RECORDS, statistics, config, log, state, start)
        write_model(model, make_card(manifest, statistics, config), paths.MODEL)
        write_train_report(paths.REPORTS / "train", result.history, start)
        runs.write_record(paths.RUN, name, run_id, tags, {"train": config.model_dump()}, result.outcome, data)
        runs.log_training(paths.REPORTS / "train", result.outcome)


if __name__ == "__main__":
    run_or_exit(main)
