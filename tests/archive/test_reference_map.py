"""Reference maps: the codes that a map holds, or why there are none."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

from landscribe.archive import reference_map
from landscribe.archive.metadata_v2 import read_metadata
from landscribe.archive.patch_files import FolderFiles
from landscribe.archive.reference_map import name_ben_19_classes, name_clc_classes, read_maps
from landscribe.core.nomenclature import BEN_19_CODES, CLC_CODES
from tests.support.fake_v2 import ArchiveParts, write_v2_archive


@pytest.fixture(scope="module")
def parts(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> ArchiveParts:
    """A v2 archive; never written to."""
    return write_v2_archive(demo_root, tmp_path_factory.mktemp("v2"))


def list_maps(maps_root: Path) -> list[str]:
    """Return `<tile folder>/<patch>` of every map, sorted."""
    return sorted(path.relative_to(maps_root).as_posix() for path in maps_root.glob("*/*"))


def test_the_codes_are_rasterios_own_without_nodata(parts: ArchiveParts) -> None:
    paths = list_maps(parts.maps_root)
    for path, codes in zip(paths, read_maps(FolderFiles(str(parts.maps_root)), paths), strict=True):
        with rasterio.open(next((parts.maps_root / path).iterdir())) as dataset:
            assert codes == tuple(code for code in np.unique(dataset.read(1)).tolist() if code != dataset.nodata)


def test_the_number_of_processes_changes_nothing(parts: ArchiveParts, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [*list_maps(parts.maps_root), "absent/absent"]
    alone = read_maps(FolderFiles(str(parts.maps_root)), paths)
    monkeypatch.setattr(reference_map, "_CHUNK_PATCHES", 35)
    assert read_maps(FolderFiles(str(parts.maps_root)), paths) == alone


def test_the_real_map_holds_the_classes_of_its_metadata(samples: Path) -> None:
    root = samples / "bigearthnet-v2"
    (path,) = list_maps(root / "Reference_Maps")
    (codes,) = read_maps(FolderFiles(str(root / "Reference_Maps")), [path])
    assert codes == (211, 231, 311, 313)
    rows = {row["patch_id"]: row for row in read_metadata([root / "metadata.parquet"]).to_pylist()}
    assert name_ben_19_classes((211, 231, 311, 313)) == set(rows[path.rpartition("/")[2]]["labels"])


def test_every_code_has_its_clc_name_and_its_class_among_the_19() -> None:
    for name, code in CLC_CODES.items():
        assert name_clc_classes((code,)) == [name]
        assert name_ben_19_classes((code,)) == {name for name, codes in BEN_19_CODES.items() if code in codes}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full((120, 120), 335, np.uint16), "received 335"),
        (np.full((120, 120), 999, np.uint16), "received 999"),
        (np.zeros((120, 120), np.uint16), "the map holds none"),
        (np.full((60, 60), 211, np.uint16), r"expected \(120, 120\) uint16"),
        (np.full((120, 120), 211, np.uint8), "received .* uint8"),
        (None, "is missing"),
    ],
)
def test_a_map_without_codes_of_clc_says_why(
    parts: ArchiveParts, tmp_path: Path, values: np.ndarray | None, reason: str
) -> None:
    path = list_maps(parts.maps_root)[0]
    shutil.copytree(parts.maps_root / path, tmp_path / path)
    file = next((tmp_path / path).iterdir())
    with rasterio.open(file) as dataset:
        profile = dataset.profile
    file.unlink()
    if values is not None:
        profile |= {"dtype": values.dtype, "height": values.shape[0], "width": values.shape[1]}
        with rasterio.open(file, "w", **profile) as dataset:
            dataset.write(values, 1)
    (found,) = read_maps(FolderFiles(str(tmp_path)), [path])
    assert isinstance(found, str)
    assert re.search(reason, found)
