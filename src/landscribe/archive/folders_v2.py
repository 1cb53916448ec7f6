"""The folder trees of BigEarthNet v2: folders of tiles or scenes, with patch folders in them. One scan per folder."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from landscribe.archive.patch_files import PatchFiles, list_near
from landscribe.archive.wrong_folder import suggest_folder, tell_kind
from landscribe.core.errors import ArchiveError
from landscribe.core.patch import S1_SCENE, V2_GRANULE, V2_S1_NAME, V2_S2_NAME, is_s2_name
from landscribe.runtime.progress import track


@dataclass(frozen=True)
class Tree:
    """One of the three folders that the archive is published as.

    Attributes:
        key: key of section `archive` that names it.
        published: its name as published.
        outer: regular expression of the names of the folders in it.
        inner: regular expression of the names of the patches in them.
        glob: the same for `Path.glob`: it fits the names of patches and not those of the folders.
        cell: likewise, of the part of a patch's name that follows the name of its folder.
        example: name of a patch.
    """

    key: str
    published: str
    outer: str
    inner: str
    glob: str
    cell: str
    example: str

    def is_outer(self, name: str) -> bool:
        """Return whether `name` is that of a folder of a tile or scene."""
        return re.fullmatch(self.outer, name) is not None


_S2_NAMES = (V2_GRANULE, V2_S2_NAME, "S2*_[0-9][0-9]_[0-9][0-9]", "_*_*")
_S1_NAMES = (S1_SCENE, V2_S1_NAME, "S1*_1SDV_*_*_*_*", "_*_*_*")
S2_TREE = Tree("root", "BigEarthNet-S2", *_S2_NAMES, "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP")
S1_TREE = Tree("s1_root", "BigEarthNet-S1", *_S1_NAMES, "S1A_IW_GRDH_1SDV_20170613T165043")
MAPS_TREE = Tree("maps_root", "Reference_Maps", *_S2_NAMES, S2_TREE.example)


def list_folders(files: PatchFiles, root: Path, tree: Tree) -> tuple[list[str], int]:
    """Return `<tile or scene>/<patch>` of every patch folder, unsorted, and the number of other files and folders.

    Args:
        files: of the archive.
        root: its folder or download, for errors.
        tree: which of the three it should be.

    Raises:
        ArchiveError: the folder is absent, cannot be listed or has no patch folder.
    """
    names, num_others = _scan(files, "", tree)
    outer = [name for name in names if tree.is_outer(name)]
    num_others += len(names) - len(outer)
    folders = []
    for name in track(outer, total=len(outer), what="listing folders", unit="folders"):
        inner, strays = _scan(files, name, tree)
        folders += [f"{name}/{patch}" for patch in inner]
        num_others += strays
    if not folders:
        raise ArchiveError(
            f"archive folder {root}: expected folders like {tree.example} with patch folders in them; found none."
            f"{_make_hint(root, tree, list_near(files, tree.key))}"
        )
    return folders, num_others


def _scan(files: PatchFiles, folder: str, tree: Tree) -> tuple[list[str], int]:
    """Return the sub-folders of a folder and the number of other files and folders."""
    found = files.list_folder(folder, tree.key)
    # A name of other than ASCII letters is no patch of ours, and may not even be text.
    names = [name for name, is_folder in found if is_folder and name.isascii()]
    return names, len(found) - len(names)


def _make_hint(root: Path, tree: Tree, names: Iterable[str]) -> str:
    """Return what the user may have meant, from the content of the root and of its parent."""
    names = list(names)
    for folder, inner in ((root, names), (root.parent, [root.name])):
        if any(re.fullmatch(tree.inner, name) for name in inner) and folder.is_dir() and not tree.is_outer(folder.name):
            return f" {_explain_bare(folder, tree)}"
    for other in (S2_TREE, S1_TREE):
        if other.outer != tree.outer and any(re.fullmatch(other.outer, name) for name in names):
            return f" It holds folders of {other.published}: name it as archive.{other.key}."
    if any(map(is_s2_name, names)):
        return " It holds patches of BigEarthNet v1: set archive.layout to bigearthnet-v1."
    return suggest_folder(root, f"archive.{tree.key}", tree.is_outer, tell_kind(Path(tree.published)))


def _explain_bare(folder: Path, tree: Tree) -> str:
    """Return the command that puts patches into folders of their tile or scene, as published."""
    outer = '"${p%' + tree.cell + '}"'
    return (
        f"Its patches lie in no folder of their tile or scene. Run: cd {shlex.quote(str(folder))} && for p in"
        f' {tree.glob}; do mkdir -p {outer} && mv "$p" {outer}; done and set archive.{tree.key} to {folder}'
    )
