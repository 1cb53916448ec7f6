"""register: the trained and evaluated model, and its card, as the challenger; the same model only once.

Reads: models/, metrics/, scores/, reports/, data/. Writes: reports/register/. Params: split, register.
"""

from landscribe.core.params import parse_section, read_params
from landscribe.evaluation.thresholds import read_thresholds
from landscribe.records import reader, statistics
from landscribe.registry import config, documentation, registration
from landscribe.runtime.entry import run_or_exit
from landscribe.splits.config import SplitConfig
from landscribe.tracking import runs, studies
from stages import paths


def main() -> None:
    name = parse_section(read_params(), "register", config.RegisterConfig).model_name
    split = parse_section(read_params(), "split", SplitConfig)
    facts = documentation.read_facts(paths.REPORTS, paths.MODEL, paths.MANIFEST, paths.METRICS, split)
    documentation.write_documentation(paths.DOCUMENTATION, facts)
    candidate = registration.Candidate(
        model_path=paths.MODEL,
        card=facts.card,
        thresholds=read_thresholds(paths.THRESHOLDS, facts.card.classes),
        metrics=facts.metrics,
        test_digest=registration.compute_test_digest(facts.manifest),
        example=reader.read_example(facts.manifest, paths.RECORDS, "val", list(facts.card.bands)),
        statistics=statistics.read_statistics(paths.BAND_STATISTICS),
        description=documentation.make_description(facts),
        scores_path=paths.SCORES / "test.parquet",
        window_m=facts.window_m,
    )
    run_id = runs.ensure_run(facts.metrics, paths.REPORTS)
    studies.ensure_study(paths.REPORTS / "search")
    registration.write_registration(paths.REGISTRATION, candidate, name, run_id)
    runs.add_to_run(run_id, {}, paths.REPORTS, ["register"])


if __name__ == "__main__":
    run_or_exit(main)
