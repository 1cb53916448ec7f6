"""Tagged images: a folder of JPEG, PNG, TIFF or JPEG 2000 files and a CSV `image_name,tags` (Planet Amazon's form)."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from landscribe.archive.image import ImageFacts, Square, inspect_image, read_image, resample
from landscribe.archive.image_format import IMAGE_SUFFIXES, choose_images
from landscribe.archive.names import check_name
from landscribe.archive.protocol import Listing, make_patches
from landscribe.core.bands import Band, check_order, make_image_bands
from landscribe.core.errors import ArchiveError, PatchError
from landscribe.core.quarantine import LeftOut
from landscribe.runtime.progress import track

_COLUMNS = ("image_name", "tags")
_FACTS = ("dtype", "rows_px", "columns_px", "bands")
_SQUARE = tuple(item.name for item in fields(Square))


@dataclass(frozen=True)
class TaggedImages:
    """Reader of a folder of images and its CSV of tags; tags are separated by spaces.

    Attributes:
        root: folder of the images.
        labels_file: CSV with the columns image_name (with or without extension) and tags.
        band_order: bands, by name, of a raster that has as many and does not name them itself.
        wavelengths_nm: central wavelength of bands, by name; of a band that is not known, where it has one.
        name: of the archive in manifests and shards.
    """

    root: Path
    labels_file: Path
    band_order: tuple[str, ...]
    wavelengths_nm: Mapping[str, float] = field(default_factory=dict)
    name: str = "tagged-images"

    def __post_init__(self) -> None:
        check_order(self.band_order, "archive.band_order")

    @property
    def bands(self) -> Mapping[str, Band]:
        """R, G, B, NIR and the bands that params name; size and dtype are resolved by the caller."""
        return make_image_bands(self.band_order, self.wavelengths_nm)

    def iter_units(self) -> Iterator[tuple[str, list[Path]]]:
        """Yield (file name, [file]) of each image; a CSV that does not fit is refused before anything is read."""
        self._match()
        for path in list_images(self.root)[0]:
            yield path.name, [path]

    def read_listing(self) -> Listing:
        """Read the CSV and the header of every image that it names."""
        match = self._match()
        # One after the other: 0.06 ms a JPEG and 0.7 ms a GeoTIFF, and in two threads GDAL is slower than in one.
        facts: dict[str, ImageFacts] = {}
        for patch_id, path in track(match.files.items(), total=len(match.files), what="reading image headers"):
            try:
                facts[patch_id] = inspect_image(path, self.band_order, self.wavelengths_nm)
            except PatchError as error:
                match.quarantined.append(LeftOut(patch_id, str(error)))
        return Listing(
            make_patches(
                {
                    "patch_id": list(facts),
                    "labels": [match.tags[patch_id] for patch_id in facts],
                    "path": [match.files[patch_id].name for patch_id in facts],
                    **{name: [getattr(fact, name) for fact in facts.values()] for name in _FACTS},
                    **{name: [getattr(fact.square, name, None) for fact in facts.values()] for name in _SQUARE},
                }
            ),
            match.quarantined,
            quirks=match.quirks + Counter(quirk for fact in facts.values() for quirk in fact.quirks),
        )

    def _match(self) -> "_Match":
        """Bring the rows of the CSV and the images of the folder together; no image is opened.

        Raises:
            ArchiveError: CSV or folder cannot be read, or none of the rows names an image of the folder.
        """
        tags, quarantined = read_tags(self.labels_file)
        images, strays = list_images(self.root)
        by_stem: dict[str, list[Path]] = {}
        for path in images:
            by_stem.setdefault(path.stem, []).append(path)
        named = {*tags, *(bad.patch_id for bad in quarantined)}
        if not named & by_stem.keys():
            raise ArchiveError(
                f"{self.labels_file} names {len(named)} image(s), none of which {self.root} holds, e.g."
                f" {', '.join(map(repr, sorted(named)[:3]))}; set archive.root to the folder of these images."
            )
        extra = sum(len(paths) for stem, paths in by_stem.items() if stem not in named)
        files = {}
        for patch_id in sorted(tags):
            paths = by_stem.get(patch_id, [])
            if len(paths) == 1:
                files[patch_id] = paths[0]
            elif paths:
                names = " and ".join(path.name for path in paths)
                quarantined.append(LeftOut(patch_id, f"{names} share one name; keep one"))
            else:
                absent = f"{self.labels_file.name} names it; the folder of the images does not hold it"
                quarantined.append(LeftOut(patch_id, absent))
        return _Match(tags, files, quarantined, Counter({"stray-file": strays, "image-without-tags": extra}))

    def read_patch(self, path: str, s1_path: str | None, bands: Sequence[Band]) -> dict[str, np.ndarray]:
        """Read an image, resampled to the bands' size; masked where it has nodata."""
        values = read_image(self.root / path, [band.name for band in bands], self.band_order)
        for band in bands:
            if band.size_px is None or values[band.name].dtype != band.dtype:
                raise PatchError(f"{path}: expected {band.dtype} values; received {values[band.name].dtype}")
            values[band.name] = resample(values[band.name], band.size_px)
        return values


@dataclass(frozen=True)
class _Match:
    """Tags and file by patch_id, of each image that has one row and one file; the others, each with its reason."""

    tags: dict[str, list[str]]
    files: dict[str, Path]
    quarantined: list[LeftOut]
    quirks: Counter[str]


def list_images(root: Path) -> tuple[list[Path], int]:
    """Return the image files of a folder, sorted by name, and how many other things lie there.

    Raises:
        ArchiveError: the folder is absent or holds no image.
    """
    try:
        found = list(root.iterdir())
    except FileNotFoundError as error:
        raise ArchiveError(f"archive folder {root} does not exist; set archive.root to it.") from error
    except OSError as error:
        raise ArchiveError(
            f"folder {root} cannot be listed: {error.strerror}; expected the folder of the images."
        ) from error
    images = choose_images(found)
    if not images:
        raise ArchiveError(f"folder {root}: expected {', '.join(IMAGE_SUFFIXES)} files; found none.")
    return images, len(found) - len(images)


def read_tags(path: Path) -> tuple[dict[str, list[str]], list[LeftOut]]:
    """Return image name (without extension) -> tags, and the rows that cannot be: bad names, repeated ones.

    Raises:
        ArchiveError: the file is absent, lacks the columns, has no rows, or would lose tags.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, strict=True)
            columns = [column.strip() for column in reader.fieldnames or []]
            if any(columns.count(column) != 1 for column in _COLUMNS):
                raise ArchiveError(f"{path}: expected the columns image_name,tags; received {','.join(columns)}.")
            reader.fieldnames = columns
            rows = [_read_row(path, reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ArchiveError(f"archive.labels_file {path} cannot be read: {error}") from error
    if not rows:
        raise ArchiveError(f"{path}: expected rows image_name,tags; the file has none.")
    quarantined = [row for row in rows if isinstance(row, LeftOut)]
    sound = [row for row in rows if not isinstance(row, LeftOut)]
    counts = Counter(patch_id for patch_id, _ in sound)
    for patch_id, count in counts.items():
        if count > 1:
            quarantined.append(LeftOut(patch_id, f"stands on {count} rows of {path.name}; keep one"))
    return {patch_id: words.split() for patch_id, words in sound if counts[patch_id] == 1}, quarantined


def _read_row(path: Path, line: int, row: dict[str | None, Any]) -> tuple[str, str] | LeftOut:
    """Return patch_id and tags of a CSV row; a row with more fields than columns is tags split by commas."""
    if None in row or None in (row["image_name"], row["tags"]):
        raise ArchiveError(f"{path}, line {line}: expected image_name,tags with the tags separated by spaces.")
    name = row["image_name"].strip()
    try:
        check_name(name)
    except PatchError as error:
        return LeftOut(f"{path.name}, line {line}", str(error))
    return Path(name).stem if Path(name).suffix.lower() in IMAGE_SUFFIXES else name, row["tags"]
