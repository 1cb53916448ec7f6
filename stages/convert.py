"""convert: sharded records in native resolution and dtype, band statistics of the train split.

Reads: the archive, data/index.parquet, data/splits.parquet, data/nomenclature.json.
Writes: data/records/, data/band_statistics.json, data/patch_statistics.parquet, reports/convert/.
Params: archive, convert. Cost: one read of the archive, all cores; no TensorFlow.
"""

from landscribe.archive.config import ArchiveConfig
from landscribe.archive.layouts import open_archive
from landscribe.errors import run_or_exit
from landscribe.files import replacing
from landscribe.labels import read_index
from landscribe.nomenclature import read_classes
from landscribe.params import parse_section, read_params
from landscribe.progress import say_summary
from landscribe.records.conversion import ConvertConfig, convert
from landscribe.records.report import write_convert_report
from landscribe.records.schema import write_manifest
from landscribe.splits import read_splits
from landscribe.statistics import write_statistics
from stages import paths


def main() -> None:
    """Run the stage."""
    params = read_params()
    archive = open_archive(parse_section(params, "archive", ArchiveConfig))
    config = parse_section(params, "convert", ConvertConfig)
    nomenclature = read_classes(paths.NOMENCLATURE)
    done = convert(archive, read_index(paths.INDEX), read_splits(paths.SPLITS), nomenclature, config, paths.RECORDS)
    write_statistics(done.statistics, paths.BAND_STATISTICS)
    with replacing(paths.PATCH_STATISTICS) as beside:
        done.patch_statistics.to_parquet(beside, index=False)
    write_manifest(done.manifest, paths.MANIFEST)
    say_summary("convert", write_convert_report(paths.REPORTS / "convert", done))


if __name__ == "__main__":
    run_or_exit(main)
