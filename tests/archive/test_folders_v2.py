"""The trees of v2 on disk: every patch folder once; a wrong folder is answered with the one that was meant."""

from pathlib import Path

import pytest

from landscribe.archive.folders_v2 import MAPS_TREE, S1_TREE, S2_TREE, Tree, list_folders
from landscribe.archive.patch_files import FolderFiles
from landscribe.core.errors import ArchiveError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The three published folders, two patches in two outer folders each."""
    for tree in (S2_TREE, S1_TREE, MAPS_TREE):
        for outer in (tree.example, tree.example.replace("20170613", "20170701")):
            (tmp_path / tree.published / outer / f"{outer}_{'33UUP_' if tree is S1_TREE else ''}26_57").mkdir(
                parents=True
            )
    return tmp_path


@pytest.mark.parametrize("tree", [S2_TREE, S1_TREE, MAPS_TREE])
def test_every_patch_folder_is_listed_once_and_all_else_is_counted(archive: Path, tree: Tree) -> None:
    root = archive / tree.published
    expected = {path.relative_to(root).as_posix() for path in root.glob("*/*")}
    (root / ".DS_Store").touch()
    (root / "__MACOSX" / "inner").mkdir(parents=True)
    (root / tree.example / "note.txt").touch()
    (root / tree.example / "nowhere").symlink_to(archive / "absent")
    (root / tree.example / "naïve").mkdir()
    folders, num_others = list_folders(FolderFiles(str(root)), root, tree)
    assert set(folders) == expected
    assert (len(folders), num_others) == (2, 5)


@pytest.mark.parametrize("tree", [S2_TREE, S1_TREE, MAPS_TREE])
def test_a_folder_too_high_or_too_low_is_answered_with_the_right_one(archive: Path, tree: Tree) -> None:
    root = archive / tree.published
    for wrong in (archive, root / tree.example, next((root / tree.example).iterdir())):
        with pytest.raises(ArchiveError) as caught:
            list_folders(FolderFiles(str(wrong)), wrong, tree)
        assert str(caught.value).endswith(f"found none. Set archive.{tree.key} to {root}.")


def test_the_folder_of_another_sensor_or_layout_is_told(archive: Path) -> None:
    with pytest.raises(ArchiveError, match=r"BigEarthNet-S1: name it as archive\.s1_root"):
        list_folders(FolderFiles(str(archive / "BigEarthNet-S1")), archive / "BigEarthNet-S1", S2_TREE)
    with pytest.raises(ArchiveError, match=r"BigEarthNet-S2: name it as archive\.root"):
        list_folders(FolderFiles(str(archive / "BigEarthNet-S2")), archive / "BigEarthNet-S2", S1_TREE)
    (archive / "v1" / "S2A_MSIL2A_20170613T101031_87_48").mkdir(parents=True)
    with pytest.raises(ArchiveError, match=r"set archive\.layout to bigearthnet-v1"):
        list_folders(FolderFiles(str(archive / "v1")), archive / "v1", S2_TREE)


def test_a_folder_that_cannot_be_listed_is_one_sentence(archive: Path) -> None:
    with pytest.raises(ArchiveError, match=r"does not exist; set archive\.s1_root to it"):
        list_folders(FolderFiles(str(archive / "absent")), archive / "absent", S1_TREE)
    (archive / "file").touch()
    with pytest.raises(ArchiveError, match=r"cannot be listed: .*; set archive\.root"):
        list_folders(FolderFiles(str(archive / "file")), archive / "file", S2_TREE)
    (archive / "empty").mkdir()
    with pytest.raises(ArchiveError, match=r"found none\.$"):
        list_folders(FolderFiles(str(archive / "empty")), archive / "empty", S2_TREE)
