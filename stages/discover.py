"""discover: one row a patch, its classes by name; quirks counted, bad patches quarantined.

Reads: the archive, data/archive.json. Writes: data/index.parquet, data/nomenclature.json, reports/discover/.
Params: archive, discover. Cost: one small file a patch; no TensorFlow.
"""

from landscribe.archive.config import ArchiveConfig
from landscribe.archive.layouts import open_archive
from landscribe.errors import run_or_exit
from landscribe.labels import DiscoverConfig, build_index, write_index
from landscribe.labels_report import write_discover_report
from landscribe.name_lists import read_names
from landscribe.nomenclature import make_nomenclature, write_nomenclature
from landscribe.params import find_repository, parse_section, read_params
from landscribe.progress import say_summary
from landscribe.quarantine import check_bad_fraction
from stages import paths


def main() -> None:
    """Run the stage."""
    params = read_params()
    config = parse_section(params, "archive", ArchiveConfig)
    discover = parse_section(params, "discover", DiscoverConfig)
    listing = open_archive(config).read_listing()
    num_patches = len(listing.entries) + len(listing.quarantined)
    check_bad_fraction(listing.quarantined, num_patches, discover.max_bad_fraction, "discover")
    found = {label for entry in listing.entries for label in entry.labels}
    nomenclature = make_nomenclature(config.nomenclature, found, find_repository())
    named = {name for path in config.exclude_paths for name in read_names(path)}
    index, excluded = build_index(listing, nomenclature, named)
    write_index(index, paths.INDEX)
    write_nomenclature(nomenclature, paths.NOMENCLATURE)
    labels = index["labels"].to_pylist()
    summary = write_discover_report(paths.REPORTS / "discover", labels, nomenclature.classes, listing, excluded)
    say_summary("discover", summary)


if __name__ == "__main__":
    run_or_exit(main)
