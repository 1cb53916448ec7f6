"""Labels of new patches: a folder or file in, a table out; what `landscribe predict` does.

The served model says which bands it takes, by name; they are read as the archive readers read them, in native size
and dtype, and the model does the rest.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1, read_twin_names
from landscribe.archive.bigearthnet_v2 import read_twin_paths
from landscribe.archive.image import PLANET_BAND_ORDER, inspect_image, read_image, resample
from landscribe.archive.tagged_images import list_images
from landscribe.core.bands import BANDS, IMAGE_BANDS, S1_BANDS, Band
from landscribe.core.errors import ArchiveError, LandscribeError, PatchError
from landscribe.core.files import replacing
from landscribe.core.patch import S1_SCENE, V2_GRANULE, V2_S2_NAME, is_s1_name, is_s2_name
from landscribe.records.masks import check_signal
from landscribe.runtime.progress import make_logger, track

_BATCH_SIZE_PATCHES = 64
_WRITERS = (".csv", ".parquet")
# Quirk of a TIFF without marks -> the order in which its bands are taken unasked.
_ASSUMED_ORDERS = {"band-order-from-params": PLANET_BAND_ORDER, "rgb-order-assumed": ("R", "G", "B")}

Patch = tuple[str, dict[str, np.ndarray]]
# patch_id -> folder or file, and what reads one.
Opened = tuple[Mapping[str, Path], Callable[[Path], dict[str, np.ndarray]]]


def check_out_path(path: Path) -> None:
    """Raise `LandscribeError` unless the file's suffix is one that can be written."""
    if path.suffix not in _WRITERS:
        raise LandscribeError(f"--out {path}: expected a file that ends in .csv or .parquet.")


def predict_path(
    path: Path, served: Any, s1_root: Path | None, band_order: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return patch_id, one float column a class and `labels` (lists of class names), one row a patch.

    Unreadable patches are told on stderr and left out.

    Args:
        path: a patch folder, a folder of them or (v2) a folder of tile or scene folders; an image or a folder of
            images. A model that takes VV or VH alone, or can do without all else, also takes folders of Sentinel-1
            patches.
        served: the loaded MLflow model.
        s1_root: folder of the Sentinel-1 twins of Sentinel-2 patches, for a model that takes VV or VH; those of v2
            with metadata.parquet beside it. A model that can do without them does where this is None.
        band_order: bands, by name, of a raster that has as many and does not name them itself; None: Planet's order,
            and a warning where it was needed.

    Raises:
        ArchiveError: nothing readable is there.
    """
    inputs, optional = _read_inputs(served)
    names = list(inputs)
    facts = served.metadata.metadata or {}  # None in versions that were registered before it was written
    if facts.get("resamples", set(inputs) <= set(IMAGE_BANDS)):
        paths, read = _open_images(path, inputs, facts, band_order)
    else:
        folders = _list_folders(path)
        names = _choose_bands(names, optional, folders, s1_root)
        paths, read = _open_patches(path, folders, [BANDS[name] for name in names], s1_root)
    tables = []
    for batch in _iter_batches(track(_read_all(paths, read), total=len(paths), what="predicting")):
        values = {name: np.stack([bands[name] for _, bands in batch]) for name in names}
        table = served.predict(values)
        table.insert(0, "patch_id", [patch_id for patch_id, _ in batch])
        tables.append(table)
    if not tables:
        raise ArchiveError(f"{path}: none of the {len(paths)} patches could be read.")
    return pd.concat(tables, ignore_index=True)


def write_predictions(table: pd.DataFrame, path: Path) -> None:
    """Write the table as CSV (labels joined by `;`) or parquet (labels as lists), atomically."""
    check_out_path(path)
    with replacing(path) as beside:
        if path.suffix == ".csv":
            table.assign(labels=table["labels"].str.join(";")).to_csv(beside, index=False)
        else:
            table.to_parquet(beside, index=False)


def _read_inputs(served: Any) -> tuple[dict[str, np.dtype[Any]], Mapping[str, Iterable[str]]]:
    """Return band -> dtype, and sensor -> its bands for a model that can do without one of them."""
    facts = served.metadata.metadata or {}  # None in versions that were registered before it was written
    schema = served.metadata.get_input_schema()
    if schema is None:  # left open where a sensor may be missing
        inputs = {name: np.dtype(band["dtype"]) for name, band in facts["bands"].items()}
    else:
        inputs = {spec.name: spec.type for spec in schema.inputs}
    return inputs, facts.get("optional", {})


def _choose_bands(
    names: Sequence[str], optional: Mapping[str, Iterable[str]], folders: Iterable[str], s1_root: Path | None
) -> list[str]:
    """Return the bands to read: without those of a sensor that is not there, where the model can do without."""
    absent = "S2" if all(is_s1_name(folder) for folder in folders) else "S1" if s1_root is None else ""
    left_out = set(optional.get(absent, ()))
    if left_out:
        words = (absent, ", ".join(sorted(left_out)))
        make_logger("predict").warning("warning: without the bands of %s (%s): the train mean stands for them", *words)
    return [name for name in names if name not in left_out]


def _open_images(
    path: Path, dtypes: Mapping[str, np.dtype[Any]], facts: Mapping[str, Any], band_order: Sequence[str] | None
) -> Opened:
    files: dict[str, Path] = {}
    for file in [path] if path.is_file() else list_images(path)[0]:
        if (other := files.setdefault(file.stem, file)) != file:
            raise ArchiveError(f"{path}: {other.name} and {file.name} share one name; keep one.")
    order = band_order or PLANET_BAND_ORDER
    unsaid = {quirk for quirk in _ASSUMED_ORDERS if not band_order or quirk != "band-order-from-params"}

    def read(file: Path) -> dict[str, np.ndarray]:
        values = read_image(file, list(dtypes), order)
        for name, dtype in dtypes.items():
            if values[name].dtype != dtype:
                raise PatchError(f"{file.name}: expected {dtype} values; received {values[name].dtype}")
        values = _fill_nodata(values, facts)
        for quirk in unsaid.intersection(inspect_image(file, order, dtypes).quirks):
            unsaid.remove(quirk)
            make_logger("predict").warning(
                "warning: %s does not mark its colours; it and others like it are read as %s. Where this is wrong, name"
                " their order with --band-order",
                file.name,
                ",".join(_ASSUMED_ORDERS[quirk]),
            )
        return values

    return files, read


def _fill_nodata(values: dict[str, np.ndarray], facts: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the bands of an image as its model takes them: by the rule of the conversion, nodata is the train mean.

    Raises:
        PatchError: more of the image is nodata than the conversion tolerated.
    """
    limit = facts.get("max_nodata_fraction")
    if limit is None:  # registered before nodata was known: every pixel counts
        return {name: np.asarray(band) for name, band in values.items()}
    resampled = {name: resample(band, facts["bands"][name]["size_px"]) for name, band in values.items()}
    check_signal(resampled, limit)
    return {name: np.ma.filled(band, band.dtype.type(facts["bands"][name]["fill"])) for name, band in resampled.items()}


def _open_patches(path: Path, found: Mapping[str, Path], bands: Sequence[Band], s1_root: Path | None) -> Opened:
    num_s1_bands = sum(band.name in S1_BANDS for band in bands)
    s1 = {name: folder for name, folder in found.items() if is_s1_name(name)}
    if s1 and num_s1_bands == len(bands):
        return s1, lambda folder: BigEarthNetV1(None, folder.parent).read_patch("", folder.name, bands)
    others = {name: folder for name, folder in found.items() if name not in s1}
    if not others:
        raise ArchiveError(
            f"{path} holds Sentinel-1 patches; this model takes {', '.join(band.name for band in bands)}: name a folder"
            " of Sentinel-2 patches, and that of their twins with --s1-root."
        )
    twins = _read_twins(others, s1_root) if num_s1_bands else {}

    def read(folder: Path) -> dict[str, np.ndarray]:
        return BigEarthNetV1(folder.parent, s1_root).read_patch(folder.name, twins.get(folder.name), bands)

    return others, read


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


def _list_folders(path: Path) -> dict[str, Path]:
    """Return name -> patch folder: `path` itself when it holds files of bands, else those in it or one folder deeper.

    Of tile or scene folders (v2) the inner ones count. Where some names are known as those of patches, others are
    passed over; where none is, every folder that holds files of bands is a patch.
    """
    path = path.resolve()
    if not path.is_dir():
        raise ArchiveError(f"{path} is no folder; expected a patch folder or a folder of patch folders.")
    if _holds_bands(path):
        return {path.name: path}
    outer = list(path.iterdir())
    is_nest = re.compile(f"{V2_GRANULE}|{S1_SCENE}").fullmatch
    inner = [item for folder in outer if is_nest(folder.name) and folder.is_dir() for item in folder.iterdir()]
    found = sorted((item for item in (*outer, *inner) if not is_nest(item.name)), key=lambda item: item.name)
    folders = [item for item in found if _is_patch_name(item.name) and item.is_dir()]
    folders = folders or [item for item in found if item.is_dir() and _holds_bands(item)]
    if not folders:
        raise ArchiveError(f"{path}: expected <patch>/<patch>_<band>.tif or {path.name}_<band>.tif; found neither.")
    if len(folders) < len(found):
        make_logger("predict").info(
            "passed over, as no patches: %d of %d things", len(found) - len(folders), len(found)
        )
    return {folder.name: folder for folder in folders}


def _is_patch_name(name: str) -> bool:
    return is_s2_name(name) or is_s1_name(name) or re.fullmatch(V2_S2_NAME, name) is not None


def _holds_bands(folder: Path) -> bool:
    return any(
        item.name.startswith(f"{folder.name}_") and item.suffix in (".tif", ".tiff") for item in folder.iterdir()
    )


def _read_all(paths: Mapping[str, Path], read: Callable[[Path], dict[str, np.ndarray]]) -> Iterator[Patch]:
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
