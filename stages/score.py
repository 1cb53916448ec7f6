"""score: truth and scores of val and test, the pixels of the best and the worst patches.

Reads: models/model.keras, data/records/. Writes: scores/{val,test}.parquet, reports/score/. Params: none.
"""

from landscribe.core.nomenclature import check_same_classes
from landscribe.core.params import parse_section, read_params
from landscribe.core.scores import Scores, write_scores
from landscribe.evaluation.examples import choose_examples, collect_examples, write_examples
from landscribe.models.artifact import read_model
from landscribe.models.card import read_card
from landscribe.models.config import MachineConfig
from landscribe.models.devices import choose_device
from landscribe.models.scoring import make_predict, predict_scores
from landscribe.pipeline.dataset import make_eval_dataset
from landscribe.records.schema import check_not_empty, read_manifest
from landscribe.runtime.entry import run_or_exit
from stages import paths


def main() -> None:
    manifest, card = read_manifest(paths.MANIFEST), read_card(paths.MODEL)
    check_not_empty(manifest, "val")
    check_not_empty(manifest, "test")
    check_same_classes(card.classes, manifest.classes, str(paths.MODEL), "Run the stage train again.")
    choose_device(parse_section(read_params(), "machine", MachineConfig).device)
    predict = make_predict(read_model(paths.MODEL))
    for split in ("val", "test"):
        batches = make_eval_dataset(manifest, paths.RECORDS, split, list(card.bands), 64)
        scores = Scores(
            *predict_scores(predict, batches, manifest.num_records(split), f"scoring {split}"), card.classes
        )
        write_scores(scores, paths.SCORES / f"{split}.parquet")
    chosen = {name for names in choose_examples(scores).values() for name in names}  # of test, the last
    write_examples(paths.EXAMPLES, collect_examples(batches, sorted(chosen)))


if __name__ == "__main__":
    run_or_exit(main)
