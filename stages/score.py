"""score: truth and scores of val and test, the best and the worst patches to look at.

Reads: models/model.keras, data/records/. Writes: scores/{val,test}.parquet, reports/score/. Params: train (device).
"""

from landscribe.core.nomenclature import check_same_classes
from landscribe.core.params import parse_section, read_params
from landscribe.core.scores import Scores, write_scores
from landscribe.evaluation.gallery import write_galleries
from landscribe.models.artifact import read_model
from landscribe.models.card import read_card
from landscribe.models.devices import choose_device
from landscribe.models.scoring import predict_scores
from landscribe.pipeline.dataset import make_eval_dataset
from landscribe.records.schema import check_not_empty, read_manifest
from landscribe.runtime.entry import run_or_exit
from landscribe.training.config import TrainConfig
from stages import paths

BATCH_SIZE_PATCHES = 64


def main() -> None:
    """Run the stage."""
    manifest, card = read_manifest(paths.MANIFEST), read_card(paths.MODEL)
    check_not_empty(manifest, "val")
    check_not_empty(manifest, "test")
    check_same_classes(card.classes, manifest.classes, str(paths.MODEL), "Run the stage train again.")
    choose_device(parse_section(read_params(), "train", TrainConfig).device)
    model = read_model(paths.MODEL)
    for split in ("val", "test"):
        batches = make_eval_dataset(manifest, paths.RECORDS, split, list(card.bands), BATCH_SIZE_PATCHES)
        scores = Scores(*predict_scores(model, batches), card.classes)
        write_scores(scores, paths.SCORES / f"{split}.parquet")
    write_galleries(paths.REPORTS / "score", batches, scores)  # of test, the last


if __name__ == "__main__":
    run_or_exit(main)
