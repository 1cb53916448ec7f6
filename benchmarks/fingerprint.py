"""fingerprint: 100,000 patches of 13 files that did not change, the whole stage in a process of its own."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks import Figure
from benchmarks.fake_v1 import write_fake_v1
from landscribe.core.bands import S2_BANDS

NUM_PATCHES = 100_000
TARGET_S = 5.0
_CHECKOUT = Path(__file__).resolve().parents[1]


def run() -> list[Figure]:
    """Take the fingerprint twice; the reference is a bare pass of scandir and stat over the same tree."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_fake_v1(folder / "S2", folder / "S1", NUM_PATCHES, with_bands=True)
        return [
            _measure("Sentinel-2", folder, [folder / "S2"]),
            _measure("pairs", folder, [folder / "S2", folder / "S1"]),
        ]


def _measure(what: str, folder: Path, roots: list[Path]) -> Figure:
    _write_params(folder, roots)
    _run_stage(folder)
    began = time.perf_counter()
    for root in roots:
        _look_at_all(root)
    reference_s = time.perf_counter() - began
    began = time.perf_counter()
    _run_stage(folder)
    seconds = time.perf_counter() - began
    target = TARGET_S if len(roots) == 1 else None
    return Figure(f"fingerprint: {what}, unchanged", seconds, "s", reference_s, seconds / reference_s, target)


def _write_params(folder: Path, roots: list[Path]) -> None:
    """Write params.yaml of a checkout whose archive is the fake one."""
    yaml = YAML()
    params = yaml.load(_CHECKOUT / "params.yaml")
    s1_root = str(roots[1]) if len(roots) > 1 else None
    params["archive"] |= {"layout": "bigearthnet-v1", "root": str(roots[0]), "s1_root": s1_root}
    if s1_root is None:
        params["convert"]["bands"] = list(S2_BANDS)
    yaml.dump(params, folder / "params.yaml")


def _run_stage(folder: Path) -> None:
    paths = os.pathsep.join([str(_CHECKOUT), str(_CHECKOUT / "src")])
    environment = os.environ | {"PYTHONPATH": paths, "DVC_ROOT": str(folder)}
    subprocess.run([sys.executable, "-m", "stages.fingerprint"], cwd=folder, env=environment, check=True)


def _look_at_all(root: Path) -> None:
    with os.scandir(root) as patches:
        for patch in patches:
            with os.scandir(patch.path) as files:
                for file in files:
                    file.stat()
