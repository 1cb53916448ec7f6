"""register: the trained and evaluated model as a version with the alias `challenger`; the same model only once.

Reads: models/, metrics/, scores/, reports/, data/records/. Writes: reports/register/. Params: register. No TensorFlow.
"""

from landscribe.errors import run_or_exit
from landscribe.evaluation.thresholds import read_thresholds
from landscribe.files import read_json, write_json
from landscribe.models.card import read_card
from landscribe.params import parse_section, read_params
from landscribe.progress import make_logger
from landscribe.records.reader import read_example
from landscribe.records.schema import read_manifest
from landscribe.scores import compute_truth_digest, read_scores
from landscribe.tracking import runs
from landscribe.tracking.config import RegisterConfig
from landscribe.tracking.registry import Candidate, register
from stages import paths


def main() -> None:
    """Run the stage."""
    name = parse_section(read_params(), "register", RegisterConfig).model_name
    card = read_card(paths.MODEL)
    metrics = read_json(paths.METRICS / "val.json") | read_json(paths.METRICS / "test.json")
    candidate = Candidate(
        model_path=paths.MODEL,
        card=card,
        thresholds=read_thresholds(paths.THRESHOLDS, card.classes),
        metrics=metrics,
        test_digest=compute_truth_digest(read_scores(paths.SCORES / "test.parquet")),
        example=read_example(read_manifest(paths.MANIFEST), paths.RECORDS, "val", list(card.bands)),
    )
    registration = register(candidate, name, runs.ensure_run(metrics, paths.REPORTS))
    write_json(paths.REGISTRATION, registration)
    make_logger("register").info("register: %s version %d is the challenger", name, registration["version"])


if __name__ == "__main__":
    run_or_exit(main)
