"""A folder too high, too low or still packed: the sentence says what to do, and done to the letter it works."""

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.archive.bigearthnet_v2 import BigEarthNetV2
from landscribe.archive.protocol import Archive
from landscribe.core.errors import ArchiveError
from landscribe.core.patch import S1_FOLDER, S2_FOLDER
from tests.support.fake_v2 import ArchiveParts, write_v2_archive

pytestmark = pytest.mark.slow(5)

COMMAND = re.compile(r"Run: (?P<command>.*) and set archive\.(?P<key>\w+) to (?P<folder>\S+)$")
SETTING = re.compile(r"Set archive\.(?P<key>\w+) to (?P<folder>.*)\.$")

Open = Callable[[str, Path], Archive]


def open_v1(key: str, folder: Path) -> Archive:
    return BigEarthNetV1(folder, None) if key == "root" else BigEarthNetV1(None, folder)


def follow(open_archive: Open, key: str, wrong: Path) -> list[str]:
    """Do what the sentence of a wrong folder says; return the names of the units found then."""
    with pytest.raises(ArchiveError) as caught:
        list(open_archive(key, wrong).iter_units())
    words = str(caught.value)
    found = COMMAND.search(words) or SETTING.search(words)
    assert found, words
    assert found["key"] == key
    if "command" in found.groupdict():
        subprocess.run(found["command"], shell=True, check=True)  # noqa: S602
    return [name for name, _ in open_archive(key, Path(found["folder"])).iter_units()]


@pytest.fixture(scope="module")
def whole(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> ArchiveParts:
    """An archive in the layout of v2; never written to."""
    return write_v2_archive(demo_root, tmp_path_factory.mktemp("whole"))


@pytest.fixture
def parts(whole: ArchiveParts, tmp_path: Path) -> ArchiveParts:
    """A copy of it."""
    shutil.copytree(whole.root.parent, tmp_path / "v2")
    root, s1_root, maps_root, first, second = (
        tmp_path / "v2" / path.name for path in (whole.root, whole.s1_root, whole.maps_root, *whole.label_files)
    )
    return ArchiveParts(root, s1_root, maps_root, (first, second))


def pack(folder: Path, to: Path, options: Sequence[str]) -> None:
    subprocess.run(["tar", *options, "-cf", to, "-C", folder.parent, folder.name], check=True)


@pytest.mark.parametrize("key", ["root", "s1_root"])
@pytest.mark.parametrize("depth", ["too high", "far too high", "too low"])
def test_a_folder_of_v1_too_high_or_too_low(pairs: Path, key: str, depth: str) -> None:
    folder = pairs / {"root": S2_FOLDER, "s1_root": S1_FOLDER}[key]
    names = sorted(path.name for path in folder.iterdir())
    if depth == "far too high":
        (pairs / "data").mkdir()
        for name in (S2_FOLDER, S1_FOLDER):
            (pairs / name).rename(pairs / "data" / name)
    assert follow(open_v1, key, folder / names[0] if depth == "too low" else pairs) == names


@pytest.mark.parametrize("key", ["root", "s1_root"])
def test_a_folder_of_v1_with_downloads_beside_others(pairs: Path, tmp_path: Path, key: str) -> None:
    place = tmp_path / "downloads"
    (place / "notes").mkdir(parents=True)
    packed = {"root": ("BigEarthNet-S2-v1.0", S2_FOLDER), "s1_root": ("BigEarthNet-S1-v1.0", S1_FOLDER)}
    for name, folder in packed.values():
        pack(pairs / folder, place / f"{name}.tar.gz", ["-z"])
        shutil.rmtree(pairs / folder)
    assert follow(open_v1, key, place) == [f"{packed[key][0]}.tar.gz"]


@pytest.mark.parametrize("named", ["folder", "file"])
@pytest.mark.parametrize("key", ["root", "s1_root"])
def test_an_archive_packed_in_another_way_is_unpacked_as_the_sentence_says(
    pairs: Path, tmp_path: Path, key: str, named: str
) -> None:
    folder = pairs / {"root": S2_FOLDER, "s1_root": S1_FOLDER}[key]
    names = sorted(path.name for path in folder.iterdir())
    packed = tmp_path / f"downloads/BigEarthNet-{'S2' if key == 'root' else 'S1'}-v1.0.tar.xz"
    packed.parent.mkdir()
    pack(folder, packed, ["-J"])
    shutil.rmtree(folder)
    assert follow(open_v1, key, packed.parent if named == "folder" else packed) == names


@pytest.mark.parametrize("key", ["root", "s1_root", "maps_root"])
@pytest.mark.parametrize("depth", ["too high", "too low", "a patch", "no folder of the tile", "a patch without"])
def test_a_folder_of_v2_too_high_too_low_or_without_its_tiles(parts: ArchiveParts, key: str, depth: str) -> None:
    def open_v2(key: str, folder: Path) -> Archive:
        paths: dict[str, Path | None] = {"root": None, "s1_root": None, "maps_root": None, key: folder}
        return BigEarthNetV2(paths["root"], paths["s1_root"], paths["maps_root"], parts.label_files)

    root: Path = getattr(parts, key)
    expected = [name for name, _ in open_v2(key, root).iter_units()]
    tile = min(root.iterdir())
    patch = min(tile.iterdir())
    wrong = {"too high": root.parent, "too low": tile, "a patch": patch}.get(depth, root)
    if "no folder" in depth or "without" in depth:
        for folder in list(root.glob("*/*")):
            folder.rename(root / folder.name)
        for folder in [folder for folder in root.iterdir() if not any(folder.iterdir())]:
            folder.rmdir()
        wrong = root if "no folder" in depth else root / patch.name
    assert follow(open_v2, key, wrong) == expected
