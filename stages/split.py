"""split: the splits train, val and test, and an audit of how far they touch.

Reads: data/index.parquet, data/nomenclature.json, the lists of params. Writes: data/splits.parquet, reports/split/.
Params: split. Cost: seconds; half a minute for half a million patches; no TensorFlow.
"""

from landscribe.core.name_lists import read_names
from landscribe.core.nomenclature import read_classes
from landscribe.core.params import parse_section, read_params
from landscribe.index.labels import read_index
from landscribe.runtime.entry import run_or_exit
from landscribe.runtime.progress import make_logger
from landscribe.splits.assignment import write_splits
from landscribe.splits.config import SplitConfig
from landscribe.splits.leakage import audit
from landscribe.splits.report import write_split_report
from landscribe.splits.strategies import make_splits
from stages import paths


def main() -> None:
    config = parse_section(read_params(), "split", SplitConfig)
    index = read_index(paths.INDEX)
    assignment = make_splits(index, config)
    write_splits(assignment.splits, paths.SPLITS)
    _, classes = read_classes(paths.NOMENCLATURE)
    seen = {name for path in config.seen_paths for name in read_names(path)}
    leakage = audit(index, assignment.splits, classes, seen)
    for warning in write_split_report(paths.REPORTS / "split", index, assignment, leakage, classes):
        make_logger("split").warning("warning: %s", warning)


if __name__ == "__main__":
    run_or_exit(main)
