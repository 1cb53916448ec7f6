"""Tagged images: a folder of JPEG, PNG or TIFF files with a table of their tags, or a folder per class."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from landscribe.archive.image import ImageFacts, Square, inspect_image, read_image, resample
from landscribe.archive.image_files import cut_suffix, find_images, make_patch_ids, parse_image_name
from landscribe.archive.protocol import Listing, make_patches
from landscribe.archive.tag_folders import read_tag_folders
from landscribe.archive.tag_separator import Tags
from landscribe.archive.tag_table import TableForm, TagRow, read_tag_table
from landscribe.core.bands import IMAGE_BANDS, Band, check_bands
from landscribe.core.errors import ArchiveError, PatchError
from landscribe.core.quarantine import LeftOut
from landscribe.runtime.progress import track

_MOST_COMPARED = 100  # names, with every image
_FACTS = ("dtype", "rows_px", "columns_px", "crs", "transform")
_SQUARE = tuple(field.name for field in fields(Square))


@dataclass(frozen=True)
class TaggedImages:
    """Reader of a folder of images, also in sub-folders, and of their tags.

    Attributes:
        root: folder of the images.
        labels_file: table of tags, as `read_tag_table` reads it; None: the images lie in a folder per class.
        band_order: bands, by name, of a TIFF that has as many and does not mark its colours.
        form: how the table is read, where that is not to be found.
        name: of the archive in manifests and shards.
    """

    root: Path
    labels_file: Path | None
    band_order: tuple[str, ...]
    form: TableForm = field(default_factory=TableForm)
    name: str = "tagged-images"

    def __post_init__(self) -> None:
        check_bands(list(self.band_order), IMAGE_BANDS, "archive.band_order")

    @property
    def bands(self) -> Mapping[str, Band]:
        """R, G, B and NIR; size and dtype are resolved by the caller."""
        return IMAGE_BANDS

    def iter_units(self) -> Iterator[tuple[str, list[Path]]]:
        """Yield (path from the root, [file]) of each image; a table that does not fit is refused before one is read."""
        self._match()
        for path in find_images(self.root)[0]:
            yield path, [self.root / path]

    def read_listing(self) -> Listing:
        """Read the tags and the header of every image that has them."""
        match = self._match()
        # One after the other: 0.06 ms per JPEG and 0.7 ms per GeoTIFF, and in two threads GDAL is slower than in one.
        facts: dict[str, ImageFacts] = {}
        for patch_id, path in track(match.files.items(), total=len(match.files), what="reading image headers"):
            try:
                facts[patch_id] = inspect_image(self.root / path, self.band_order)
            except PatchError as error:
                match.quarantined.append(LeftOut(patch_id, str(error)))
        return Listing(
            make_patches(
                {
                    "patch_id": list(facts),
                    "labels": [match.tags[patch_id] for patch_id in facts],
                    "path": [match.files[patch_id] for patch_id in facts],
                    **{name: [getattr(fact, name) for fact in facts.values()] for name in _FACTS},
                    **{name: [getattr(fact.square, name, None) for fact in facts.values()] for name in _SQUARE},
                }
            ),
            match.quarantined,
            match.excluded,
            quirks=match.quirks + Counter(quirk for fact in facts.values() for quirk in fact.quirks),
            labels_from=match.labels_from,
        )

    def _match(self) -> "_Match":
        """Bring tags and images together; no image is opened.

        Raises:
            ArchiveError: table or folder cannot be read, or none of the rows names an image of the folder.
        """
        images, strays = find_images(self.root)
        if self.labels_file is None:
            rows, match = read_tag_folders(self.root, images), _Match("the folder of each image")
        else:
            rows, words = read_tag_table(self.labels_file, self.form)
            match = _Match(words)
        match.quirks["stray-file"] = strays
        named = _merge_rows(rows, self.labels_file or self.root, match)
        _find_files(named, images, self.root, self.labels_file or self.root, match)
        return match

    def read_patch(self, path: str, s1_path: str | None, bands: Sequence[Band]) -> dict[str, np.ndarray]:
        """Read an image, resampled to the bands' size."""
        values = read_image(self.root / path, [band.name for band in bands], self.band_order)
        for band in bands:
            if band.size_px is None or values[band.name].dtype != band.dtype:
                raise PatchError(f"{path}: expected {band.dtype} values; received {values[band.name].dtype}")
            values[band.name] = resample(values[band.name], band.size_px)
        return values


@dataclass
class _Match:
    """Tags and path of each image that has both, by patch_id; the others, each with its reason.

    Attributes:
        labels_from: in words, how the tags were read.
    """

    labels_from: str
    tags: dict[str, Tags] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    quarantined: list[LeftOut] = field(default_factory=list)
    excluded: list[LeftOut] = field(default_factory=list)
    quirks: Counter[str] = field(default_factory=Counter)


def _merge_rows(rows: Sequence[TagRow], source: Path, match: _Match) -> dict[str, TagRow]:
    """Return key of the image -> its row; an equal row is counted, a name that cannot be is quarantined.

    Raises:
        ArchiveError: two rows give one image other tags.
    """
    named: dict[str, TagRow] = {}
    for row in rows:
        try:
            key = parse_image_name(row.image)
        except PatchError as error:
            match.quarantined.append(LeftOut(f"{source.name}, {row.place}", str(error)))
            continue
        first = named.setdefault(key, row)
        if first is row:
            continue
        if set(first.tags) != set(row.tags):
            one, other = (", ".join(map(repr, tags)) or "no tag" for tags in (first.tags, row.tags))
            raise ArchiveError(
                f"{source}: {first.place} and {row.place} name the image '{key}', one with {one}, the other with"
                f" {other}. Keep one of them, or write all tags of an image on one row."
            )
        match.quirks["repeated-row"] += 1
    return named


def _find_files(named: Mapping[str, TagRow], images: Sequence[str], root: Path, source: Path, match: _Match) -> None:
    """Fill in the file of each named image: at its path, or, by a name without folder, the only one of this name.

    Raises:
        ArchiveError: the folder holds none of them.
    """
    by_key, by_name = _group(images), _group(images, with_folder=False)
    found = {key: by_key.get(key) or ([] if "/" in key else by_name.get(key, [])) for key in named}
    if not any(found.values()):
        raise ArchiveError(_explain_none(named, match.quarantined, by_key, root, source))
    patch_ids = make_patch_ids(named)
    owners: dict[str, str] = {}
    for key in sorted(named, key=patch_ids.__getitem__):
        patch_id, paths = patch_ids[key], found[key]
        if not paths:
            absent = f"{source.name} names it; the folder of the images does not hold it"
            match.excluded.append(LeftOut(patch_id, absent))
        elif len(paths) > 1:
            match.quarantined.append(LeftOut(patch_id, f"{' and '.join(paths)} share one name; keep one"))
        elif (owner := owners.setdefault(paths[0], patch_id)) != patch_id:
            match.quarantined.append(LeftOut(patch_id, f"{source.name} names {paths[0]} also as {owner}; keep one"))
        else:
            match.tags[patch_id], match.files[patch_id] = named[key].tags, paths[0]
    met = {path for paths in found.values() for path in paths}
    match.quirks["image-without-tags"] = len(images) - len(met)


def _group(images: Sequence[str], *, with_folder: bool = True) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for path in images:
        key = cut_suffix(path)
        groups.setdefault(key if with_folder else key.rpartition("/")[2], []).append(path)
    return groups


def _explain_none(
    named: Mapping[str, TagRow], bad: Sequence[LeftOut], images: Mapping[str, Sequence[str]], root: Path, source: Path
) -> str:
    """Return what is wrong where no row names an image of the folder, and which folder would be right."""
    if not named:
        return f"{source}: none of its {len(bad)} row(s) names an image by a path from {root}: {bad[0].reason}."
    examples = ", ".join(map(repr, sorted(named)[:3]))
    advice = "set archive.root to the folder of these images"
    for key in sorted(named)[:_MOST_COMPARED]:
        for depth in range(1, key.count("/") + 1):  # images/1 where the root is the folder images
            above = root.resolve().parents[depth - 1 :]
            if above and key.startswith("/".join((*root.resolve().parts[-depth:], ""))):
                advice = f"set archive.root to {above[0]}"
        if inner := next((image for image in images if image.endswith(f"/{key}")), None):
            advice = f"set archive.root to {root / inner.removesuffix(f'/{key}')}"
    return f"{source} names {len(named)} image(s), none of which {root} holds, e.g. {examples}; {advice}."
