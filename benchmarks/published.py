"""Records straight from a download: 3,000 pairs as .tar.gz and .tar.zst, beside extract + listing + convert.

Both ways begin with the packed files and end with the shards, by two workers; they take turns, and the median of the
ratios of five rounds counts. Beside it the cost of one plain tar and its index, in bare decompressions.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import Figure
from benchmarks.memory import note_workers
from landscribe.core.patch import S1_FOLDER, S2_FOLDER
from landscribe.demo.config import DemoConfig
from landscribe.demo.writer import write_demo_archive
from landscribe.downloads.parts import Download
from landscribe.downloads.stream import open_content

NUM_PAIRS, NUM_MORE_PAIRS, NUM_ROUNDS, NUM_WORKERS = 3_000, 12_000, 5, 2
TIMES_LESS = {"processor": 1.8, "wall": 1.4}  # than extract + listing + convert
MOST_DECOMPRESSIONS, MOST_MB = 2.5, 250.0
OPTIONS = {".tar.gz": ["-z"], ".tar.zst": ["--zstd"]}
_READ_BYTES = 1 << 22

# A process of its own for each measurement: it and its workers are all that is counted.
_CONVERT = """
import json, sys
from pathlib import Path
from benchmarks.published import convert_all
print(json.dumps(convert_all(*map(Path, sys.argv[1:4]))))
"""
_UNPACK = """
import sys
from pathlib import Path
from landscribe.downloads.parts import Download
from landscribe.downloads.unpacked import unpack
unpack(Download((Path(sys.argv[1]),)))
"""
_DECOMPRESS = """
import sys
from benchmarks.published import decompress
from landscribe.downloads import headers, index, unpacked
decompress(sys.argv[1])
"""


def run() -> list[Figure]:
    """Measure both compressions, and the memory of a worker for two sizes."""
    figures = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["DVC_ROOT"] = str(folder / "checkout")
        for suffix in OPTIONS:
            _pack(folder, NUM_PAIRS, suffix)
            figures += _compare(folder, suffix)
            figures.append(_measure_unpacking(folder, suffix))
        _, _, peak_mb = _convert_packed(folder, suffix)
        _pack(folder, NUM_MORE_PAIRS, suffix)
        _, _, more_mb = _convert_packed(folder, suffix)
        words = f"published: peak of a worker, {NUM_MORE_PAIRS:,} pairs beside {NUM_PAIRS:,}"
        figures.append(Figure(words, more_mb, "MB", peak_mb, more_mb / peak_mb, MOST_MB))
    return figures


def convert_all(folder: Path, root: Path, s1_root: Path) -> float:
    """List an archive of pairs and convert it, all patches for train; return the MB of the largest worker that did."""
    import pandas as pd

    from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
    from landscribe.conversion.config import ConvertConfig
    from landscribe.conversion.converter import ConversionSource, convert
    from landscribe.core.nomenclature import make_nomenclature
    from landscribe.index.labels import build_index

    archive = BigEarthNetV1(root, s1_root)
    nomenclature = make_nomenclature("BEN-19", (), folder)
    index = build_index(archive.read_listing(), nomenclature).table.to_pandas()
    splits = pd.DataFrame({"patch_id": index["patch_id"], "split": "train"})
    source = ConversionSource(archive, "made", index, splits, (nomenclature.name, nomenclature.classes))
    config = ConvertConfig(
        bands=list(archive.bands),
        image_size_px=128,
        max_nodata_fraction=0.5,
        shard_size_mb=20.0,
        max_bad_fraction=0,
        verify=False,
        seed=1,
    )
    with note_workers() as peak:
        convert(source, config, folder / "records", folder / "scratch", NUM_WORKERS)
    return peak.mb


def decompress(path: str) -> None:
    """Read the content of a download and do nothing with it."""
    buffer = memoryview(bytearray(_READ_BYTES))
    with open_content(Download((Path(path),))) as read:
        while read(buffer):
            pass


def _pack(folder: Path, num_pairs: int, suffix: str) -> None:
    """Write both sensors as tars of this compression, in place of those before."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        write_demo_archive(DemoConfig(num_patches=num_pairs, num_tiles=5, seed=1), Path(name, "demo"), num_workers=2)
        for sensor in (S2_FOLDER, S1_FOLDER):
            words = [*OPTIONS[suffix], "-cf", str(folder / f"{sensor}{suffix}"), "-C", str(Path(name, "demo")), sensor]
            subprocess.run(["tar", *words], check=True)


def _compare(folder: Path, suffix: str) -> list[Figure]:
    rounds = [(_convert_extracted(folder, suffix), _convert_packed(folder, suffix)) for _ in range(NUM_ROUNDS)]
    figures = []
    for place, (what, factor) in enumerate(TIMES_LESS.items()):
        ratio = statistics.median(packed[place] / extracted[place] for extracted, packed in rounds)
        reference = statistics.median(extracted[place] for extracted, _ in rounds)
        name = f"published: {suffix}, {what} time, {1 / ratio:.2f} times less"
        figures.append(Figure(name, ratio * reference, "s", reference, ratio, reference / factor))
    return figures


def _convert_packed(folder: Path, suffix: str) -> tuple[float, float, float]:
    """Convert the downloads; return processor seconds, seconds and the MB of the largest worker."""
    try:
        roots = [str(folder / f"{sensor}{suffix}") for sensor in (S2_FOLDER, S1_FOLDER)]
        return _time([sys.executable, "-c", _CONVERT, str(folder), *roots])
    finally:
        _clean(folder)


def _convert_extracted(folder: Path, suffix: str) -> tuple[float, float, float]:
    """Extract both downloads side by side, then convert their folders; return the same."""
    try:
        (folder / "extracted").mkdir()
        tars = " & ".join(
            f"tar -xf {folder / f'{sensor}{suffix}'} -C {folder / 'extracted'}" for sensor in (S2_FOLDER, S1_FOLDER)
        )
        processor_s, wall_s, _ = _time(["sh", "-c", f"{tars} & wait"])
        roots = [str(folder / "extracted" / sensor) for sensor in (S2_FOLDER, S1_FOLDER)]
        more = _time([sys.executable, "-c", _CONVERT, str(folder), *roots])
        return processor_s + more[0], wall_s + more[1], more[2]
    finally:
        _clean(folder)


def _measure_unpacking(folder: Path, suffix: str) -> Figure:
    path = str(folder / f"{S2_FOLDER}{suffix}")
    pairs = []
    for _ in range(NUM_ROUNDS):
        bare_s, _, _ = _time([sys.executable, "-c", _DECOMPRESS, path])
        whole_s, _, _ = _time([sys.executable, "-c", _UNPACK, path])
        pairs.append((bare_s, whole_s))
        _clean(folder)
    ratio = statistics.median(whole_s / bare_s for bare_s, whole_s in pairs)
    bare_s = statistics.median(bare_s for bare_s, _ in pairs)
    name = f"published: {suffix}, unpack and index beside bare decompression, processor time"
    return Figure(name, ratio * bare_s, "s", bare_s, ratio, MOST_DECOMPRESSIONS * bare_s)


def _time(words: list[str]) -> tuple[float, float, float]:
    """Run a command; return the processor seconds of all its processes, its seconds and the number it printed."""
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True)
    after = os.times()
    spent_s = after.children_user + after.children_system - before.children_user - before.children_system
    return spent_s, time.perf_counter() - began, json.loads(done.stdout or "0")


def _clean(folder: Path) -> None:
    for name in ("extracted", "records", "scratch", "checkout"):
        shutil.rmtree(folder / name, ignore_errors=True)
