"""Labels of new patches, from a folder or file to a table: the implementation of `landscribe predict`.

The served model names its bands. This thread reads them, as the archive readers do, while others ask the model, which
works on all cores: pixels do not leave the process, which would cost more than to read them, and several threads that
read would wait for each other. What is labelled goes into the table, which alone grows with the number of patches.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from landscribe.core.bands import BANDS, IMAGE_BANDS, S1_BANDS
from landscribe.core.errors import ArchiveError, LandscribeError
from landscribe.core.files import replacing
from landscribe.core.patch import is_s1_name
from landscribe.inference.patch_readers import Batch, ChunkReader, Note, PatchPath, ReadChunk
from landscribe.inference.patch_sources import Source, list_folders, open_folders, open_images
from landscribe.runtime.look_ahead import map_in_threads
from landscribe.runtime.progress import make_logger, track

_BATCH_SIZE_PATCHES = 64  # larger ones are no faster; 10 MB where all bands of BigEarthNet are read
_WRITERS = (".csv", ".parquet")


def check_out_path(path: Path) -> None:
    """Raise `LandscribeError` unless the file's suffix is one that can be written, and its folder can be written to."""
    if path.suffix not in _WRITERS:
        raise LandscribeError(f"--out {path}: expected a file that ends in .csv or .parquet.")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        what = f"{path} is a folder" if path.is_dir() else f"{folder} is not one"
        raise LandscribeError(f"--out {path}: expected a file in a folder that can be written to; {what}.")


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
        served: the MLflow model; it is asked for its scores once there is a patch that could be read.
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
    facts = served.metadata.metadata or {}  # None in versions that were registered before it was written
    source = _open(path, inputs, optional, facts, s1_root, band_order)
    reader = ChunkReader(
        reader=source.reader,
        shifted=tuple(shifted),
        offset=offset,
        fills=facts.get("bands", {}),
        max_nodata_fraction=facts.get("max_nodata_fraction"),  # None also where it was not known at registration
    )
    tables = list(_iter_tables(served, reader, source.patches))
    if not tables:
        raise ArchiveError(f"{path}: none of the {len(source.patches)} patches could be read.")
    table = pd.concat(tables, ignore_index=True)
    _tell_warnings(table)
    return table


def _open(
    path: Path,
    inputs: Mapping[str, np.dtype[Any]],
    optional: Mapping[str, Iterable[str]],
    facts: Mapping[str, Any],
    s1_root: Path | None,
    band_order: Sequence[str] | None,
) -> Source:
    """Find the patches, or the images where the model resamples."""
    if facts.get("resamples", set(inputs) <= set(IMAGE_BANDS)):
        return open_images(path, inputs, band_order)
    found = list_folders(path)
    if found.num_others:
        words = (found.num_others, path)
        make_logger("predict").info("%d entries of %s are no patches and are left out", *words)
    names = _choose_bands(list(inputs), optional, found.paths, s1_root)
    return open_folders(path, found, [BANDS[name] for name in names], s1_root)


def _iter_tables(served: Any, reader: ChunkReader, patches: Sequence[PatchPath]) -> Iterator[pd.DataFrame]:
    """Yield the tables of all patches, in order; say what is to be said of them."""

    def label(read: ReadChunk) -> tuple[ReadChunk, list[pd.DataFrame]]:
        return read, [_label(served, batch) for batch in read.batches]

    starts = range(0, len(patches), _BATCH_SIZE_PATCHES)
    chunks = (reader.read(patches[start : start + _BATCH_SIZE_PATCHES]) for start in starts)
    labelled = map_in_threads(label, chunks)
    topics: set[str] = set()
    for read, tables in track(labelled, total=len(patches), what="predicting", count=lambda pair: pair[0].num_patches):
        for note in read.notes:
            _say_once(note, topics)
        read.batches.clear()  # their pixels
        yield from tables


def _say_once(note: Note, topics: set[str]) -> None:
    """Say it, unless its topic is among those of which something was said."""
    if note.topic not in topics:
        make_logger("predict").warning("%s", note.words)
    topics |= {note.topic} - {""}


def _label(served: Any, batch: Batch) -> pd.DataFrame:
    table: pd.DataFrame = served.predict(batch.bands)
    table.insert(0, "patch_id", batch.patch_ids)
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
