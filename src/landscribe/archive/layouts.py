"""The reader of the layout that section `archive` names."""

from pathlib import Path
from typing import cast

from landscribe.archive.bigearthnet_tfrecord import BigEarthNetTFRecord
from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.archive.bigearthnet_v2 import BigEarthNetV2
from landscribe.archive.config import ArchiveConfig
from landscribe.archive.protocol import Archive
from landscribe.archive.rico_hdl import open_rico_hdl
from landscribe.archive.tag_table import TableForm
from landscribe.archive.tagged_images import TaggedImages
from landscribe.core.patch import S1_FOLDER, S2_FOLDER
from landscribe.downloads.parts import Download
from landscribe.downloads.unpacked import remove_tars, unpack_all


def open_archive(config: ArchiveConfig) -> Archive:
    """Return the reader of the configured layout; nothing is read yet, but for the sensors that an LMDB holds."""
    root, s1_root = config.root_path, config.s1_root_path
    labels_file = next(iter(config.label_paths), None)
    match config.layout:
        case "bigearthnet-v1":
            return BigEarthNetV1(root, s1_root, labels_file)
        case "bigearthnet-v2":
            return BigEarthNetV2(root, s1_root, config.maps_root_path, tuple(config.label_paths))
    root = cast(Path, root)  # checked by the section
    match config.layout:
        case "demo":
            return BigEarthNetV1(root / S2_FOLDER, root / S1_FOLDER, labels_file, name="demo")
        case "rico-hdl":
            return open_rico_hdl(root, tuple(config.label_paths))
        case "bigearthnet-tfrecord":
            return BigEarthNetTFRecord(root)
        case "tagged-images":
            form = TableForm(config.tag_separator, config.image_column, config.tags_column)
            return TaggedImages(root, labels_file, tuple(config.band_order), form, config.wavelengths_nm)


def unpack_downloads(archive: Archive) -> None:
    """Make the pixels of an archive readable where it is still the download; one in folders needs nothing."""
    unpack_all(_find_downloads(archive))


def remove_unpacked(archive: Archive) -> None:
    """Remove what `unpack_downloads` wrote, unless the environment asks to keep it."""
    remove_tars(_find_downloads(archive))


def _find_downloads(archive: Archive) -> list[Download]:
    return archive.find_downloads() if isinstance(archive, BigEarthNetV1 | BigEarthNetV2) else []
