"""Where the patches of a prediction lie: folders of BigEarthNet, of both releases and sensors, or images."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1, read_twin_names
from landscribe.archive.bigearthnet_v2 import read_twin_paths
from landscribe.archive.image_files import cut_suffix, find_images, make_patch_ids
from landscribe.archive.wrong_folder import check_unpacked, find_below, find_folders, holds, suggest_folder, tell_kind
from landscribe.core.bands import S1_BANDS, Band, check_order
from landscribe.core.errors import ArchiveError
from landscribe.core.patch import S1_SCENE, V2_GRANULE, V2_S2_NAME, is_patch_name, is_s1_name
from landscribe.inference.patch_readers import FolderReader, ImageReader, PatchPath


@dataclass(frozen=True)
class Source:
    """What is to be predicted, in order, and the reader of each."""

    patches: list[PatchPath]
    reader: FolderReader | ImageReader


@dataclass(frozen=True)
class PatchFolders:
    """Patch folders that were found.

    Attributes:
        root: folder that the paths start from.
        paths: name -> path of the folder.
        num_others: what else lies there.
    """

    root: Path
    paths: dict[str, str]
    num_others: int


def check_inputs(path: Path, s1_root: Path | None, band_order: Sequence[str] | None) -> None:
    """Check what `predict_path` takes as far as no model is needed: no file is opened.

    Raises:
        ArchiveError: a path is absent, or nothing that looks like an image or a patch is there.
        ParamsError: a name of `band_order` is unknown or occurs twice.
    """
    if band_order is not None:
        check_order(band_order, "--band-order")
    if s1_root is not None and not s1_root.is_dir():
        raise ArchiveError(f"--s1-root {s1_root}: expected a folder of Sentinel-1 patches; there is none.")
    if not path.exists():
        raise ArchiveError(f"{path} does not exist; expected a patch folder, an image or a folder of them.")
    check_unpacked(path, "the path", _is_part)
    if path.is_dir():
        try:
            list_folders(path)
        except ArchiveError:
            if _find_patches(path) or not _has_images(path):
                raise


def open_images(path: Path, dtypes: Mapping[str, np.dtype[Any]], band_order: Sequence[str] | None) -> Source:
    """Find `path` itself, or every image below it, under the names that an archive gives them.

    Raises:
        ArchiveError: there is none, two share a name, or patches of BigEarthNet are there.
    """
    reader = ImageReader(path.parent if path.is_file() else path, dtypes, tuple(band_order) if band_order else None)
    if path.is_file():
        return Source([PatchPath(path.stem, path.name)], reader)
    if found := _find_patches(path):
        raise ArchiveError(
            f"{found[0]} holds patches of BigEarthNet; this model takes {', '.join(dtypes)} of images: name a folder of"
            " images, or a model of Sentinel bands with --model."
        )
    by_key: dict[str, str] = {}
    for image in find_images(path)[0]:
        if (other := by_key.setdefault(cut_suffix(image), image)) != image:
            raise ArchiveError(f"{path}: {other} and {image} share one name; keep one.")
    return Source([PatchPath(patch_id, by_key[key]) for key, patch_id in make_patch_ids(by_key).items()], reader)


def open_folders(path: Path, found: PatchFolders, bands: Sequence[Band], s1_root: Path | None) -> Source:
    """Choose the patches of the sensors that the bands are of, and find their twins.

    Args:
        path: where the folders were found, for errors.
        found: as `list_folders` returns them.
        bands: to be read.
        s1_root: folder of the twins.

    Raises:
        ArchiveError: those of Sentinel-2 are missing, or the twins cannot be found.
    """
    num_s1_bands = sum(band.name in S1_BANDS for band in bands)
    s1 = {name: folder for name, folder in found.paths.items() if is_s1_name(name)}
    if s1 and num_s1_bands == len(bands):
        reader = FolderReader(BigEarthNetV1(None, found.root), tuple(bands))
        return Source([PatchPath(name, folder) for name, folder in s1.items()], reader)
    others = {name: folder for name, folder in found.paths.items() if name not in s1}
    if not others:
        raise ArchiveError(
            f"{path} holds Sentinel-1 patches; this model takes {', '.join(band.name for band in bands)}: name a folder"
            " of Sentinel-2 patches, and that of their twins with --s1-root."
        )
    twins = _read_twins(others, s1_root) if num_s1_bands else {}
    reader = FolderReader(BigEarthNetV1(found.root, s1_root), tuple(bands))
    return Source([PatchPath(name, folder, twins.get(name)) for name, folder in others.items()], reader)


def list_folders(path: Path) -> PatchFolders:
    """Find the patch folders.

    The patch is `path` itself when it holds files of bands; else the patches lie in it or one folder deeper. Of tile or
    scene folders (v2) the inner ones count. Where some names are known as those of patches, the others are left out;
    where none is, every folder that holds files of bands is a patch.

    Raises:
        ArchiveError: there is none.
    """
    path = path.resolve()
    if not path.is_dir():
        raise ArchiveError(f"{path} is no folder; expected a patch folder or a folder of patch folders.")
    if _holds_bands(path):
        return PatchFolders(path.parent, {path.name: path.name}, 0)
    outer = list(path.iterdir())
    is_nest = re.compile(f"{V2_GRANULE}|{S1_SCENE}").fullmatch
    inner = [item for folder in outer if is_nest(folder.name) and folder.is_dir() for item in folder.iterdir()]
    found = sorted((item for item in (*outer, *inner) if not is_nest(item.name)), key=lambda item: item.name)
    folders = [item for item in found if is_patch_name(item.name) and item.is_dir()]
    folders = folders or [item for item in found if item.is_dir() and _holds_bands(item)]
    if not folders:
        raise ArchiveError(
            f"{path}: expected images, <patch>/<patch>_<band>.tif or {path.name}_<band>.tif; found none of them."
            f"{_suggest_path(path)}"
        )
    paths = {folder.name: folder.relative_to(path).as_posix() for folder in folders}
    return PatchFolders(path, paths, len(found) - len(folders))


def _find_patches(path: Path) -> list[Path]:
    """Return the folders that hold patches of BigEarthNet, `path` and those below it, or its parent where it is one."""
    path = path.resolve()
    if _is_part(path.name):
        return [path.parent]
    return [path] if holds(path, _is_part) else find_below(path, _is_part)


def _has_images(path: Path) -> bool:
    try:
        return bool(find_images(path))
    except ArchiveError:
        return False


def _read_twins(names: Iterable[str], s1_root: Path | None) -> Mapping[str, str]:
    """Return patch name -> path of its twin under `s1_root`."""
    if s1_root is None:
        raise ArchiveError("this model takes Sentinel-1 bands; name the folder of the twins with --s1-root.")
    is_v2 = any(re.fullmatch(V2_S2_NAME, name) for name in names)
    try:
        return read_twin_paths(s1_root) if is_v2 else read_twin_names(s1_root)
    except ArchiveError as error:  # it speaks of params.yaml
        v1 = "Sentinel-1 patch folders like S1A_IW_GRDH_1SDV_20170613T165043_33UUP_87_48"
        wanted = "BigEarthNet-S1 with metadata.parquet beside it, both as published" if is_v2 else f"a folder of {v1}"
        raise ArchiveError(f"--s1-root {s1_root}: expected {wanted}.") from error


def _suggest_path(path: Path) -> str:
    """Return a sentence that names the folder of patches meant, and that of their twins; an empty one without any."""
    found = find_folders(path, _is_part)
    folder = {kind: next((one for one in found if tell_kind(one) == kind), None) for kind in ("S2", "S1")}
    s2, s1 = folder["S2"], folder["S1"]
    if s2 and s1:
        return f" Name {s2}, and with --s1-root {s1} where the model takes Sentinel-1."
    if s2 or s1:
        return f" Name {s2 or s1}."
    return suggest_folder(path, "the path", _is_part, "S2")


def _is_part(name: str) -> bool:
    """Return whether a folder of this name is a patch, or holds those of one tile or scene."""
    return is_patch_name(name) or re.fullmatch(f"{V2_GRANULE}|{S1_SCENE}", name) is not None


def _holds_bands(folder: Path) -> bool:
    return any(
        item.name.startswith(f"{folder.name}_") and item.suffix in (".tif", ".tiff") for item in folder.iterdir()
    )
