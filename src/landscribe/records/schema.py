"""The format of a record, and the manifest that describes it.

One record is a `tf.train.Example` with the features `patch_id` (bytes), `labels` (bytes list, class names),
`multi_hot` (int64 [class]) and one bytes feature for each band group: the bands of one size and dtype, stacked as
[band, row, column], little-endian. Bands and classes are named, in order, in `manifest.json`.

A record of a patch with nodata has one feature more, `nodata` (bytes): a bit for each pixel of each band, 1 where it is
nodata, the bands in the order of the groups, the first pixel in the highest bit. Such a pixel is stored as 0.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from landscribe.core.bands import Band
from landscribe.core.errors import RecordsError
from landscribe.core.files import compute_digest, read_json, write_json

FORMAT_VERSION = 1
NODATA_KEY = "nodata"
_OPTIONAL = ("nodata", "wavelengths_nm")


@dataclass(frozen=True)
class BandGroup:
    """Bands of one size and dtype, stored together under one feature key."""

    key: str
    dtype: str
    size_px: int
    bands: tuple[str, ...]

    @functools.cached_property  # used for each band of each patch, and takes 1 us to make
    def stored_dtype(self) -> np.dtype:
        """The dtype in the order of bytes of the records, little-endian."""
        return np.dtype(self.dtype).newbyteorder("<")

    @property
    def num_bytes(self) -> int:
        """Bytes of one patch."""
        return len(self.bands) * self.size_px**2 * self.stored_dtype.itemsize


@dataclass(frozen=True)
class Shard:
    """One TFRecord file.

    Attributes:
        name: of the file, in the folder of its split next to the manifest.
        num_records: number of its records.
        digest: of its content, without a second pass over the bytes: of the digests of its records, in order;
            the digest of a record is that of patch_id, labels, multi-hot (int64, little-endian) and of the digest of
            its pixels (the bytes of each band group, in the manifest's order). `files.compute_digest` joins the parts.
    """

    name: str
    num_records: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class NodataRule:
    """What becomes of pixels that an archive declares as nodata.

    Attributes:
        fills: band -> what a model receives in their place, the train mean, rounded where values are whole.
        max_fraction: share of a patch's pixels; a patch with more nodata is left out.
        occurs: whether any record holds such a pixel.
    """

    fills: dict[str, float]
    max_fraction: float
    occurs: bool


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The description of all shards for a reader.

    Attributes:
        archive: name of the archive.
        nomenclature: name of the class order; `classes` the names in order.
        groups: band groups; `bands` of all groups together are the stored bands.
        bands: stored bands in the order of `convert.bands`.
        splits: split -> shards.
        nodata: of an archive of images; None for one whose every pixel counts.
        wavelengths_nm: band -> central wavelength, of those whose name alone does not say it.
    """

    archive: str
    nomenclature: str
    classes: tuple[str, ...]
    bands: tuple[str, ...]
    groups: tuple[BandGroup, ...]
    splits: dict[str, tuple[Shard, ...]]
    # Not in the digest: the shards' own say the same, and the digest of an archive without stays what it was.
    nodata: NodataRule | None = field(default=None, repr=False)
    wavelengths_nm: dict[str, float] = field(default_factory=dict, repr=False)

    def num_records(self, split: str) -> int:
        """Return the number of records in each split."""
        return sum(shard.num_records for shard in self.splits[split])

    def group_of(self, band: str) -> BandGroup:
        """Return the group that stores `band`."""
        return next(group for group in self.groups if band in group.bands)

    @property
    def digest(self) -> str:
        """Digest of the whole: order of bands and classes, and every shard's content."""
        return compute_digest(repr(self), *([repr(sorted(self.wavelengths_nm.items()))] if self.wavelengths_nm else []))


def make_groups(bands: Iterable[Band]) -> tuple[BandGroup, ...]:
    """Return the band groups, in the order in which their first band appears; sizes and dtypes must be known."""
    grouped: dict[tuple[str, int], list[str]] = {}
    for band in bands:
        if band.dtype is None or band.size_px is None:
            raise RecordsError(f"band {band.name}: expected a known size and dtype before conversion.")
        grouped.setdefault((band.dtype, band.size_px), []).append(band.name)
    return tuple(
        BandGroup(f"{dtype}_{size_px}px", dtype, size_px, tuple(names)) for (dtype, size_px), names in grouped.items()
    )


def check_subset(names: Sequence[str], manifest: Manifest, where: str) -> None:
    """Raise `RecordsError`, with both lists, unless every name is a stored band."""
    missing = [name for name in names if name not in manifest.bands]
    if missing:
        raise RecordsError(
            f"{where} needs {', '.join(missing)}; the records have {', '.join(manifest.bands)}. Add the band to"
            " convert.bands, or remove it."
        )


def check_not_empty(manifest: Manifest, split: str) -> None:
    """Raise `RecordsError` if the split has no record."""
    if not manifest.num_records(split):
        raise RecordsError(
            f"the split {split} is empty; expected at least one patch. Set split.fractions or split.files so that"
            f" {split} gets some."
        )


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write the manifest as JSON, its digest included; what an archive has not is left out."""
    content = {name: value for name, value in asdict(manifest).items() if value or name not in _OPTIONAL}
    write_json(path, {"format": FORMAT_VERSION, **content, "digest": manifest.digest})


def read_manifest(path: Path) -> Manifest:
    """Return the manifest.

    Raises:
        RecordsError: it is absent or of another format.
    """
    if not path.is_file():
        raise RecordsError(f"{path} does not exist; run the stage convert first (make repro STAGE=convert).")
    content: dict[str, Any] = read_json(path)
    if content.get("format") != FORMAT_VERSION:
        raise RecordsError(f"{path}: expected format {FORMAT_VERSION}; received {content.get('format')}.")
    return Manifest(
        archive=content["archive"],
        nomenclature=content["nomenclature"],
        classes=tuple(content["classes"]),
        bands=tuple(content["bands"]),
        groups=tuple(BandGroup(**group | {"bands": tuple(group["bands"])}) for group in content["groups"]),
        splits={name: tuple(Shard(**shard) for shard in shards) for name, shards in content["splits"].items()},
        nodata=NodataRule(**content["nodata"]) if "nodata" in content else None,
        wavelengths_nm=content.get("wavelengths_nm", {}),
    )
