"""Files are whole or absent; digests are functions of content."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from landscribe.core.files import compute_digest, compute_file_digest, read_json, replacing, write_json


def test_a_file_appears_whole_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.csv"
    with replacing(path) as beside:
        beside.write_text("half", encoding="utf-8")
        assert not path.exists()
        assert beside.parent == path.parent
        assert beside.suffix == ".csv"  # writers choose the format by it
        beside.write_text("whole", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "whole"
    assert list(path.parent.iterdir()) == [path]


def write_half(path: Path, stop: type[BaseException]) -> None:
    """Begin to replace a file, and be stopped."""
    with replacing(path) as beside:
        beside.write_text("half", encoding="utf-8")
        raise stop


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_stopped_writer_leaves_the_old_file_and_no_trace(tmp_path: Path, stop: type[BaseException]) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(stop):
        write_half(path, stop)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_a_new_file_has_the_users_permissions(tmp_path: Path, umask: int) -> None:
    # A process of its own: the umask is read when the module is imported, and stays what it was.
    code = "import os, pathlib, sys; from landscribe.core.files import write_json; "
    code += "write_json(pathlib.Path(sys.argv[1]), {}); print(os.umask(0))"
    words = [sys.executable, "-c", code, str(tmp_path / "a.json")]
    done = subprocess.run(words, umask=umask, capture_output=True, text=True, check=True)
    assert int(done.stdout) == umask
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o666 & ~umask


def test_reading_json_inverts_writing(tmp_path: Path) -> None:
    content = {"b": [1, 2.5, None, True], "a": {"Lærk": "Transitional woodland, shrub", "é": 1e-300}}
    write_json(tmp_path / "a.json", content)
    write_json(tmp_path / "b.json", content)
    assert read_json(tmp_path / "a.json") == content
    assert list(read_json(tmp_path / "a.json")) == ["b", "a"]
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert "Lærk" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_the_digest_never_changes() -> None:
    # Splits, shards and caches are ordered or keyed by it: another value would move every patch of every user.
    assert compute_digest("split", "20170613", "S2A_MSIL2A_20170613T101031_87_48") == "c912eb0b2d34a96f1da0a21450afe471"


def test_the_digest_tells_parts_apart() -> None:
    cases = [(), ("",), ("", ""), ("ab",), ("a", "b"), ("b", "a"), ("", "ab"), ("ab", ""), ("abc",), ("a", "bc")]
    digests = [compute_digest(*parts) for parts in cases]
    assert len(set(digests)) == len(cases)
    assert {len(digest) for digest in digests} == {32}  # MLflow takes at most 36


def test_the_digest_of_a_text_is_that_of_its_bytes() -> None:
    assert compute_digest("é", "b") == compute_digest("é".encode(), b"b")


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path, size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    assert compute_file_digest(path) == hashlib.sha256(data).hexdigest()[:32]
    path.write_bytes(data + b"x")
    assert compute_file_digest(path) != hashlib.sha256(data).hexdigest()[:32]
