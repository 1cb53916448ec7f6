"""How patches are read for a prediction, in native size and dtype, as by the archive readers.

What conversion would leave out is left out here, with the same reason; what is said of it is returned with the pixels,
so that the order of the words does not depend on who reads.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.archive.image import PLANET_BAND_ORDER, inspect_image, read_image, resample
from landscribe.core.bands import Band, hint_at_reflectance
from landscribe.core.errors import PatchError
from landscribe.core.quarantine import check_signal

# Quirk of a TIFF without colour interpretation -> the default order of its bands.
_ASSUMED_ORDERS = {"band-order-from-params": PLANET_BAND_ORDER, "rgb-order-assumed": ("R", "G", "B")}


@dataclass(frozen=True, slots=True)
class PatchPath:
    """Where a patch lies: its folder, or the file of an image, and the folder of its Sentinel-1 twin.

    Paths start from what the reader of the patch names.
    """

    patch_id: str
    path: str
    s1_path: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """What is to be said of a patch; of those with the same `topic` only the first is said, of "" all."""

    words: str
    topic: str = ""


@dataclass(frozen=True)
class Batch:
    """Patches of one size and dtype: their names, and band -> [patch, row, column]."""

    patch_ids: list[str]
    bands: dict[str, np.ndarray]


@dataclass(frozen=True)
class ReadChunk:
    """What was read of a chunk of patches.

    Attributes:
        num_patches: those of the chunk, also those that are left out.
        batches: the patches, in order.
        notes: what is to be said of them, in order.
    """

    num_patches: int
    batches: list[Batch] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True)
class FolderReader:
    """Reads patch folders of BigEarthNet, and those of their twins, of both releases.

    Attributes:
        archive: the folders that the paths start from; without that of Sentinel-2 `path` is a Sentinel-1 patch.
        bands: what to read.
    """

    archive: BigEarthNetV1
    bands: tuple[Band, ...]

    def read(self, patch: PatchPath) -> tuple[dict[str, np.ndarray], list[Note]]:
        """Return band -> [row, column]; nothing is to be said.

        Raises:
            PatchError: a band is missing or not as expected.
        """
        paths = (patch.path, patch.s1_path) if self.archive.root else ("", patch.path)
        return self.archive.read_patch(*paths, self.bands), []


@dataclass(frozen=True)
class ImageReader:
    """Reads images of any size.

    Attributes:
        root: folder that the paths start from.
        dtypes: band -> dtype that the model takes.
        band_order: as `predict_path` takes it.
    """

    root: Path
    dtypes: Mapping[str, np.dtype[Any]]
    band_order: tuple[str, ...] | None

    def read(self, patch: PatchPath) -> tuple[dict[str, np.ndarray], list[Note]]:
        """Return band -> [row, column], and what was assumed of the order of the bands.

        Raises:
            PatchError: the file is unreadable, a band is missing or of another dtype.
        """
        file, order = self.root / patch.path, self.band_order or PLANET_BAND_ORDER
        values = read_image(file, list(self.dtypes), order)
        for name, dtype in self.dtypes.items():
            if values[name].dtype != dtype:
                hint = hint_at_reflectance(dtype, values[name].dtype)
                raise PatchError(f"{file.name}: expected {dtype} values; received {values[name].dtype}{hint}")
        quirks = inspect_image(file, order, self.dtypes).quirks
        return values, [_explain_assumed(file, quirk) for quirk in quirks if self._is_assumed(quirk)]

    def _is_assumed(self, quirk: str) -> bool:
        return quirk in _ASSUMED_ORDERS and not (self.band_order and quirk == "band-order-from-params")


def _explain_assumed(file: Path, quirk: str) -> Note:
    return Note(
        f"warning: {file.name} does not mark its colours; it and others like it are read as"
        f" {','.join(_ASSUMED_ORDERS[quirk])}. Where this is wrong, name their order with --band-order",
        topic=quirk,
    )


@dataclass(frozen=True, kw_only=True)
class ChunkReader:
    """Reads chunks of patches as a model takes them.

    Attributes:
        reader: of one patch.
        shifted: bands to which `offset` is added.
        offset: in digital numbers.
        fills: of a model of images, band -> its `size_px` and `fill`, the value that stands for nodata.
        max_nodata_fraction: share of nodata that the conversion tolerated; None: of a model for which every pixel
            counts.
    """

    reader: FolderReader | ImageReader
    shifted: tuple[str, ...]
    offset: int
    fills: Mapping[str, Mapping[str, Any]]
    max_nodata_fraction: float | None

    def read(self, patches: Sequence[PatchPath]) -> ReadChunk:
        """Read a chunk; a patch that conversion would leave out is left out, with the reason in the notes."""
        chunk = ReadChunk(len(patches))
        together: list[tuple[str, dict[str, np.ndarray]]] = []
        for patch in patches:
            try:
                bands = self._read(patch, chunk.notes)
            except PatchError as error:
                chunk.notes.append(Note(f"warning: {patch.patch_id} is left out: {error}"))
                continue
            if together and _find_form(together[-1][1]) != _find_form(bands):
                chunk.batches.append(_stack(together))
                together.clear()
            together.append((patch.patch_id, bands))
        if together:
            chunk.batches.append(_stack(together))
        return chunk

    def _read(self, patch: PatchPath, notes: list[Note]) -> dict[str, np.ndarray]:
        values, found = self.reader.read(patch)
        notes += found
        return self._fill_nodata(_shift(values, self.shifted, self.offset))

    def _fill_nodata(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the bands of an image as its model takes them: as in the conversion, nodata is the train mean.

        Raises:
            PatchError: more of the image is nodata than the conversion tolerated.
        """
        if self.max_nodata_fraction is None:
            return {name: np.asarray(band) for name, band in values.items()}
        resampled = {name: resample(band, self.fills[name]["size_px"]) for name, band in values.items()}
        check_signal(resampled, self.max_nodata_fraction)
        return {name: np.ma.filled(band, band.dtype.type(self.fills[name]["fill"])) for name, band in resampled.items()}


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
    if offset:
        check_signal(shifted)
    return shifted


def _find_form(bands: Mapping[str, np.ndarray]) -> list[tuple[Any, ...]]:
    return [(values.shape, values.dtype) for values in bands.values()]


def _stack(patches: Sequence[tuple[str, dict[str, np.ndarray]]]) -> Batch:
    bands = {name: np.stack([values[name] for _, values in patches]) for name in patches[0][1]}
    return Batch([patch_id for patch_id, _ in patches], bands)
