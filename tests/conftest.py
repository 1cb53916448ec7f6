"""Fixtures: a fake archive with real names, made once; real samples where they are present."""

from pathlib import Path

import pytest

from landscribe.demo.config import DemoConfig
from landscribe.demo.writer import write_demo_archive
from tests.support.paths import SAMPLES


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
