"""convert: sharded records in native resolution and dtype, band statistics of the train split.

Reads: the archive, data/archive.json, data/index.parquet, data/splits.parquet, data/nomenclature.json.
Writes: data/records/, data/band_statistics.json, data/patch_statistics.parquet, reports/convert/.
Params: archive, convert. Cost: one read of the archive, all cores; no TensorFlow. A run that was ended goes on.
"""

from landscribe.archive.config import ArchiveConfig
from landscribe.archive.layouts import open_archive, remove_unpacked, unpack_downloads
from landscribe.conversion.config import ConvertConfig
from landscribe.conversion.converter import ConversionSource, convert
from landscribe.conversion.report import write_convert_report, write_patch_statistics
from landscribe.core.files import read_json
from landscribe.core.nomenclature import read_classes
from landscribe.core.params import find_scratch, parse_section, read_params
from landscribe.index.labels import read_index
from landscribe.records.schema import write_manifest
from landscribe.records.statistics import write_statistics
from landscribe.runtime.entry import run_or_exit
from landscribe.runtime.progress import log_summary
from landscribe.splits.assignment import read_splits
from stages import paths


def main() -> None:
    params = read_params()
    archive = open_archive(parse_section(params, "archive", ArchiveConfig))
    digest, classes = read_json(paths.ARCHIVE)["digest"], read_classes(paths.NOMENCLATURE)
    inputs = archive, digest, read_index(paths.INDEX), read_splits(paths.SPLITS), classes
    source = ConversionSource(*inputs, prepare=lambda: unpack_downloads(archive))
    done = convert(source, parse_section(params, "convert", ConvertConfig), paths.RECORDS, find_scratch() / "convert")
    write_statistics(done.statistics, paths.BAND_STATISTICS)
    write_patch_statistics(done, paths.PATCH_STATISTICS)
    write_manifest(done.manifest, paths.MANIFEST)
    log_summary("convert", write_convert_report(paths.REPORTS / "convert", done))
    remove_unpacked(archive)


if __name__ == "__main__":
    run_or_exit(main)
