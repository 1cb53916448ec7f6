"""An archive that is still the download gives the listing, the pixels and the records of its extracted folders."""

import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.archive.bigearthnet_v2 import BigEarthNetV2
from landscribe.archive.layouts import remove_unpacked
from landscribe.archive.protocol import Archive
from landscribe.conversion.converter import convert
from landscribe.core.bands import S1_BANDS, S2_BANDS
from landscribe.core.errors import ArchiveError, PatchError
from landscribe.core.patch import S1_FOLDER, S2_FOLDER
from landscribe.downloads import unpacked
from tests.archive.conftest import copy_pairs
from tests.conversion.test_converter import make_config, prepare, run
from tests.support.fake_v2 import ArchiveParts, write_v2_archive
from tests.support.packing import pack, split

pytestmark = pytest.mark.slow(25)

Packed = Callable[[Path, Path], Path]


@dataclass(frozen=True)
class Form:
    """How each of the folders is packed: ending, headers, order of the members, parts."""

    suffix: str
    tar_format: int = tarfile.GNU_FORMAT
    backwards: bool = False
    marks: tuple[str, ...] = ()

    def __call__(self, folder: Path, place: Path, kind: str) -> Path:
        """Pack a folder under a name as published; return what to set the root to."""
        names = {"S2": f"{folder.name}-S2", "S1": f"{folder.name}-S1", "maps": "Reference_Maps"}
        packed = pack(
            folder, place, self.suffix, tar_format=self.tar_format, backwards=self.backwards, name=names[kind]
        )
        return split(packed, list(self.marks))[0] if self.marks else packed


FORMS = {
    "tar, GNU": Form(".tar"),
    "tar, pax": Form(".tar", tarfile.PAX_FORMAT),
    "gzip, ustar": Form(".tar.gz", tarfile.USTAR_FORMAT),
    "gzip, backwards": Form(".tgz", backwards=True),
    "zstd, pax": Form(".tar.zst", tarfile.PAX_FORMAT),
    "gzip in parts": Form(".tar.gz", marks=("aa", "ab", "ac")),
    "zstd in parts": Form(".tar.zst", marks=(".00", ".01")),
    "tar in parts": Form(".tar", backwards=True, marks=(".part1", ".part2")),
}


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The scratch folder of the test."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "checkout"))
    return tmp_path / "checkout/.landscribe/unpacked"


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Outcome:
    """What discover and convert make of an archive."""

    def __init__(self, archive: Archive, folder: Path, num_workers: int = 1) -> None:
        listing = archive.read_listing()
        done = run(archive, folder, num_workers, bands=list(archive.bands), max_bad_fraction=0.5)
        self.patches = listing.patches
        self.facts = listing.quirks, listing.quarantined, listing.excluded, done.manifest, done.quarantined
        self.statistics = {name: band.summarise() for name, band in done.statistics.items()}
        self.shards = read_files(folder)


def assert_same(found: Outcome, expected: Outcome) -> None:
    """Compare listing, records and statistics."""
    assert found.patches.equals(expected.patches)
    assert found.facts == expected.facts
    assert found.statistics == expected.statistics
    assert found.shards == expected.shards != {}


@pytest.fixture(scope="module")
def damaged(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """Six pairs of v1, some of them damaged, and what becomes of them; never written to."""
    folder = tmp_path_factory.mktemp("damaged")
    copy_pairs(demo_root, folder)
    first, second, third, *_ = sorted((folder / S2_FOLDER).iterdir())
    (first / f"{first.name}_B02.tif").unlink()
    (second / f"{second.name}_B03.tif").write_bytes(b"no TIFF")
    (third / f"{third.name}_labels_metadata.json").unlink()
    (folder / S2_FOLDER / "readme.txt").write_text("a stray file")
    return folder, Outcome(BigEarthNetV1(folder / S2_FOLDER, folder / S1_FOLDER), folder / "extracted")


@pytest.fixture(scope="module")
def v2(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ArchiveParts, Outcome]:
    """An archive of v2 and what becomes of it; never written to."""
    folder = tmp_path_factory.mktemp("v2")
    parts = write_v2_archive(demo_root, folder)
    extracted = BigEarthNetV2(parts.root, parts.s1_root, parts.maps_root, parts.label_files)
    return parts, Outcome(extracted, folder / "extracted")


@pytest.mark.parametrize("name", FORMS)
def test_v1_is_that_of_its_folders(name: str, damaged: tuple[Path, Outcome], tmp_path: Path, scratch: Path) -> None:
    folder, expected = damaged
    s2, s1 = (
        FORMS[name](folder / sensor, tmp_path / "downloads", kind)
        for sensor, kind in ((S2_FOLDER, "S2"), (S1_FOLDER, "S1"))
    )
    assert_same(Outcome(BigEarthNetV1(s2, s1), tmp_path / "packed"), expected)
    assert len(list(scratch.iterdir())) == (2 if s2.suffix == ".tar" else 4)


@pytest.mark.parametrize(("name", "num_workers"), [("tar, GNU", 1), ("zstd, pax", 2), ("gzip in parts", 1)])
def test_v2_is_that_of_its_folders(
    name: str, num_workers: int, v2: tuple[ArchiveParts, Outcome], tmp_path: Path
) -> None:
    parts, expected = v2
    roots = {"S2": parts.root, "S1": parts.s1_root, "maps": parts.maps_root}
    s2, s1, maps = (FORMS[name](root, tmp_path / "downloads", kind) for kind, root in roots.items())
    found = Outcome(BigEarthNetV2(s2, s1, maps, parts.label_files), tmp_path / "packed", num_workers)
    assert_same(found, expected)


def test_real_pairs_are_those_of_their_folders(samples: Path, tmp_path: Path) -> None:
    root = samples / "bigearthnet-v1"
    roots = root / "BigEarthNet-S2", root / "BigEarthNet-S1"
    s2, s1 = (FORMS["zstd, pax"](folder, tmp_path, kind) for folder, kind in zip(roots, ("S2", "S1"), strict=True))
    expected = Outcome(BigEarthNetV1(*roots), tmp_path / "extracted")
    assert_same(Outcome(BigEarthNetV1(s2, s1), tmp_path / "packed"), expected)


def test_a_folder_with_nothing_but_downloads_is_understood(pairs: Path, tmp_path: Path) -> None:
    roots = pairs / S2_FOLDER, pairs / S1_FOLDER
    place = tmp_path / "downloads"
    for root, kind in zip(roots, ("S2", "S1"), strict=True):
        FORMS["gzip in parts"](root, place, kind)
    (place / "md5sums.txt").touch()
    found = BigEarthNetV1(place, place)
    assert found.read_listing().patches.equals(BigEarthNetV1(*roots).read_listing().patches)
    assert len(list(found.iter_units())) == 6
    assert all(Path(*paths).is_file() for _, paths in found.iter_units())


def test_the_tar_of_the_other_sensor_is_answered_with_its_key(pairs: Path, tmp_path: Path) -> None:
    packed = FORMS["tar, GNU"](pairs / S1_FOLDER, tmp_path, "S1")
    with pytest.raises(ArchiveError, match=r"These are Sentinel-1 patches: name it in archive\.s1_root"):
        BigEarthNetV1(packed, None).read_listing()


def test_a_large_and_a_compressed_band_are_read_through_gdal(pairs: Path, tmp_path: Path) -> None:
    folder = min((pairs / S2_FOLDER).iterdir())
    path = folder / f"{folder.name}_B02.tif"
    with rasterio.open(path) as dataset:
        values, profile = dataset.read(1), dataset.profile
    with rasterio.open(path, "w", **(profile | {"compress": "deflate"})) as dataset:
        dataset.write(values, 1)
    (folder / f"{folder.name}_B03.tif").write_bytes(bytes(2_000_000))
    archive = BigEarthNetV1(FORMS["gzip, ustar"](pairs / S2_FOLDER, tmp_path, "S2"), None)
    np.testing.assert_array_equal(archive.read_patch(folder.name, None, [S2_BANDS["B02"]])["B02"], values)
    with pytest.raises(PatchError, match=r"^S2\S*_B03\.tif is unreadable: '?S2\S*_B03\.tif'? not recognized"):
        archive.read_patch(folder.name, None, [S2_BANDS["B03"]])
    with pytest.raises(PatchError, match="has no Sentinel-1 twin"):
        archive.read_patch(folder.name, None, [S1_BANDS["VV"]])


def test_a_conversion_that_has_all_shards_needs_no_pixels(pairs: Path, tmp_path: Path) -> None:
    archive = BigEarthNetV1(pairs / S2_FOLDER, pairs / S1_FOLDER)
    called: list[int] = []
    source = prepare(archive)
    source = replace(source, prepare=lambda: called.append(1))
    for _ in range(2):
        convert(source, make_config(), tmp_path / "records", tmp_path / "scratch", 1)
    assert called == [1]


def test_v2_is_listed_by_its_index_alone_and_unpacked_again_for_pixels(
    v2: tuple[ArchiveParts, Outcome], tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, _ = v2
    packed = FORMS["gzip, ustar"](parts.root, tmp_path / "downloads", "S2")
    before = BigEarthNetV2(packed, None, None, parts.label_files).read_listing().patches
    with monkeypatch.context() as patch:
        patch.setattr(unpacked, "open_content", lambda *_: pytest.fail("unpacked again"))
        remove_unpacked(BigEarthNetV2(packed, None, None, parts.label_files))
        archive = BigEarthNetV2(packed, None, None, parts.label_files)
        assert archive.read_listing().patches.equals(before)
    assert [path.suffix for path in scratch.iterdir()] == [".arrow"]
    assert archive.read_patch(before["path"][0].as_py(), None, [S2_BANDS["B02"]])["B02"].shape == (120, 120)
    assert len(list(scratch.iterdir())) == 2
