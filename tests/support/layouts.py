"""A small archive of each layout, and the words of SET that read it."""

from collections.abc import Callable
from pathlib import Path

from landscribe.core.bands import S1_BANDS, S2_BANDS
from landscribe.core.patch import S1_FOLDER, S2_FOLDER
from tests.support.fake_images import write_planet_tiffs
from tests.support.fake_rico import encode_entries, write_lmdb
from tests.support.fake_tfrecord import write_tfrecord_archive
from tests.support.fake_v2 import write_v2_archive

OFFICIAL = "split.strategy=official split.files=[]"


def _take(bands: list[str]) -> str:
    return f"convert.bands=[{','.join(bands)}] train.bands=[{','.join(bands)}]"


def write_v1_s2(demo_root: Path, folder: Path) -> str:
    """Sentinel-2 alone; the synthetic archive as it is."""
    del folder
    return f"archive.layout=bigearthnet-v1 archive.root={demo_root / S2_FOLDER} {_take(list(S2_BANDS))}"


def write_v1_s1(demo_root: Path, folder: Path) -> str:
    """Sentinel-1 alone."""
    del folder
    words = f"archive.layout=bigearthnet-v1 archive.root=null archive.s1_root={demo_root / S1_FOLDER}"
    return f"{words} {_take(list(S1_BANDS))} split.strategy=stratified"


def write_v1_pairs(demo_root: Path, folder: Path) -> str:
    """Both sensors."""
    return f"{write_v1_s2(demo_root, folder)} archive.s1_root={demo_root / S1_FOLDER} {_take([*S2_BANDS, *S1_BANDS])}"


def write_v2(demo_root: Path, folder: Path) -> str:
    """Both sensors, the archive's own split and flags."""
    parts = write_v2_archive(demo_root, folder)
    files = ",".join(map(str, parts.label_files))
    words = f"archive.layout=bigearthnet-v2 archive.root={parts.root} archive.s1_root={parts.s1_root}"
    return f"{words} archive.labels_file=[{files}] archive.exclude=[snow] {OFFICIAL} {_take([*S2_BANDS, *S1_BANDS])}"


def write_v2_maps(demo_root: Path, folder: Path) -> str:
    """Sentinel-2 with the 43 classes of the reference maps."""
    parts = write_v2_archive(demo_root, folder)
    words = f"archive.layout=bigearthnet-v2 archive.root={parts.root} archive.maps_root={parts.maps_root}"
    return f"{words} archive.labels_file={parts.label_files[0]} archive.nomenclature=CLC-43 {_take(list(S2_BANDS))}"


def write_rico(demo_root: Path, folder: Path) -> str:
    """Both sensors of v2 in an LMDB, the archive's own split."""
    parts = write_v2_archive(demo_root, folder)
    root = write_lmdb(folder / "lmdb", encode_entries(parts))
    words = f"archive.layout=rico-hdl archive.root={root} archive.labels_file={parts.label_files[0]}"
    return f"{words} {OFFICIAL} {_take([*S2_BANDS, *S1_BANDS])}"


def write_tfrecord(demo_root: Path, folder: Path) -> str:
    """Both sensors, split as the files are."""
    write_tfrecord_archive(demo_root, folder / "tfrecords")
    words = f"archive.layout=bigearthnet-tfrecord archive.root={folder / 'tfrecords'}"
    return f"{words} {OFFICIAL} {_take([*S2_BANDS, *S1_BANDS])}"


def write_images(demo_root: Path, folder: Path) -> str:
    """GeoTIFFs of four bands and 16 bit, split in space."""
    del demo_root
    images, labels_file = write_planet_tiffs(folder)
    words = f"archive.layout=tagged-images archive.root={images} archive.labels_file={labels_file}"
    split = "split.strategy=spatial split.spatial.block_cells=2"
    return f"{words} archive.nomenclature=discovered convert.image_size_px=32 {split} {_take(['R', 'G', 'B', 'NIR'])}"


LAYOUTS: dict[str, Callable[[Path, Path], str]] = {
    "v1 Sentinel-2": write_v1_s2,
    "v1 Sentinel-1": write_v1_s1,
    "v1 pairs": write_v1_pairs,
    "v2": write_v2,
    "v2 reference maps": write_v2_maps,
    "rico-hdl": write_rico,
    "tfrecord": write_tfrecord,
    "images of four bands": write_images,
}
