"""evaluate: 120,000 patches of 19 classes, 1,000 bootstrap draws by patch and by tile, all tables and pictures.

Everything that the stage does but logging to MLflow, in a fresh process: files as large as those of BigEarthNet v2
(480,038 rows in the index), scores drawn at random to the published class counts. The reference is scikit-learn's
average precision with the draws as sample weights, macro and micro, by patch alone, extrapolated from three draws.
"""

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow.parquet as pq
from sklearn.metrics import average_precision_score

from benchmarks import Figure
from landscribe.archive.protocol import make_patches
from landscribe.core.multi_hot import decode_multi_hot
from landscribe.core.nomenclature import NOMENCLATURES
from landscribe.core.params import parse_section, read_params
from landscribe.core.scores import Scores, read_scores, write_scores
from landscribe.evaluation.baseline import compute_ridge_macro_aps
from landscribe.evaluation.bootstrap import draw_weights
from landscribe.evaluation.config import EvaluateConfig
from landscribe.evaluation.evaluate import evaluate
from landscribe.evaluation.report import make_summary, write_evaluate_report
from landscribe.evaluation.slices import read_slices
from landscribe.evaluation.thresholds import fit_thresholds
from landscribe.runtime.pool import start_workers

TARGET_S = 60.0
TARGET_MB = 2_000.0
NUM_SCORED = 120_000  # of val, and of test
NUM_INDEXED = 480_038
_REFERENCE_DRAWS = 3
# Patches of each class of BEN-19, in its order, in v2's own test split of 119,825.
_CLASS_COUNTS = np.array([12824, 2018, 50052, 5710, 26722, 22078, 29846, 9942, 36377, 39043, 44284, 2211, 3759, 40523,
                          152, 4519, 117, 16846, 11854])  # fmt: skip
_COUNTRIES = ("Austria", "Belgium", "Finland", "Ireland", "Kosovo", "Lithuania", "Luxembourg", "Portugal", "Serbia")
_NUM_TILES = 54
_NUM_BANDS = 14


@dataclass(frozen=True)
class _Measured:
    """What one process took."""

    seconds: float
    cpu_s: float  # of this process and its workers: what other work on the machine moves less
    reference_s: float
    peak_mb: float  # with its workers
    scores_mb: float  # of the process once it holds the scores


def run() -> list[Figure]:
    """Write the files, then evaluate them in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with start_workers(1) as executor:  # a process too: its memory would count as this one's
            executor.submit(_write_files, folder, NUM_SCORED, NUM_INDEXED).result()
        with start_workers(1) as executor:
            measured = executor.submit(_measure, folder).result()
    seconds, memory = measured.seconds / measured.reference_s, measured.peak_mb / measured.scores_mb
    return [
        Figure("evaluate: everything", measured.seconds, "s", measured.reference_s, seconds, TARGET_S),
        Figure(
            "evaluate: CPU time", measured.cpu_s, "s", measured.reference_s, measured.cpu_s / measured.reference_s, None
        ),
        Figure("evaluate: peak memory", measured.peak_mb, "MB", measured.scores_mb, memory, TARGET_MB),
    ]


def _measure(folder: Path) -> _Measured:
    config = parse_section(read_params(), "evaluate", EvaluateConfig)
    began, cpu_began = time.perf_counter(), _read_cpu_s()
    with _watch_memory() as held:
        val, test = (read_scores(folder / f"{split}.parquet") for split in ("val", "test"))
        scores_mb = _read_held_mb()
        thresholds = fit_thresholds(val.truth, val.scores, config)
        evaluation = evaluate(val, test, thresholds, read_slices(folder / "index.parquet", test.patch_ids), config)
        scored = {"val": val, "test": test}
        compute_ridge_macro_aps(folder / "index.parquet", folder / "patch_statistics.parquet", scored)
        write_evaluate_report(folder / "report", evaluation)
    seconds, cpu_s = time.perf_counter() - began, _read_cpu_s() - cpu_began
    if "by tile" not in make_summary(evaluation)["test_macro_ap"] or len(evaluation.slices) < _NUM_TILES:
        raise RuntimeError(f"expected intervals by tile and a slice a tile; received {make_summary(evaluation)}")
    return _Measured(seconds, cpu_s, config.bootstrap.draws * _time_reference(test, config), max(held), scores_mb)


def _time_reference(test: Scores, config: EvaluateConfig) -> float:
    """Return the seconds that scikit-learn takes for a draw."""
    began = time.perf_counter()
    for draw in range(_REFERENCE_DRAWS):
        weights = draw_weights(len(test.truth), config.bootstrap.seed, draw)
        for average in ("macro", "micro"):
            average_precision_score(test.truth, test.scores, average=average, sample_weight=weights)
    return (time.perf_counter() - began) / _REFERENCE_DRAWS


def _read_cpu_s() -> float:
    """Return the seconds of CPU that this process and its workers that ended have used."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@contextlib.contextmanager
def _watch_memory() -> Iterator[list[float]]:
    """Yield a list that receives, every tenth of a second, the MB held by this process and its workers together."""
    held = [_read_held_mb()]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            held.append(_read_held_mb())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield held
    finally:
        done.set()
        watcher.join()


def _read_held_mb() -> float:
    itself = psutil.Process()
    held = itself.memory_info().rss
    for worker in itself.children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            held += worker.memory_info().rss
    return float(held) / 1e6


def _write_files(folder: Path, num_scored: int, num_indexed: int) -> None:
    """Write val.parquet, test.parquet, index.parquet and patch_statistics.parquet."""
    rng = np.random.default_rng(20170613)
    classes = NOMENCLATURES["BEN-19"]().classes
    truth = rng.random((num_indexed, len(classes))) < _CLASS_COUNTS / 119_825
    names = [f"S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_{row:06}" for row in range(num_indexed)]
    splits = np.full(num_indexed, "train", object)
    for number, split in enumerate(("val", "test")):
        rows = slice(number * num_scored, (number + 1) * num_scored)
        splits[rows] = split
        noise = rng.normal(size=(num_scored, len(classes)))
        scores = 1 / (1 + np.exp(2.0 - 3.0 * truth[rows] - noise))  # an average precision of about 0.5
        write_scores(Scores(tuple(names[rows]), truth[rows], scores, classes), folder / f"{split}.parquet")
    places = {
        "country": rng.choice(_COUNTRIES, num_indexed),
        "tile": [
            f"33U{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in rng.integers(0, _NUM_TILES, num_indexed)
        ],
        "granule": [f"S2{'AB'[row % 2]}_MSIL2A_2017{1 + row % 12:02}13T101031" for row in range(num_indexed)],
        "s1_patch_id": [f"S1{'AB'[row // 2 % 2]}_IW_GRDH_1SDV_{row}" for row in range(num_indexed)],
    }
    index = make_patches({"patch_id": names, "labels": decode_multi_hot(truth, classes), "path": names, **places})
    pq.write_table(index, folder / "index.parquet")
    statistics = pd.DataFrame(rng.normal(size=(num_indexed, 2 * _NUM_BANDS)).astype(np.float32)).add_prefix("band_")
    statistics.insert(0, "split", splits)
    statistics.insert(0, "patch_id", names)
    statistics.to_parquet(folder / "patch_statistics.parquet")
