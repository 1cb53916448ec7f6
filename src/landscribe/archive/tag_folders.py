"""Tags from a folder per class: `forest/1.jpg` is an image of the class forest."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from landscribe.archive.image_files import cut_suffix
from landscribe.archive.tag_names import check_tags, count_tags
from landscribe.archive.tag_table import TagRow
from landscribe.core.errors import ArchiveError
from landscribe.core.patch import is_patch_name

# Names of folders that hold the images of a split, or all of them: no classes.
_NO_CLASSES = {"train", "training", "val", "valid", "validation", "test", "testing", "images", "image", "img", "data",
               "labels", "masks"}  # fmt: skip
_REMEDY = "set archive.labels_file to a table of their tags, or sort the images into a folder per class"


def read_tag_folders(root: Path, images: Sequence[str]) -> list[TagRow]:
    """Return a row per image in a folder; images beside the folders have none.

    Args:
        root: holds a folder per class, two at least.
        images: paths from the root.

    Raises:
        ArchiveError: the images lie at another depth, or the folders are no classes.
    """
    parts = {path: path.split("/") for path in images}
    patch = next((name for names in parts.values() for name in names[:-1] if is_patch_name(name)), None)
    if patch is not None:
        raise ArchiveError(
            f"folder {root} holds patches of BigEarthNet, e.g. {patch}, where layout tagged-images expects images. Set"
            " archive.root to the folder of the images and archive.labels_file to a table of their tags, or"
            " archive.layout to demo, bigearthnet-v1 or bigearthnet-v2."
        )
    depths = Counter(len(names) - 1 for names in parts.values())
    if max(depths) > 1:
        _refuse_depth(root, next(names for names in parts.values() if len(names) > 2), depths)
    in_folders = {path: names[0] for path, names in parts.items() if len(names) == 2}
    folders = sorted(set(in_folders.values()))
    if not folders:
        raise ArchiveError(f"folder {root}: its images lie in no folders, and archive.labels_file is null; {_REMEDY}.")
    if len(folders) == 1 or {name.casefold() for name in folders} <= _NO_CLASSES:
        raise ArchiveError(
            f"folder {root}: expected a folder per class, as archive.labels_file is null; received"
            f" {', '.join(folders)}. Set archive.root to the folder that holds those of the classes, or {_REMEDY}."
        )
    tags = {name: unicodedata.normalize("NFC", name.strip()) for name in folders}
    rows = {cut_suffix(path): TagRow(f"folder {name}", path, (tags[name],)) for path, name in in_folders.items()}
    check_tags(count_tags((row.place, row.tags) for row in rows.values()), str(root))
    return list(rows.values())


def _refuse_depth(root: Path, names: Sequence[str], depths: Counter[int]) -> None:
    """Raise `ArchiveError` that names the folder of the classes where all images lie one folder too deep."""
    deeper = root.joinpath(*names[: max(depths) - 1])
    advice = f"Set archive.root to {deeper}" if len(depths) == 1 else f"Move them into {root / names[0]}"
    raise ArchiveError(
        f"folder {root}: expected <class>/<image>, as archive.labels_file is null; received {'/'.join(names)}."
        f" {advice}; or set archive.labels_file to a table of the tags."
    )
