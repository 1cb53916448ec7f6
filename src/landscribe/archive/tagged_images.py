"""Tagged images: a folder of JPEG, PNG or GeoTIFF files and a CSV `image_name,tags` (the Planet Amazon form)."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landscribe.archive.image import IMAGE_SUFFIXES, inspect_image, read_image, resample
from landscribe.archive.protocol import Listing, PatchEntry
from landscribe.bands import IMAGE_BANDS, Band
from landscribe.errors import ArchiveError, PatchError
from landscribe.progress import track
from landscribe.quarantine import LeftOut

_COLUMNS = ("image_name", "tags")


@dataclass(frozen=True)
class TaggedImages:
    """Reader of a folder of images and its CSV of tags; tags are separated by spaces."""

    root: Path
    labels_file: Path
    name: str = "tagged-images"

    @property
    def bands(self) -> Mapping[str, Band]:
        """R, G and B; size and dtype are resolved by the caller."""
        return IMAGE_BANDS

    def iter_units(self) -> Iterator[tuple[str, list[Path]]]:
        """Yield (file name, [file]) of each image; a CSV that does not fit is refused before anything is read."""
        self._match()
        for path in list_images(self.root)[0]:
            yield path.name, [path]

    def read_listing(self) -> Listing:
        """Read the CSV and the header of every image that it names."""
        tags, by_stem, strays = self._match()
        listing = Listing(quirks=Counter({"stray-file": strays, "image-without-tags": len(by_stem) - len(tags)}))
        for patch_id in track(sorted(tags), total=len(tags), what="reading image headers"):
            path = by_stem[patch_id]
            try:
                facts = inspect_image(path)
            except PatchError as error:
                listing.quarantined.append(LeftOut(patch_id, str(error)))
                continue
            listing.quirks.update(facts.quirks)
            listing.entries.append(
                PatchEntry(
                    patch_id=patch_id,
                    path=path.name,
                    labels=tuple(tags[patch_id]),
                    dtype=facts.dtype,
                    rows_px=facts.rows_px,
                    columns_px=facts.columns_px,
                )
            )
        return listing

    def _match(self) -> tuple[dict[str, list[str]], dict[str, Path], int]:
        """Return the tags, the images by name and the number of stray files; every tagged image is there."""
        tags = read_tags(self.labels_file)
        files, strays = list_images(self.root)
        by_stem = _index_by_stem(files)
        absent = [name for name in tags if name not in by_stem]
        if absent:
            raise ArchiveError(
                f"{self.labels_file} names {len(absent)} image(s) that {self.root} does not hold, e.g."
                f" {', '.join(map(repr, absent[:3]))}; add them or take them out of the CSV."
            )
        return tags, by_stem, strays

    def read_patch(self, path: str, s1_path: str | None, bands: Sequence[Band]) -> dict[str, np.ndarray]:
        """Read an image, resampled to the bands' size."""
        return read_image_bands(self.root / path, bands)


def read_image_bands(path: Path, bands: Sequence[Band]) -> dict[str, np.ndarray]:
    """Return the bands R, G, B (or a subset) of an image at the size and dtype of `bands`.

    Raises:
        PatchError: the image is unreadable or of another dtype.
    """
    image = read_image(path)
    values = {}
    for band in bands:
        if band.size_px is None or image.dtype != band.dtype:
            raise PatchError(f"{path.name}: expected {band.dtype} values; received {image.dtype}")
        values[band.name] = resample(image[..., "RGB".index(band.name)], band.size_px)
    return values


def list_images(root: Path) -> tuple[list[Path], int]:
    """Return the image files of a folder, sorted by name, and how many other things lie there.

    Raises:
        ArchiveError: the folder is absent or holds no image.
    """
    try:
        found = sorted(root.iterdir())
    except FileNotFoundError as error:
        raise ArchiveError(f"archive folder {root} does not exist; set archive.root to it.") from error
    except OSError as error:
        raise ArchiveError(
            f"archive folder {root} cannot be listed: {error.strerror}; set archive.root to the folder of the images."
        ) from error
    # Names with a leading dot are macOS side files (._x.jpg): bytes of another kind under an image suffix.
    images = [path for path in found if _is_image(path)]
    if not images:
        raise ArchiveError(f"archive folder {root}: expected {', '.join(IMAGE_SUFFIXES)} files; found none.")
    return images, len(found) - len(images)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _index_by_stem(files: list[Path]) -> dict[str, Path]:
    by_stem: dict[str, Path] = {}
    for path in files:
        if path.stem in by_stem:
            raise ArchiveError(f"{path.parent}: {by_stem[path.stem].name} and {path.name} share one name; keep one.")
        by_stem[path.stem] = path
    return by_stem


def _read_row(path: Path, line: int, row: dict[str | None, Any]) -> tuple[str, str]:
    """Return image name and tags of a CSV row; a row with more fields than columns is tags split by commas."""
    if None in row or row["tags"] is None:
        raise ArchiveError(f"{path}, line {line}: expected image_name,tags with the tags separated by spaces.")
    return row["image_name"].strip(), row["tags"]


def read_tags(path: Path) -> dict[str, list[str]]:
    """Return image name (without extension) -> tags.

    Raises:
        ArchiveError: the file is absent, lacks the columns or names an image twice.
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
    tags: dict[str, list[str]] = {}
    for image_name, words in rows:
        patch_id = Path(image_name).stem if Path(image_name).suffix.lower() in IMAGE_SUFFIXES else image_name
        if patch_id in tags:
            raise ArchiveError(f"{path}: image '{patch_id}' stands on two rows; keep one.")
        tags[patch_id] = words.split()
    if not tags:
        raise ArchiveError(f"{path}: expected rows image_name,tags; the file has none.")
    return tags
