"""Fixtures that all tests share, and the order of the tests where workers run them side by side."""

import os
from collections import defaultdict
from pathlib import Path

import pytest

from landscribe.demo.config import DemoConfig
from landscribe.demo.writer import write_demo_archive
from tests.support.paths import SAMPLES

if "PYTEST_XDIST_WORKER" in os.environ:
    # A worker has a core. TensorFlow would take a thread per core of the machine, which then wait for each other.
    for _name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(_name, "1")
    # The worker itself is measured by now. To measure the programs that tests start as well takes a third of the time,
    # most of it for the import of TensorFlow, and adds few lines.
    for _name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
        os.environ.pop(_name, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest; a file is the unit that a worker takes, so its fixtures are made once."""
    seconds = defaultdict[Path, float](float)
    for item in items:
        slow = item.get_closest_marker("slow")
        seconds[item.path] = max(seconds[item.path], slow.args[0] if slow else 0.0)
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: -seconds[item.path])


@pytest.fixture(scope="session")
def demo_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic archive of 60 patches in the layout of BigEarthNet v1 / MM; never written to."""
    root = tmp_path_factory.mktemp("archive") / "demo"
    write_demo_archive(DemoConfig(num_patches=60, num_tiles=3, seed=1), root, num_workers=1)
    return root


@pytest.fixture(scope="session")
def samples() -> Path:
    """Real pieces of the archives; a test that needs them skips where they are absent."""
    if not SAMPLES.is_dir():
        pytest.skip("the real samples lie beside the project's checkout (../shared/data); they are absent here")
    return SAMPLES
