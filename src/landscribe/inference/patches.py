"""Labels of new patches, from a folder or file to a table: the implementation of `landscribe predict`.

The served model names its bands; they are read as by the archive readers, in native size and dtype, and the model
does the rest.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1, read_twin_names
from landscribe.archive.bigearthnet_v2 import read_twin_paths
from landscribe.archive.image import PLANET_BAND_ORDER, inspect_image, read_image, resample
from landscribe.archive.image_files import cut_suffix, find_images, make_patch_ids
from landscribe.archive.wrong_folder import check_unpacked, find_below, find_folders, holds, suggest_folder, tell_kind
from landscribe.core.bands import BANDS, IMAGE_BANDS, S1_BANDS, Band, check_order, hint_at_reflectance
from landscribe.core.errors import ArchiveError, LandscribeError, PatchError
from landscribe.core.files import replacing
from landscribe.core.patch import S1_SCENE, V2_GRANULE, V2_S2_NAME, is_patch_name, is_s1_name
from landscribe.core.quarantine import check_signal
from landscribe.runtime.progress import make_logger, track

_BATCH_SIZE_PATCHES = 64
_WRITERS = (".csv", ".parquet")
# Quirk of a TIFF without colour interpretation -> the default order of its bands.
_ASSUMED_ORDERS = {"band-order-from-params": PLANET_BAND_ORDER, "rgb-order-assumed": ("R", "G", "B")}

Patch = tuple[str, dict[str, np.ndarray]]
# patch_id -> folder or file, and the function that reads one.
Opened = tuple[Mapping[str, Path], Callable[[Path], dict[str, np.ndarray]]]


def check_out_path(path: Path) -> None:
    """Raise `LandscribeError` unless the file's suffix is one that can be written, and its folder can be written to."""
    if path.suffix not in _WRITERS:
        raise LandscribeError(f"--out {path}: expected a file that ends in .csv or .parquet.")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        what = f"{path} is a folder" if path.is_dir() else f"{folder} is not one"
        raise LandscribeError(f"--out {path}: expected a file in a folder that can be written to; {what}.")


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
            _list_folders(path)
        except ArchiveError:
            if _find_patches(path) or not _has_images(path):
                raise


def predict_path(
    path: Path, served: Any, s1_root: Path | None, band_order: Sequence[str] | None = None, offset: int = 0
) -> pd.DataFrame:
    """Return patch_id, one float column per class and `labels` (lists of class names), one row per patch.

    Patches that conversion would leave out are reported on stderr and left out, with the same reason. The last column
    is `warning`: empty, or how the patch is out of the range of the train split; a version that was registered before
    there were warnings has none.

    Args:
        path: a patch folder, a folder of them or (v2) a folder of tile or scene folders; an image or a folder of
            images. A model of only VV or VH, or that does not need other bands, also accepts folders of Sentinel-1
            patches.
        served: the loaded MLflow model.
        s1_root: folder of the Sentinel-1 twins of Sentinel-2 patches, for a model with VV or VH; that of v2 has
            metadata.parquet next to it. If it is None, a model for which they are optional predicts without them.
        band_order: bands, by name, of a raster that has as many and does not name them itself; None: Planet's order,
            with a warning if it was used.
        offset: added to the digital numbers of the optical bands as they are read; see `_choose_shifted`.

    Raises:
        ArchiveError: nothing readable is there.
        LandscribeError: the model takes no digital numbers that an offset could be added to.
    """
    inputs, optional = _read_inputs(served)
    shifted = _choose_shifted(inputs, offset)
    names = list(inputs)
    facts = served.metadata.metadata or {}  # None in versions that were registered before it was written
    if facts.get("resamples", set(inputs) <= set(IMAGE_BANDS)):
        paths, read = _open_images(path, inputs, band_order)
    else:
        folders, num_others = _list_folders(path)
        if num_others:
            make_logger("predict").info("%d entries of %s are no patches and are left out", num_others, path)
        names = _choose_bands(names, optional, folders, s1_root)
        paths, read = _open_patches(path, folders, [BANDS[name] for name in names], s1_root)
    tables = []
    patches = _read_all(paths, lambda path: _fill_nodata(_shift(read(path), shifted, offset), facts))
    for batch in _iter_batches(track(patches, total=len(paths), what="predicting")):
        values = {name: np.stack([bands[name] for _, bands in batch]) for name in names}
        table = served.predict(values)
        table.insert(0, "patch_id", [patch_id for patch_id, _ in batch])
        tables.append(table)
    if not tables:
        raise ArchiveError(f"{path}: none of the {len(paths)} patches could be read.")
    table = pd.concat(tables, ignore_index=True)
    _tell_warnings(table)
    return table


def _tell_warnings(table: pd.DataFrame) -> None:
    """Say how many patches are out of the range of the model's train split, with the first as an example."""
    if "warning" not in table:  # of a version that was registered before there were warnings
        return
    warned = table[table["warning"] != ""]
    if len(warned):
        make_logger("predict").warning(
            "warning: %d of %d patches are out of the range of the train split: column `warning`; e.g. %s: %s",
            len(warned),
            len(table),
            *warned.iloc[0][["patch_id", "warning"]],
        )


def write_predictions(table: pd.DataFrame, path: Path) -> None:
    """Write the table as CSV (labels joined by `;`) or parquet (labels as lists), atomically."""
    check_out_path(path)
    with replacing(path) as beside:
        if path.suffix == ".csv":
            table.assign(labels=table["labels"].str.join(";")).to_csv(beside, index=False)
        else:
            table.to_parquet(beside, index=False)


def _choose_shifted(inputs: Mapping[str, np.dtype[Any]], offset: int) -> list[str]:
    """Return the optical bands, to which the offset is added; none if it is 0.

    Raises:
        LandscribeError: there is none, or one is no integer of 16 bits.
    """
    if not offset:
        return []
    optical = [name for name in inputs if name not in S1_BANDS]
    unfit = [
        f"{name} ({inputs[name]})" for name in optical if inputs[name].kind not in "iu" or inputs[name].itemsize < 2
    ]
    if unfit or not optical:
        received = ", ".join(unfit or inputs)
        raise LandscribeError(
            f"--offset {offset}: expected a model of digital numbers of 16 bits; this one takes {received}. Leave"
            " --offset out."
        )
    make_logger("predict").info("%+d is added to the digital numbers of %s", offset, ", ".join(optical))
    return optical


def _shift(bands: dict[str, np.ndarray], names: Iterable[str], offset: int) -> dict[str, np.ndarray]:
    """Return the bands with the offset added to those named, within the range of their dtype; the patch has a signal.

    Raises:
        PatchError: every pixel is 0, before or after.
    """
    check_signal(bands)
    shifted = dict(bands)
    for name in set(names) & set(bands):
        limits = np.iinfo(bands[name].dtype)
        values = np.clip(bands[name].astype(np.int64) + offset, limits.min, limits.max)
        shifted[name] = values.astype(bands[name].dtype)
    check_signal(shifted)
    return shifted


def _read_inputs(served: Any) -> tuple[dict[str, np.dtype[Any]], Mapping[str, Iterable[str]]]:
    """Return band -> dtype, and sensor -> its bands for a model in which a sensor may be missing."""
    facts = served.metadata.metadata or {}  # None in versions that were registered before this key existed
    schema = served.metadata.get_input_schema()
    if schema is None:  # left open where a sensor may be missing
        inputs = {name: np.dtype(band["dtype"]) for name, band in facts["bands"].items()}
    else:
        inputs = {spec.name: spec.type for spec in schema.inputs}
    return inputs, facts.get("optional", {})


def _choose_bands(
    names: Sequence[str], optional: Mapping[str, Iterable[str]], folders: Iterable[str], s1_root: Path | None
) -> list[str]:
    """Return the bands to read: without those of an absent sensor, if the model allows it."""
    absent = "S2" if all(is_s1_name(folder) for folder in folders) else "S1" if s1_root is None else ""
    left_out = set(optional.get(absent, ()))
    if left_out:
        words = (absent, ", ".join(sorted(left_out)))
        make_logger("predict").warning("warning: without the bands of %s (%s): the train mean replaces them", *words)
    return [name for name in names if name not in left_out]


def _open_images(path: Path, dtypes: Mapping[str, np.dtype[Any]], band_order: Sequence[str] | None) -> Opened:
    files = _find_images(path, dtypes)
    order = band_order or PLANET_BAND_ORDER
    unsaid = {quirk for quirk in _ASSUMED_ORDERS if not band_order or quirk != "band-order-from-params"}

    def read(file: Path) -> dict[str, np.ndarray]:
        values = read_image(file, list(dtypes), order)
        for name, dtype in dtypes.items():
            if values[name].dtype != dtype:
                hint = hint_at_reflectance(dtype, values[name].dtype)
                raise PatchError(f"{file.name}: expected {dtype} values; received {values[name].dtype}{hint}")
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


def _find_images(path: Path, names: Iterable[str]) -> dict[str, Path]:
    """Return patch_id -> file: `path` itself, or every image below it, under the names that an archive gives them."""
    if path.is_file():
        return {path.stem: path}
    if found := _find_patches(path):
        raise ArchiveError(
            f"{found[0]} holds patches of BigEarthNet; this model takes {', '.join(names)} of images: name a folder of"
            " images, or a model of Sentinel bands with --model."
        )
    by_key: dict[str, str] = {}
    for image in find_images(path)[0]:
        if (other := by_key.setdefault(cut_suffix(image), image)) != image:
            raise ArchiveError(f"{path}: {other} and {image} share one name; keep one.")
    return {patch_id: path / by_key[key] for key, patch_id in make_patch_ids(by_key).items()}


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


def _list_folders(path: Path) -> tuple[dict[str, Path], int]:
    """Return name -> patch folder, and how many other things lie there.

    The patch is `path` itself when it holds files of bands; else the patches lie in it or one folder deeper. Of tile or
    scene folders (v2) the inner ones count. Where some names are known as those of patches, the others are left out;
    where none is, every folder that holds files of bands is a patch.
    """
    path = path.resolve()
    if not path.is_dir():
        raise ArchiveError(f"{path} is no folder; expected a patch folder or a folder of patch folders.")
    if _holds_bands(path):
        return {path.name: path}, 0
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
    return {folder.name: folder for folder in folders}, len(found) - len(folders)


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
