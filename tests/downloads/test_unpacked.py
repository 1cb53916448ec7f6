"""A download becomes one plain tar and its index; a damaged one leaves nothing and is one sentence."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from landscribe.core.errors import ArchiveError
from landscribe.downloads import unpacked
from landscribe.downloads.index import TarIndex
from landscribe.downloads.parts import Download, find_download
from landscribe.downloads.stream import find_form
from landscribe.downloads.unpacked import (
    KEEP_VARIABLE,
    SCRATCH_VARIABLE,
    find_unpacked_dir,
    remove_tars,
    unpack,
    unpack_all,
)
from tests.support.packing import SUFFIXES, pack, split


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with 40 files in 8 folders; the scratch folder lies beside it."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    rng = np.random.default_rng(0)
    for number in range(40):
        path = tmp_path / "archive" / f"patch_{number % 8}" / f"patch_{number % 8}_B{number // 8}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.bytes(number * 100))
    (tmp_path / "archive" / "empty").mkdir()
    (tmp_path / "archive" / "note.txt").write_text("note")
    return tmp_path / "archive"


def find(path: Path) -> Download:
    found = find_download(path)
    assert found is not None
    return found


def read_all(path: Path) -> dict[str, bytes]:
    """Return the content of every file of a download, by the index of its tar."""
    made = unpack(find(path))
    index, content = TarIndex(made.index_path), made.path.read_bytes()
    folders, found = [b""], {}
    for folder in folders:
        folders += [b"/".join(filter(None, (folder, name))) for name in index.list_folders(folder)]
        for name, (offset, size) in index.find_files(folder).items():
            found[b"/".join(filter(None, (folder, name))).decode()] = content[offset : offset + size]
    return found


def read_folder(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder.parent).as_posix(): path.read_bytes() for path in files}


def list_scratch() -> list[str]:
    return sorted(path.suffix for path in find_unpacked_dir().glob("*"))


@pytest.mark.parametrize("marks", [None, ["aa", "ab", "ac"]])
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("with_isal", [True, False])
def test_the_content_is_that_of_the_folder(
    folder: Path, tmp_path: Path, suffix: str, marks: list[str] | None, with_isal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not with_isal:
        monkeypatch.setitem(sys.modules, "isal", None)
    packed = pack(folder, tmp_path / "download", suffix)
    packed = split(packed, marks)[0] if marks else packed
    assert read_all(packed) == read_folder(folder)
    is_used_in_place = suffix == ".tar" and not marks
    assert list_scratch() == ([".arrow"] if is_used_in_place else [".arrow", ".tar"])
    index = TarIndex(unpack(find(packed)).index_path)
    assert b"empty" in index.list_folders(b"archive")
    assert index.find_files(b"archive/absent") == {}


def test_a_later_member_replaces_an_earlier_one(folder: Path, tmp_path: Path) -> None:
    packed = pack(folder, tmp_path / "download")
    (folder / "note.txt").write_text("another note")
    subprocess.run(["tar", "-rf", packed, "-C", folder.parent, "archive/note.txt"], check=True)
    assert read_all(packed) == read_folder(folder)


def test_nothing_is_unpacked_twice_and_a_new_download_always(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = pack(folder, tmp_path / "download", ".tar.gz")
    before = read_all(packed)
    with monkeypatch.context() as patch:
        patch.setattr(unpacked, "open_content", lambda *_: pytest.fail("unpacked again"))
        assert read_all(packed) == before
    (folder / "patch_1/patch_1_B4.tif").write_bytes(b"other pixels")
    pack(folder, tmp_path / "download", ".tar.gz")
    assert read_all(packed) == read_folder(folder) != before


def test_what_was_unpacked_is_removed_unless_it_is_to_stay(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, plain = pack(folder, tmp_path / "download", ".tgz"), pack(folder, tmp_path / "download")
    downloads = [find(packed), find(plain)]
    unpack_all(downloads)
    with monkeypatch.context() as patch:
        patch.setenv(KEEP_VARIABLE, "1")
        remove_tars(downloads)
    assert list_scratch() == [".arrow", ".arrow", ".tar"]
    remove_tars(downloads)
    assert (list_scratch(), plain.exists(), packed.exists()) == ([".arrow", ".arrow"], True, True)
    assert read_all(packed) == read_folder(folder)


class Killed(BaseException):
    """What ends a process at any moment."""


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_run_that_was_killed_goes_on_and_writes_what_is_not_there(
    folder: Path, tmp_path: Path, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = pack(folder, tmp_path / "download", ".tar.zst")
    monkeypatch.setattr(unpacked, "_BUFFER_BYTES", 1000)
    written: list[int] = []
    write_at = unpacked._write_at

    def write(descriptor: int, chunk: memoryview, offset: int) -> None:
        if len(written) == kill_at:
            raise Killed
        written.append(offset)
        write_at(descriptor, chunk, offset)

    monkeypatch.setattr(unpacked, "_write_at", write)
    num_chunks = -(-len(pack(folder, tmp_path / "plain").read_bytes()) // 1000)
    kill_at = int(num_chunks * share)
    with pytest.raises(Killed):
        unpack(find(packed))
    assert ".arrow" not in list_scratch()
    assert ".tar" not in list_scratch()
    kill_at = -1
    assert read_all(packed) == read_folder(folder)
    assert len(set(written)) == len(written) == num_chunks


Damage = Callable[[Path], object]


def cut(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def flip(path: Path, share: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(len(content) * share)] ^= 16
    path.write_bytes(content)


ANY = "ends early|damaged|expected a tar"
DAMAGES: dict[str, tuple[Damage, str]] = {
    **{
        f"{damage.__name__} at {share}": (partial(damage, share=share), ANY)
        for damage in (cut, flip)
        for share in (0.0, 0.001, 0.1, 0.5, 0.9, 0.999)
    },
    "a web page": (lambda path: path.write_text("<!DOCTYPE html>" * 100), "begins with b'<!DOCTYPE html"),
}


@pytest.mark.parametrize("with_isal", [True, False])
@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.zst"])
@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_download_is_one_sentence_and_leaves_nothing(
    folder: Path, tmp_path: Path, kind: str, suffix: str, with_isal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not with_isal:
        monkeypatch.setitem(sys.modules, "isal", None)
    packed = pack(folder, tmp_path / "download", suffix)
    damage, words = DAMAGES[kind]
    damage(packed)
    with pytest.raises(ArchiveError, match=words) as caught:
        unpack(find(packed))
    assert "\n" not in str(caught.value)
    assert str(packed) in str(caught.value)
    assert list_scratch() == []


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_plain_tar_that_ends_early_is_one_sentence(folder: Path, tmp_path: Path, share: float) -> None:
    packed = pack(folder, tmp_path / "download")
    cut(packed, share)
    with pytest.raises(ArchiveError, match="ends early"):
        unpack(find(packed))
    assert ".arrow" not in list_scratch()


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.zst"])
def test_parts_that_are_absent_or_swapped(folder: Path, tmp_path: Path, suffix: str) -> None:
    first, second, last = split(pack(folder, tmp_path / "download", suffix), ["aa", "ab", "ac"])
    hidden = last.rename(tmp_path / "hidden")
    with pytest.raises(ArchiveError, match=f"ends early: {last.name} is missing"):
        unpack(find(first))
    hidden.rename(last)
    contents = second.read_bytes(), last.read_bytes()
    last.write_bytes(contents[0])
    second.write_bytes(contents[1])
    with pytest.raises(ArchiveError, match=r"damaged|ends early"):
        unpack(find(first))
    assert {".tar", ".arrow", ".part"}.isdisjoint(list_scratch())
    second.write_bytes(contents[0])
    last.write_bytes(contents[1])
    assert read_all(first) == read_folder(folder)


def test_too_little_space_is_noticed_before_it_is_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "large").write_bytes(np.random.default_rng(0).bytes(2_000_000))
    packed = pack(folder, tmp_path / "download", ".tar.gz")
    monkeypatch.setattr(unpacked, "_SAMPLE_BYTES", 1)
    monkeypatch.setattr(unpacked, "_BUFFER_BYTES", 1000)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(ArchiveError, match=r"GB of free space .* Set LANDSCRIBE_SCRATCH"):
        unpack(find(packed))
    elsewhere = tmp_path / "large disk"
    monkeypatch.undo()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv(SCRATCH_VARIABLE, str(elsewhere))
    assert read_all(packed) == read_folder(folder)
    assert len(list(elsewhere.iterdir())) == 2


def test_the_beginning_decides_and_not_the_name(folder: Path, tmp_path: Path) -> None:
    packed = pack(folder, tmp_path / "download", ".tar.zst")
    renamed = packed.rename(packed.with_name("archive.tar"))
    assert find_form(find(renamed)) == "zstd"
    assert read_all(renamed) == read_folder(folder)
