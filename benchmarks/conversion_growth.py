"""convert from 1,000 to 20,000 patches of 12 bands: the rate of one and of two workers, and the memory of a worker.

There are 1,000 patches on the disk, each under 20 names as hard links: what is read stays in the cache of the system,
while 3.2 GB of records are written, so that the larger conversion meets the disk. Two workers are held to their promise
here: their start takes the time of several hundred patches, which a large archive does not notice.
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import Figure
from benchmarks.conversion import MOST_MB, SHARE_OF_BOUND, measure_bound_s
from benchmarks.fake_v1 import iter_places, write_s2_patches
from landscribe.core.bands import S2_BANDS

FEW, MANY = 1_000, 20_000
NUM_RUNS = 5
TIMES_ONE_WORKER = 1.5
_CASES = ((FEW, 1), (FEW, 2), (MANY, 1), (MANY, 2))  # patches, workers

# A process of its own: the system tells the most memory that any worker of a process ever took.
_MEASURE = """
import resource, sys
from pathlib import Path
from benchmarks.conversion import measure_conversion_s
seconds = measure_conversion_s(Path(sys.argv[1]), sys.stdin.read().split(), int(sys.argv[2]), shard_size_mb=150.0)
print(seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3)
"""


def run() -> list[Figure]:
    """Convert few and many patches in turn; the medians count, and the most memory."""
    rates: dict[tuple[int, int], list[float]] = {case: [] for case in _CASES}
    most_mb = dict.fromkeys(_CASES, 0.0)
    with tempfile.TemporaryDirectory() as name:
        names = _write_archive(Path(name, "S2"))
        bounds = []
        for _ in range(NUM_RUNS):
            for case in _CASES:
                seconds, worker_mb = _measure(Path(name), names[: case[0]], case[1])
                rates[case].append(case[0] / seconds)
                most_mb[case] = max(most_mb[case], worker_mb)
            bounds.append(MANY / measure_bound_s(Path(name), names))
    middle = {case: statistics.median(values) for case, values in rates.items()}
    what = f"peak of a worker, {MANY:,} patches beside {FEW:,}"
    one, other = most_mb[MANY, 2], most_mb[FEW, 2]
    return [
        _compare(f"{MANY:,} patches against {FEW:,}, one worker", middle[MANY, 1], middle[FEW, 1], None),
        _compare(
            f"{MANY:,} patches against bare read and write", middle[MANY, 1], statistics.median(bounds), SHARE_OF_BOUND
        ),
        _compare(f"two workers against one, {MANY:,} patches", middle[MANY, 2], middle[MANY, 1], TIMES_ONE_WORKER),
        _compare(f"two workers against one, {FEW:,} patches", middle[FEW, 2], middle[FEW, 1], None),
        Figure(f"conversion growth: {what}", one, "MB", other, one / other, MOST_MB),
    ]


def _compare(what: str, rate: float, reference: float, factor: float | None) -> Figure:
    target = None if factor is None else factor * reference
    return Figure(f"conversion growth: {what}", rate, "patches/s", reference, rate / reference, target)


def _write_archive(root: Path) -> list[str]:
    """Write the patches and their other names; return all names, those of the files first."""
    real = write_s2_patches(root, FEW)
    names = [place.patch_id for place in iter_places(MANY)]
    for number, name in enumerate(names[FEW:], FEW):
        other = real[number % FEW]
        (root / name).mkdir()
        for band in S2_BANDS:
            (root / name / f"{name}_{band}.tif").hardlink_to(root / other / f"{other}_{band}.tif")
    return names


def _measure(folder: Path, names: Sequence[str], num_workers: int) -> tuple[float, float]:
    """Convert in a process of its own; return the seconds and the most MB that a worker took."""
    words = [sys.executable, "-c", _MEASURE, str(folder), str(num_workers)]
    done = subprocess.run(words, input="\n".join(names), text=True, check=True, capture_output=True)
    seconds, worker_mb = map(float, done.stdout.split())
    return seconds, worker_mb
