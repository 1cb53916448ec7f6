"""fingerprint: what changed in the archive, the weights to start from and the code; writes the demo archive if absent.

Reads: params.yaml (every section is checked), the archive. Writes: data/archive.json, data/weights.json,
data/code/<stage>.json. Params: archive, demo, split (its lists), train (its weights). Cost: one read of the archive,
once; then a listing.
"""

from landscribe.archive.config import ArchiveConfig
from landscribe.archive.fingerprint import compute_fingerprint
from landscribe.archive.layouts import open_archive
from landscribe.cli.sections import check_params
from landscribe.core.files import write_json
from landscribe.core.params import find_scratch, parse_section, read_params
from landscribe.demo.config import DemoConfig
from landscribe.demo.presence import ensure_demo_archive
from landscribe.runtime.code_digest import write_code_digests
from landscribe.runtime.entry import run_or_exit
from landscribe.splits.config import SplitConfig
from landscribe.training.config import TrainConfig
from landscribe.training.weights import find_source
from stages import paths


def main() -> None:
    params = read_params()
    check_params(params)
    write_code_digests(paths.CODE)
    config = parse_section(params, "archive", ArchiveConfig)
    demo = parse_section(params, "demo", DemoConfig)
    split = parse_section(params, "split", SplitConfig)
    train = parse_section(params, "train", TrainConfig)
    write_json(paths.WEIGHTS, {"weights": train.weights, "digest": find_source(train.weights, []).digest})
    if config.layout == "demo" and config.root_path:
        ensure_demo_archive(demo, config.root_path)
    files = [*config.extra_files, *split.file_paths]
    write_json(paths.ARCHIVE, compute_fingerprint(open_archive(config), files, find_scratch() / "fingerprint"))


if __name__ == "__main__":
    run_or_exit(main)
