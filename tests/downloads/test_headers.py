"""The walk finds what tarfile finds, in every form of headers; what is damaged or would lie elsewhere is refused."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from landscribe.core.errors import ArchiveError
from landscribe.downloads.headers import HeaderWalk

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "GNU": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
SHORT = ["a", "a/b.txt", f"{'d' * 90}/{'e' * 90}.tif"]
LONG = [*SHORT, f"{'f' * 120}/{'g' * 180}_B01.tif", "ä/ö.json", "./h/./i//j"]


def write_tar(path: Path, names: list[str], tar_format: int) -> None:
    rng = np.random.default_rng(0)
    with tarfile.open(path, "w", format=tar_format) as tar:
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size = (0, 1, 511, 512, 513, 3000)[number % 6]
            if number == 0:
                info.type, info.size = tarfile.DIRTYPE, 0
            tar.addfile(info, io.BytesIO(rng.bytes(info.size)))


Member = tuple[bytes, int, int, bool]


def walk(path: Path, step: int | None = None) -> list[Member]:
    """Return name, offset, size and kind of the members, with the file's size known at once or growing by steps."""
    size = path.stat().st_size
    members: list[Member] = []
    with path.open("rb") as stream:
        found = HeaderWalk(stream.fileno(), path.name)
        for end in (*range(0, size, step or size), size):
            found.read_until(end, lambda *member: members.append(member))
    assert found.has_ended
    return members


@pytest.mark.parametrize("step", [None, 100, 512, 5000])
@pytest.mark.parametrize("name", FORMATS)
def test_members_are_those_of_tarfile(name: str, step: int | None, tmp_path: Path) -> None:
    path = tmp_path / "some.tar"
    write_tar(path, SHORT if name == "ustar" else LONG, FORMATS[name])
    with tarfile.open(path) as tar:
        expected = [(os.path.normpath(info.name).encode(), info.offset_data, info.size, info.isdir()) for info in tar]
    assert walk(path, step) == expected


def test_a_size_beyond_eight_gigabytes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.tar"
    for tar_format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        info = tarfile.TarInfo("large")
        info.size = 9 << 30
        with path.open("wb") as stream:  # a sparse file: no byte of the content is written
            head = info.tobuf(tar_format)
            stream.write(head)
            stream.seek(len(head) + info.size)
            stream.write(bytes(1024))
        assert walk(path) == [(b"large", len(head), info.size, False)]


REFUSED: dict[str, tuple[Callable[[tarfile.TarInfo], None], str]] = {
    "link": (lambda info: setattr(info, "type", tarfile.SYMTYPE), "is a symbolic link"),
    "hard link": (lambda info: setattr(info, "type", tarfile.LNKTYPE), "is a hard link"),
    "device": (lambda info: setattr(info, "type", tarfile.CHRTYPE), "is a device"),
    "sparse": (lambda info: setattr(info, "type", tarfile.GNUTYPE_SPARSE), "of kind 'S'"),
    "absolute": (lambda info: setattr(info, "name", "/etc/passwd"), "outside of the archive's folder"),
    "above": (lambda info: setattr(info, "name", "a/../../b"), "outside of the archive's folder"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_lie_elsewhere_is_refused(kind: str, tmp_path: Path) -> None:
    change, words = REFUSED[kind]
    info = tarfile.TarInfo("name")
    info.linkname = "other"
    change(info)
    (tmp_path / "some.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(ArchiveError, match=words):
        walk(tmp_path / "some.tar")


def test_any_changed_byte_of_a_header_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "some.tar"
    write_tar(path, ["a", "b"], tarfile.GNU_FORMAT)
    content = path.read_bytes()
    # A digit of the checksum itself may change into a blank that means the same.
    for place in {*range(512)} - {*range(148, 156)}:
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(ArchiveError, match="damaged"):
            walk(path)
