"""split: who trains, who validates, who tests.

Reads: data/index.parquet, data/nomenclature.json. Writes: data/splits.parquet, reports/split/.
Params: split. Cost: seconds; no TensorFlow.
"""

from landscribe.errors import run_or_exit
from landscribe.labels import read_index
from landscribe.nomenclature import read_classes
from landscribe.params import parse_section, read_params
from landscribe.progress import make_logger
from landscribe.splits import SplitConfig, count_absent, make_splits, write_splits
from landscribe.splits_report import write_split_report
from stages import paths


def main() -> None:
    """Run the stage."""
    config = parse_section(read_params(), "split", SplitConfig)
    index = read_index(paths.INDEX)
    splits = make_splits(index["patch_id"].tolist(), config)
    write_splits(splits, paths.SPLITS)
    labels = dict(zip(index["patch_id"], index["labels"], strict=True))
    _, classes = read_classes(paths.NOMENCLATURE)
    for warning in write_split_report(paths.REPORTS / "split", splits, labels, classes):
        make_logger("split").warning("warning: %s", warning)
    for split, number in count_absent(index["patch_id"].tolist(), config).items():
        make_logger("split").info("split: %d names of the list for %s are not in the index", number, split)


if __name__ == "__main__":
    run_or_exit(main)
