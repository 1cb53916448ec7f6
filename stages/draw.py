"""draw: pictures of the search, the training and the best and worst patches, from what these stages wrote.

Reads: reports/search/, reports/train/, reports/score/, scores/test.parquet, data/records/manifest.json. Writes:
reports/draw/; logs to the runs of the search and of the training. Params: none. Cost: seconds; no TensorFlow.
"""

from landscribe.core.scores import read_scores
from landscribe.evaluation.examples import read_examples
from landscribe.evaluation.gallery import draw_galleries
from landscribe.records.schema import read_manifest
from landscribe.runtime.entry import run_or_exit
from landscribe.search.pictures import draw_search
from landscribe.tracking import runs, studies
from landscribe.training.pictures import draw_training
from stages import paths


def main() -> None:
    draw_search(paths.REPORTS / "search", paths.DRAWN / "search")
    draw_training(paths.REPORTS / "train", paths.DRAWN / "train")
    examples, scores = read_examples(paths.EXAMPLES), read_scores(paths.SCORES / "test.parquet")
    draw_galleries(paths.DRAWN / "score", examples, scores, read_manifest(paths.MANIFEST).wavelengths_nm)
    with runs.left_to_register():
        runs.add_to_run(runs.read_run_record(paths.RUN)["run_id"], {}, paths.REPORTS, ("train", "score"))
        studies.add_pictures(paths.REPORTS)


if __name__ == "__main__":
    run_or_exit(main)
