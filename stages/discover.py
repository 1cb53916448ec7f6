"""discover: one row per patch, its classes by name and its place; quirks counted, bad patches quarantined.

Reads: the archive, data/archive.json. Writes: data/index.parquet, data/nomenclature.json, reports/discover/.
Params: archive, discover. Cost: one small file per patch (v1), seconds (v2); no TensorFlow.
"""

from landscribe.archive.config import ArchiveConfig
from landscribe.archive.layouts import open_archive
from landscribe.archive.locate import locate_patches
from landscribe.core.nomenclature import make_nomenclature, write_nomenclature
from landscribe.core.params import find_repository, parse_section, read_params
from landscribe.core.quarantine import check_bad_fraction
from landscribe.index.config import DiscoverConfig
from landscribe.index.labels import Exclusions, build_index, find_labels, write_index
from landscribe.index.report import write_discover_report
from landscribe.runtime.entry import run_or_exit
from landscribe.runtime.progress import log_summary
from stages import paths


def main() -> None:
    params = read_params()
    config = parse_section(params, "archive", ArchiveConfig)
    limit = parse_section(params, "discover", DiscoverConfig).max_bad_fraction
    archive = open_archive(config)
    listing = archive.read_listing()
    listing.patches = locate_patches(listing.patches)
    nomenclature = make_nomenclature(config.nomenclature, find_labels(listing.patches), find_repository())
    index = build_index(listing, nomenclature, Exclusions(config.exclude_paths, config.exclude_flags))
    check_bad_fraction(index.quarantined, index.num_checked, limit, "discover")
    write_index(index.table, paths.INDEX)
    write_nomenclature(nomenclature, paths.NOMENCLATURE)
    log_summary("discover", write_discover_report(paths.REPORTS / "discover", index, nomenclature.classes, archive))


if __name__ == "__main__":
    run_or_exit(main)
