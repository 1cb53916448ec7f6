"""Labels of new patches: a folder or file in, a table out; what `landscribe predict` does.

The served model says which bands it takes, by name; they are read as the archive readers read them, in native size
and dtype, and the model does the rest.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1, read_twin_names
from landscribe.archive.image import read_image
from landscribe.archive.tagged_images import list_images
from landscribe.bands import BANDS, IMAGE_BANDS, S1_BANDS, Band
from landscribe.errors import ArchiveError, LandscribeError, PatchError
from landscribe.files import replacing
from landscribe.progress import make_logger, track

_BATCH_SIZE_PATCHES = 64
_WRITERS = (".csv", ".parquet")

Patch = tuple[str, dict[str, np.ndarray]]


def check_out_path(path: Path) -> None:
    """Raise `LandscribeError` unless the file's suffix is one that can be written."""
    if path.suffix not in _WRITERS:
        raise LandscribeError(f"--out {path}: expected a file that ends in .csv or .parquet.")


def predict_path(path: Path, served: Any, s1_root: Path | None) -> pd.DataFrame:
    """Return patch_id, one float column a class and `labels` (lists of class names), one row a patch.

    Unreadable patches are told on stderr and left out.

    Args:
        path: a patch folder or a folder of them; an image or a folder of images.
        served: the loaded MLflow model.
        s1_root: folder of the Sentinel-1 twins, for a model that takes VV or VH.

    Raises:
        ArchiveError: nothing readable is there.
    """
    inputs = {spec.name: spec for spec in served.metadata.get_input_schema().inputs}
    if set(inputs) <= set(IMAGE_BANDS):
        names, patches = _open_images(path, {name: spec.type for name, spec in inputs.items()})
    else:
        names, patches = _open_patches(path, [BANDS[name] for name in inputs], s1_root)
    tables = []
    for batch in _iter_batches(track(patches, total=len(names), what="predicting")):
        values = {name: np.stack([bands[name] for _, bands in batch]) for name in inputs}
        table = served.predict(values)
        table.insert(0, "patch_id", [patch_id for patch_id, _ in batch])
        tables.append(table)
    if not tables:
        raise ArchiveError(f"{path}: none of the {len(names)} patches could be read.")
    return pd.concat(tables, ignore_index=True)


def write_predictions(table: pd.DataFrame, path: Path) -> None:
    """Write the table as CSV (labels joined by `;`) or parquet (labels as lists), atomically."""
    check_out_path(path)
    with replacing(path) as beside:
        if path.suffix == ".csv":
            table.assign(labels=table["labels"].str.join(";")).to_csv(beside, index=False)
        else:
            table.to_parquet(beside, index=False)


def _open_images(path: Path, dtypes: Mapping[str, np.dtype[Any]]) -> tuple[list[str], Iterator[Patch]]:
    files: dict[str, Path] = {}
    for file in [path] if path.is_file() else list_images(path)[0]:
        if (other := files.setdefault(file.stem, file)) != file:
            raise ArchiveError(f"{path}: {other.name} and {file.name} share one name; keep one.")

    def read(file: Path) -> dict[str, np.ndarray]:
        image = read_image(file)
        for dtype in dtypes.values():
            if image.dtype != dtype:
                raise PatchError(f"{file.name}: expected {dtype} values; received {image.dtype}")
        return {name: image[..., "RGB".index(name)] for name in dtypes}

    return list(files), _read_all(files, read)


def _open_patches(path: Path, bands: Sequence[Band], s1_root: Path | None) -> tuple[list[str], Iterator[Patch]]:
    twins: Mapping[str, str] = {}
    if any(band.name in S1_BANDS for band in bands):
        if s1_root is None:
            raise ArchiveError("this model takes Sentinel-1 bands; name the folder of the twins with --s1-root.")
        twins = read_twin_names(s1_root)
    folders = _list_folders(path)
    archive = BigEarthNetV1(folders[0].parent, s1_root)

    def read(folder: Path) -> dict[str, np.ndarray]:
        return archive.read_patch(folder.name, twins.get(folder.name), bands)

    return [folder.name for folder in folders], _read_all({folder.name: folder for folder in folders}, read)


def _list_folders(path: Path) -> list[Path]:
    """Return the patch folders: `path` itself when it holds files of bands, else its sub-folders."""
    path = path.resolve()
    if not path.is_dir():
        raise ArchiveError(f"{path} is no folder; expected a patch folder or a folder of patch folders.")
    if any(item.name.startswith(f"{path.name}_") and item.suffix == ".tif" for item in path.iterdir()):
        return [path]
    folders = sorted(item for item in path.iterdir() if item.is_dir())
    if not folders:
        raise ArchiveError(f"{path}: expected <patch>/<patch>_<band>.tif or {path.name}_<band>.tif; found neither.")
    return folders


def _read_all(paths: Mapping[str, Path], read: Any) -> Iterator[Patch]:
    for patch_id, path in paths.items():
        try:
            yield patch_id, read(path)
        except PatchError as error:
            make_logger("predict").warning("warning: %s is left out: %s", patch_id, error)


def _iter_batches(patches: Iterator[Patch]) -> Iterator[list[Patch]]:
    """Yield batches of patches of one size and dtype, in order."""
    batch: list[Patch] = []
    for patch in patches:
        if batch and (len(batch) == _BATCH_SIZE_PATCHES or _shape(batch[-1]) != _shape(patch)):
            yield batch
            batch = []
        batch.append(patch)
    if batch:
        yield batch


def _shape(patch: Patch) -> list[tuple[Any, ...]]:
    return [(values.shape, values.dtype) for values in patch[1].values()]
