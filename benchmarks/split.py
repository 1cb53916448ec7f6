"""split: the 519,284 patch names of BigEarthNet v1, dealt by every strategy and audited, each in a fresh process.

The names are those of the published lists where the samples lie beside the checkout (../shared/data); elsewhere as many
granules and cells are made up. Labels are drawn to the published class counts.
"""

import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks import Figure
from landscribe.archive.protocol import make_patches
from landscribe.core.multi_hot import decode_multi_hot
from landscribe.core.name_lists import read_names
from landscribe.core.nomenclature import NOMENCLATURES
from landscribe.index.labels import read_index
from landscribe.runtime.pool import start_workers
from landscribe.splits.config import SPLITS, SplitConfig
from landscribe.splits.leakage import audit
from landscribe.splits.strategies import make_splits

STRATEGIES = ("random", "official", "stratified", "spatial")
TARGET_S = 30.0
TARGET_MB = 2_000.0
_LISTS = Path(__file__).resolve().parents[2] / "shared/data/bigearthnet-v1/lists"
# As the published lists: so many patches, of so many granules.
_LIST_SIZES = {"train": 269_695, "val": 123_723, "test": 125_866}
_NUM_GRANULES = 124
_CELLS_PER_SIDE = 91
# Patches of each class of CLC-43, in its order, of 590,326: Sumbul et al. 2019, IGARSS, table 2.
# fmt: off
_CLASS_COUNTS = (
    10_784, 69_872, 12_895, 3_384, 509, 979, 4_618, 959, 1_174, 1_786, 5_353, 196_695, 13_589, 3_793, 9_567, 4_754,
    12_538, 103_554, 7_022, 107_786, 147_095, 30_674, 150_944, 211_703, 217_119, 12_835, 5_890, 11_241, 173_506,
    1_578, 3_277, 1_563, 328, 6_236, 23_207, 1_562, 424, 1_003, 10_572, 83_811, 1_498, 1_086, 81_612,
)
# fmt: on
_NUM_COUNTED = 590_326


@dataclass(frozen=True)
class _Measured:
    """What one process took: index read, splits made, audit done."""

    seconds: float
    reference_s: float  # a permutation of the rows, cut into three
    peak_mb: float
    index_mb: float  # of the process once it holds the index


def run() -> list[Figure]:
    """Make the index, then let each strategy split it in a process of its own."""
    figures = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with start_workers(1) as executor:  # a process too: its memory would count as this one's, and as its children's
            executor.submit(_write_index, folder).result()
        for strategy in STRATEGIES:
            with start_workers(1) as executor:
                measured = executor.submit(_measure, folder, strategy).result()
            figures += [
                _make_figure(f"{strategy} and audit", "s", measured.seconds, measured.reference_s, TARGET_S),
                _make_figure(f"{strategy}, peak memory", "MB", measured.peak_mb, measured.index_mb, TARGET_MB),
            ]
    return figures


def _make_figure(name: str, unit: str, value: float, reference: float, target: float) -> Figure:
    return Figure(f"split: {name}", value, unit, reference, value / reference, target)


def _measure(folder: Path, strategy: str) -> _Measured:
    config = SplitConfig.model_validate(
        {
            "strategy": strategy,
            "fractions": {"val": 0.1, "test": 0.2},
            "files": [str(folder / f"{split}.csv") for split in SPLITS] if strategy == "official" else [],
            "seed": 20170613,
            "spatial": {"unit": "block", "block_cells": 10, "buffer_cells": 1, "val": [], "test": []},
            "seen_lists": [],
        }
    )
    began = time.perf_counter()
    index = read_index(folder / "index.parquet")
    index_mb = _read_peak_mb()
    leakage = audit(index, make_splits(index, config).splits)
    seconds = time.perf_counter() - began
    if strategy == "spatial" and leakage.leak != 0:
        raise RuntimeError(f"expected a spatial split without leak; received {leakage.leak}")
    began = time.perf_counter()
    np.split(np.random.default_rng(1).permutation(len(index)), [len(index) // 10, 3 * len(index) // 10])
    return _Measured(seconds, time.perf_counter() - began, _read_peak_mb(), index_mb)


def _read_peak_mb() -> float:
    """Return the most memory that this process has held; Linux counts in kB, macOS in bytes."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux hands the parent's peak of getrusage down to a child; VmHWM is the process's own
        (peak,) = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _write_index(folder: Path) -> None:
    """Write index.parquet, and the three lists as train.csv, val.csv and test.csv."""
    rng = np.random.default_rng(20170613)
    names = _read_lists() if _LISTS.is_dir() else _make_lists(rng)
    for split, members in names.items():
        (folder / f"{split}.csv").write_text("\n".join(members) + "\n", encoding="utf-8")
    patch_ids = [name for split in SPLITS for name in names[split]]
    granule, column, row = zip(*(name.rsplit("_", 2) for name in patch_ids), strict=True)
    cells = {"column": np.array(column, np.int32), "row": np.array(row, np.int32)}
    classes = NOMENCLATURES["CLC-43"]().classes
    labels = decode_multi_hot(_draw_labels(rng, len(patch_ids)), classes)
    index = make_patches({"patch_id": patch_ids, "path": patch_ids, "granule": granule, **cells, "labels": labels})
    pq.write_table(index.append_column("source_labels", index["labels"]), folder / "index.parquet")


def _read_lists() -> dict[str, list[str]]:
    return {split: read_names(_LISTS / f"{split}.csv.bz2") for split in SPLITS}


def _make_lists(rng: np.random.Generator) -> dict[str, list[str]]:
    """Return as many names as the published lists have, of as many granules, cells and splits drawn at random."""
    cells = rng.permutation(_NUM_GRANULES * _CELLS_PER_SIDE**2)[: sum(_LIST_SIZES.values())]
    granule, cell = np.divmod(cells, _CELLS_PER_SIDE**2)
    column, row = np.divmod(cell, _CELLS_PER_SIDE)
    granules = [f"S2A_MSIL2A_2017{1 + n // 28:02}{1 + n % 28:02}T101031" for n in range(_NUM_GRANULES)]
    names = [f"{granules[g]}_{c}_{r}" for g, c, r in zip(granule, column, row, strict=True)]
    ends = np.cumsum(list(_LIST_SIZES.values())).tolist()
    return {split: names[end - size : end] for (split, size), end in zip(_LIST_SIZES.items(), ends, strict=True)}


def _draw_labels(rng: np.random.Generator, num_patches: int) -> np.ndarray:
    """Return bool [patch, class] with each class's published share of patches; no patch stays without a class."""
    numbers = np.rint(np.array(_CLASS_COUNTS) * num_patches / _NUM_COUNTED).astype(np.int64)
    multi_hot = np.zeros((num_patches, len(numbers)), np.bool_)
    commonest = int(np.argmax(numbers))
    for class_id in np.argsort(numbers, kind="stable"):  # the commonest last: it takes the patches without a class
        order = rng.permutation(num_patches)
        if class_id == commonest:
            order = order[np.argsort(multi_hot[order].any(axis=1), kind="stable")]
        multi_hot[order[: numbers[class_id]], class_id] = True
    return multi_hot
