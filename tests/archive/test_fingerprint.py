"""The fingerprint is a function of content: it notices every change and reads nothing twice."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from landscribe.archive import fingerprint
from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.archive.fingerprint import compute_fingerprint
from landscribe.archive.unit_files import Unit, digest_units
from landscribe.core.errors import ArchiveError
from landscribe.core.patch import S1_FOLDER, S2_FOLDER


@pytest.fixture
def root(demo_root: Path, tmp_path: Path) -> Path:
    """Four pairs of the synthetic archive, to be changed."""
    copied = tmp_path / "archive"
    for folder in (S2_FOLDER, S1_FOLDER):
        for patch in sorted((demo_root / folder).iterdir())[:4]:
            shutil.copytree(patch, copied / folder / patch.name)
    return copied


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    """The scratch folder of the signatures."""
    return tmp_path / "scratch"


def open_demo(root: Path) -> BigEarthNetV1:
    """Return the reader of an archive in the layout of v1 / MM."""
    return BigEarthNetV1(root / S2_FOLDER, root / S1_FOLDER, name="demo")


def list_units(root: Path) -> list[Path]:
    """Return all patch folders, Sentinel-2 first."""
    return [patch for folder in (S2_FOLDER, S1_FOLDER) for patch in sorted((root / folder).iterdir())]


def edit_in_place(path: Path) -> None:
    """Change one byte; size and mtime stay."""
    stat = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that receives the name of each unit whose content is read."""
    read: list[str] = []

    def digest(units: Sequence[Unit]) -> list[str]:
        read.extend(Path(unit[0]).name for unit in units)
        return digest_units(units)

    monkeypatch.setattr(fingerprint, "digest_units", digest)
    return read


def test_a_copy_with_other_times_has_the_same_fingerprint(root: Path, cache_dir: Path, tmp_path: Path) -> None:
    first = compute_fingerprint(open_demo(root), [], cache_dir)
    copied = Path(shutil.copytree(root, tmp_path / "elsewhere" / "copy"))
    for number, path in enumerate(sorted(copied.rglob("*"))):
        os.utime(path, (1_000_000 + number, 2_000_000 - number))
    assert compute_fingerprint(open_demo(copied), [], cache_dir) == first
    assert compute_fingerprint(open_demo(copied), [], tmp_path / "other scratch") == first


def test_the_fingerprint_counts_what_is_there(root: Path, cache_dir: Path) -> None:
    found = compute_fingerprint(open_demo(root), [], cache_dir)
    files = [path for path in root.rglob("*") if path.is_file()]
    assert (found["num_units"], found["num_files"]) == (8, len(files)) == (8, 4 * 13 + 4 * 3)
    assert found["num_bytes"] == sum(path.stat().st_size for path in files)
    assert found["layout"] == "demo"
    json.dumps(found)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a patch removed": lambda root: shutil.rmtree(list_units(root)[1]),
    "a twin removed": lambda root: shutil.rmtree(list_units(root)[5]),
    "a patch added": lambda root: shutil.copytree(
        list_units(root)[0], root / S2_FOLDER / "S2A_MSIL2A_20170613T101031_1_1"
    ),
    "a patch renamed": lambda root: list_units(root)[0].rename(root / S2_FOLDER / "S2A_MSIL2A_20170613T101031_1_1"),
    "a band removed": lambda root: next(list_units(root)[2].glob("*_B08.tif")).unlink(),
    "a band renamed": lambda root: rename_band(next(list_units(root)[2].glob("*_B12.tif"))),
    "a band edited in place": lambda root: edit_in_place(next(list_units(root)[2].glob("*_B08.tif"))),
    "a twin edited in place": lambda root: edit_in_place(next(list_units(root)[7].glob("*_VH.tif"))),
    "labels edited in place": lambda root: edit_in_place(next(list_units(root)[3].glob("*.json"))),
    "a file added": lambda root: (list_units(root)[3] / "note.txt").touch(),
    "two bands swapped": lambda root: swap(list_units(root)[0], "B02", "B03"),
}


def rename_band(path: Path) -> None:
    """Change a file's name so little that it keeps its place among the others."""
    path.rename(path.with_name(path.name.replace(".tif", ".tiff")))


def swap(patch: Path, one: str, other: str) -> None:
    """Exchange the files of two bands of one size; names, sizes and times stay."""
    first, second = patch / f"{patch.name}_{one}.tif", patch / f"{patch.name}_{other}.tif"
    data, stat = first.read_bytes(), first.stat()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)
    for path in (first, second):
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("kind", CHANGES)
def test_every_change_is_noticed_warm_and_cold(root: Path, cache_dir: Path, tmp_path: Path, kind: str) -> None:
    before = compute_fingerprint(open_demo(root), [], cache_dir)
    CHANGES[kind](root)
    warm = compute_fingerprint(open_demo(root), [], cache_dir)
    assert warm["digest"] != before["digest"]
    assert compute_fingerprint(open_demo(root), [], tmp_path / "cold") == warm


def test_the_fingerprint_does_not_depend_on_the_number_of_workers(
    root: Path, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = compute_fingerprint(open_demo(root), [], cache_dir)
    monkeypatch.setattr(fingerprint, "_CHUNK_UNITS", 3)  # more than one chunk: worker processes start
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert compute_fingerprint(open_demo(root), [], tmp_path / "cold") == before
    monkeypatch.setattr(fingerprint, "_CHUNK_BYTES", 1)
    assert compute_fingerprint(open_demo(root), [], tmp_path / "colder") == before


def test_an_unchanged_archive_is_not_read_again(root: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = compute_fingerprint(open_demo(root), [], cache_dir)
    cached = [(path, path.stat().st_mtime_ns, path.stat().st_ino) for path in cache_dir.iterdir()]
    read = count_reads(monkeypatch)
    assert compute_fingerprint(open_demo(root), [], cache_dir) == before
    assert read == []
    assert [(path, path.stat().st_mtime_ns, path.stat().st_ino) for path in cache_dir.iterdir()] == cached


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"no parquet", None])
def test_a_damaged_cache_is_as_none(
    root: Path, cache_dir: Path, damage: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = compute_fingerprint(open_demo(root), [], cache_dir)
    (cache,) = cache_dir.iterdir()
    if damage is None:  # of another release
        pq.write_table(pa.table({"unit": ["x"], "digest": ["y"]}), cache)
    else:
        cache.write_bytes(damage)
    read = count_reads(monkeypatch)
    for _ in range(2):
        assert compute_fingerprint(open_demo(root), [], cache_dir) == before
    assert read == [unit.name for unit in list_units(root)]


def test_an_interrupted_run_goes_on_from_what_it_saved(
    root: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "_CHUNK_BYTES", 1)  # a unit per chunk
    monkeypatch.setattr(fingerprint, "_SAVE_EVERY_S", 0.0)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    with monkeypatch.context() as patch:
        read = count_reads(patch)
        counted: Callable[[Sequence[Unit]], list[str]] = vars(fingerprint)["digest_units"]

        def stop_at_the_sixth(units: Sequence[Unit]) -> list[str]:
            if len(read) == 5:
                raise KeyboardInterrupt
            return counted(units)

        patch.setattr(fingerprint, "digest_units", stop_at_the_sixth)
        with pytest.raises(KeyboardInterrupt):
            compute_fingerprint(open_demo(root), [], cache_dir)
    read = count_reads(monkeypatch)
    compute_fingerprint(open_demo(root), [], cache_dir)
    assert read == [unit.name for unit in list_units(root)[5:]]


def test_what_cannot_be_looked_at_is_still_noticed(
    root: Path, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = compute_fingerprint(open_demo(root), [], cache_dir)
    first, second, *_ = list_units(root)
    (first / "link.tif").symlink_to(tmp_path / "nowhere")
    (first / "folder.tif").mkdir()
    assert compute_fingerprint(open_demo(root), [], cache_dir) == before  # neither is a file

    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("landscribe.archive.unit_files.compute_file_digest", refuse)
    edit_in_place(next(second.glob("*_B08.tif")))
    assert compute_fingerprint(open_demo(root), [], cache_dir)["digest"] != before["digest"]


def test_only_the_changed_unit_is_read_again(root: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = count_reads(monkeypatch)
    compute_fingerprint(open_demo(root), [], cache_dir)
    assert read == [unit.name for unit in list_units(root)]
    read.clear()
    edit_in_place(next(list_units(root)[2].glob("*_B08.tif")))
    compute_fingerprint(open_demo(root), [], cache_dir)
    assert read == [list_units(root)[2].name]


def test_an_edit_undone_gives_the_first_fingerprint_again(root: Path, cache_dir: Path) -> None:
    before = compute_fingerprint(open_demo(root), [], cache_dir)
    band = next(list_units(root)[2].glob("*_B08.tif"))
    edit_in_place(band)
    assert compute_fingerprint(open_demo(root), [], cache_dir) != before
    edit_in_place(band)
    assert compute_fingerprint(open_demo(root), [], cache_dir) == before


def test_files_that_params_name_count_by_content(root: Path, cache_dir: Path, tmp_path: Path) -> None:
    tags, members = tmp_path / "train.csv", tmp_path / "lists" / "train.csv"  # two files of one name, as in UC Merced
    members.parent.mkdir()
    seen = []
    for content in (("a", "b"), ("x", "b"), ("a", "y"), ("b", "a"), ("a", "b")):
        tags.write_text(content[0], encoding="utf-8")
        members.write_text(content[1], encoding="utf-8")
        seen.append(compute_fingerprint(open_demo(root), [tags, members], cache_dir))
    assert seen[0] == seen[-1]
    assert all(one != other for number, one in enumerate(seen[:-1]) for other in seen[number + 1 : -1])
    assert len({found["digest"] for found in seen}) == 1  # the archive itself did not change


def test_an_absent_file_is_named(root: Path, cache_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"snow\.csv: params\.yaml names this file"):
        compute_fingerprint(open_demo(root), [tmp_path / "snow.csv"], cache_dir)


def test_the_archive_is_only_read(root: Path, cache_dir: Path) -> None:
    before = [(path, path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in sorted(root.rglob("*"))]
    compute_fingerprint(open_demo(root), [], cache_dir)
    assert [(path, path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in sorted(root.rglob("*"))] == before
