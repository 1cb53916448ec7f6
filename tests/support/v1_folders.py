"""Archives of patch folders in the form of BigEarthNet v1, to be damaged."""

from pathlib import Path
from typing import Any

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.core.patch import S1_FOLDER, S2_FOLDER


def open_pairs(root: Path) -> BigEarthNetV1:
    """Return the reader of both sensors."""
    return BigEarthNetV1(root / S2_FOLDER, root / S1_FOLDER)


def open_s1(root: Path, labels_file: Path | None = None) -> BigEarthNetV1:
    """Return the reader of Sentinel-1 alone."""
    return BigEarthNetV1(None, root / S1_FOLDER, labels_file)


def list_patches(archive: BigEarthNetV1) -> list[dict[str, Any]]:
    """Return the rows of the listing."""
    rows: list[dict[str, Any]] = archive.read_listing().patches.to_pylist()
    return rows


def list_folders(root: Path) -> list[Path]:
    """Return the patch folders, sorted."""
    return sorted(path for path in root.iterdir() if path.is_dir())


def turn_into_folder(path: Path) -> None:
    """Put a folder in a file's place."""
    path.unlink()
    path.mkdir()
