"""register: the trained and evaluated model, and its card, as the challenger; the same model only once.

Reads: models/, metrics/, scores/, reports/, data/records/. Writes: reports/register/. Params: split, register.
"""

from landscribe.core.params import parse_section, read_params
from landscribe.evaluation.thresholds import read_thresholds
from landscribe.records.reader import read_example
from landscribe.registry import documentation
from landscribe.registry.config import RegisterConfig
from landscribe.registry.registration import Candidate, compute_test_digest, write_registration
from landscribe.runtime.entry import run_or_exit
from landscribe.splits.config import SplitConfig
from landscribe.tracking import runs, studies
from stages import paths


def main() -> None:
    name = parse_section(read_params(), "register", RegisterConfig).model_name
    split = parse_section(read_params(), "split", SplitConfig)
    facts = documentation.read_facts(paths.REPORTS, paths.MODEL, paths.MANIFEST, paths.METRICS, split)
    documentation.write_documentation(paths.DOCUMENTATION, facts)
    candidate = Candidate(
        model_path=paths.MODEL,
        card=facts.card,
        thresholds=read_thresholds(paths.THRESHOLDS, facts.card.classes),
        metrics=facts.metrics,
        test_digest=compute_test_digest(facts.manifest),
        example=read_example(facts.manifest, paths.RECORDS, "val", list(facts.card.bands)),
        description=documentation.make_description(facts),
        scores_path=paths.SCORES / "test.parquet",
    )
    run_id = runs.ensure_run(facts.metrics, paths.REPORTS)
    studies.ensure_study(paths.REPORTS / "search")
    write_registration(paths.REGISTRATION, candidate, name, run_id)
    runs.add_to_run(run_id, {}, paths.REPORTS, ["register"])


if __name__ == "__main__":
    run_or_exit(main)
