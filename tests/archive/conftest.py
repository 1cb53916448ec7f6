"""What the tests of several readers share."""

import shutil
from pathlib import Path

import pytest

from landscribe.core.patch import S1_FOLDER, S2_FOLDER
from tests.support.v1_folders import list_patches, open_pairs


@pytest.fixture
def pairs(demo_root: Path, tmp_path: Path) -> Path:
    """Six pairs of the synthetic archive, two of each granule, to be damaged."""
    copy_pairs(demo_root, tmp_path)
    return tmp_path


def copy_pairs(demo_root: Path, to: Path) -> None:
    """Copy six pairs of an archive, two of each granule."""
    found = sorted(list_patches(open_pairs(demo_root)), key=lambda patch: (patch["granule"], patch["patch_id"]))
    for patch in [patch for number, patch in enumerate(found) if number % 20 < 2]:
        for folder, path in ((S2_FOLDER, patch["path"]), (S1_FOLDER, patch["s1_path"])):
            shutil.copytree(demo_root / folder / path, to / folder / path)
