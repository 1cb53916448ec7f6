"""Which files are a download: by their names, the first of its parts stands for all, and none may be absent."""

from pathlib import Path

import pytest

from landscribe.core.errors import ArchiveError
from landscribe.downloads.parts import find_download, list_downloads

NAMES = ["a.tar", "a.tar.gz", "a.tgz", "a.tar.zst", "BigEarthNet-S2-v1.0.TAR.GZ"]
SERIES = [
    ["a.tar.gzaa", "a.tar.gzab", "a.tar.gzac"],
    ["a.tar.gz.aa", "a.tar.gz.ab"],
    ["a.tar.gz.00", "a.tar.gz.01", "a.tar.gz.02"],
    ["a.tar.zst.001", "a.tar.zst.002"],
    ["a.tar.part1", "a.tar.part2"],
    [f"a.tar.gz.part{number}" for number in range(1, 13)],
    ["a.tar.gz-part-09", "a.tar.gz-part-10"],
    [f"a.tgz{first}{second}" for first in "ab" for second in "abcdefghijklmnopqrstuvwxyz"],
]
OTHERS = ["a.zip", "a.tar.xz", "a.tar.bz2", "a.tar.gz.md5", "a.tar.gz.asc", "a.tar.gz.txt", "a.tif", "metadata.parquet"]


def touch(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


@pytest.mark.parametrize("name", NAMES)
def test_a_tar_is_a_download(name: str, tmp_path: Path) -> None:
    assert find_download(tmp_path / name) is None  # absent
    (path,) = touch(tmp_path, name)
    found = find_download(path)
    assert found is not None
    assert (found.parts, found.next_part) == ((path,), None)


@pytest.mark.parametrize("names", [names for names in SERIES if "09" not in names[0]], ids=lambda names: names[0])
def test_the_first_part_stands_for_all(names: list[str], tmp_path: Path) -> None:
    paths = touch(tmp_path, *names)
    touch(tmp_path, "b.tar.gzaa", *OTHERS)
    found = find_download(paths[0])
    assert found is not None
    assert found.parts == tuple(paths)
    with pytest.raises(ArchiveError, match=f"name the first one: .*{names[0]}"):
        find_download(paths[1])
    assert list_downloads(tmp_path) == sorted([paths[0], tmp_path / "b.tar.gzaa"])


@pytest.mark.parametrize("names", SERIES, ids=lambda names: names[0])
def test_the_part_that_is_absent_is_named(names: list[str], tmp_path: Path) -> None:
    paths = touch(tmp_path, *names)
    if "09" in names[0]:
        with pytest.raises(ArchiveError, match=r"a\.tar\.gz-part-01.* are missing"):
            find_download(paths[0])
        return
    found = find_download(paths[0])
    assert found is not None
    assert found.next_part is not None
    assert found.next_part not in names
    if names[0].endswith(("a", "1")):  # a series of digits may begin with 0 or 1
        paths[0].unlink()
        with pytest.raises(ArchiveError, match=f"{names[0]} is missing"):
            find_download(paths[0])
        touch(tmp_path, names[0])
    if len(names) > 2:
        paths[1].unlink()
        with pytest.raises(ArchiveError, match=f"{names[1]} is missing"):
            find_download(paths[0])


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_no_download(name: str, tmp_path: Path) -> None:
    (path,) = touch(tmp_path, name)
    assert find_download(path) is None
    assert list_downloads(tmp_path) == []
