"""From section `archive` to a reader."""

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.archive.config import ArchiveConfig
from landscribe.archive.protocol import Archive
from landscribe.archive.tagged_images import TaggedImages
from landscribe.params import find_repository
from landscribe.patch import S1_FOLDER, S2_FOLDER


def open_archive(config: ArchiveConfig) -> Archive:
    """Return the reader of the configured layout; nothing is read yet."""
    root = config.root_path
    match config.layout:
        case "demo":
            return BigEarthNetV1(root / S2_FOLDER, root / S1_FOLDER, name="demo")
        case "bigearthnet-v1":
            return BigEarthNetV1(root, find_repository() / config.s1_root if config.s1_root else None)
        case "tagged-images":
            return TaggedImages(root, find_repository() / str(config.labels_file))
