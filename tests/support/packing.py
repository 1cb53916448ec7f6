"""Archives packed as they are published: tar, gzip, zstd, in parts, with every kind of header."""

import gzip
import shutil
import subprocess
import tarfile
from pathlib import Path

import pyarrow as pa

SUFFIXES = {".tar": None, ".tar.gz": "gzip", ".tgz": "gzip", ".tar.zst": "zstd"}


def pack(
    folder: Path,
    place: Path,
    suffix: str = ".tar",
    *,
    tar_format: int = tarfile.GNU_FORMAT,
    backwards: bool = False,
    name: str | None = None,
) -> Path:
    """Pack a folder under its name into `place`; return the file.

    Args:
        folder: what is packed.
        place: folder of the file.
        suffix: one of `SUFFIXES`.
        tar_format: of the headers, as `tarfile` names it.
        backwards: the members are in the opposite order of their names.
        name: of the file without suffix; that of the folder by default.
    """
    place.mkdir(parents=True, exist_ok=True)
    packed = place / f"{name or folder.name}{suffix}"
    plain = packed.with_suffix(".packing")
    with tarfile.open(plain, "w", format=tar_format) as tar:
        for path in sorted([folder, *folder.rglob("*")], reverse=backwards):
            tar.add(path, path.relative_to(folder.parent).as_posix(), recursive=False)
    packed.write_bytes(compress(plain.read_bytes(), SUFFIXES[suffix]))
    plain.unlink()
    return packed


def compress(content: bytes, compression: str | None) -> bytes:
    """Return the content compressed, zstd as a frame with a checksum where the program zstd is at hand."""
    if compression == "gzip":
        return gzip.compress(content, 1)
    if compression == "zstd" and shutil.which("zstd"):
        return subprocess.run(["zstd", "-1", "-c"], input=content, capture_output=True, check=True).stdout
    if compression == "zstd":
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(content)
        return bytes(sink.getvalue())
    return content


def split(packed: Path, marks: list[str]) -> list[Path]:
    """Replace a file by parts of equal size; return them.

    Args:
        packed: the file.
        marks: what follows its name in those of the parts.
    """
    content, parts = packed.read_bytes(), [packed.with_name(packed.name + mark) for mark in marks]
    for number, part in enumerate(parts):
        part.write_bytes(content[len(content) * number // len(parts) : len(content) * (number + 1) // len(parts)])
    packed.unlink()
    return parts
