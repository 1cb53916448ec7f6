"""From a download to one plain tar and its index, in the scratch folder: two files in place of millions.

The tar keeps random access, which a compressed file does not have. A plain tar is used where it lies and only indexed.
Nothing has its final name before the checksum of the download and the end mark of the tar were seen; the index comes
last, so what has an index is complete. A run that was killed goes on: it decompresses again, and writes only what does
not lie on the disk yet.
"""

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from landscribe.core.errors import ArchiveError
from landscribe.core.params import expand_path, find_repository, find_scratch
from landscribe.downloads.digest import digest_download
from landscribe.downloads.headers import HeaderWalk
from landscribe.downloads.index import IndexBuilder
from landscribe.downloads.parts import Download
from landscribe.downloads.stream import Reader, explain_early_end, find_form, open_content
from landscribe.runtime.lock import hold_lock
from landscribe.runtime.pool import map_in_workers
from landscribe.runtime.progress import Meter, format_duration, make_logger, track

SCRATCH_VARIABLE, KEEP_VARIABLE = "LANDSCRIBE_SCRATCH", "LANDSCRIBE_KEEP_UNPACKED"
_BUFFER_BYTES = 1 << 22
_SAMPLE_BYTES = 1 << 28  # of content: how far it is compressed, and how fast it is read, is known then
_STEP_BYTES = 100_000_000  # after which progress may be shown
_MB, _GB = 1_000_000, 1_000_000_000


@dataclass(frozen=True)
class UnpackedTar:
    """A plain tar and its index.

    Attributes:
        path: of the tar.
        index_path: where each file lies in it.
    """

    path: Path
    index_path: Path

    @property
    def is_indexed(self) -> bool:
        """Whether the index is there: enough to list the files."""
        return self.index_path.exists()

    @property
    def is_complete(self) -> bool:
        """Whether both are there."""
        return self.is_indexed and self.path.exists()


def find_unpacked_dir() -> Path:
    """Return the folder of unpacked downloads: `LANDSCRIBE_SCRATCH`, else in the scratch folder of the repository."""
    named = os.environ.get(SCRATCH_VARIABLE)
    return find_repository() / expand_path(named) if named else find_scratch() / "unpacked"


def find_unpacked(download: Download) -> UnpackedTar:
    """Return where the tar of a download and its index are, or would be.

    Its content decides: after a new download of the same name, old pixels are not taken for it.
    """
    is_plain = len(download.parts) == 1 and find_form(download) == "tar"
    folder, digest = find_unpacked_dir(), digest_download(download)
    path = download.parts[0] if is_plain else folder / f"{digest}.tar"
    return UnpackedTar(path, folder / f"{digest}.arrow")


def unpack(download: Download) -> UnpackedTar:
    """Return the plain tar of a download and its index; both are made unless they are there.

    Raises:
        ArchiveError: the download is damaged or not complete, or there is no space.
    """
    unpacked = find_unpacked(download)
    if unpacked.is_complete:
        return unpacked
    lock = unpacked.index_path.with_suffix(".lock")
    with hold_lock(lock, f"unpacks {download.name}", wait=True), _explain_full(lock.parent):
        try:
            if not unpacked.is_complete:
                _make(download, unpacked)
        finally:
            lock.unlink()
    return unpacked


def _make(download: Download, unpacked: UnpackedTar) -> None:
    builder = IndexBuilder()
    if unpacked.path == download.parts[0]:
        _index_plain(download, builder)
    else:
        _write_tar(download, unpacked.path, builder)
    builder.write(unpacked.index_path)


def unpack_all(downloads: Sequence[Download]) -> None:
    """Unpack downloads side by side: each is decompressed by a single core.

    Raises:
        ArchiveError: as `unpack`.
    """
    absent = [download for download in downloads if not find_unpacked(download).is_complete]
    for _ in map_in_workers(unpack, absent, min(len(absent), os.cpu_count() or 1)):
        pass


def remove_tars(downloads: Sequence[Download]) -> None:
    """Remove the tars that were unpacked, unless `LANDSCRIBE_KEEP_UNPACKED` is set; downloads and indexes stay."""
    if os.environ.get(KEEP_VARIABLE, "0") != "0":
        return
    for download in downloads:
        path = find_unpacked(download).path
        if path != download.parts[0] and path.exists():
            path.unlink()
            make_logger("unpack").info(
                "unpack: %s is removed from %s; %s=1 would keep it for a change of convert.bands",
                download.name,
                path.parent,
                KEEP_VARIABLE,
            )


def _index_plain(download: Download, builder: IndexBuilder) -> None:
    path = download.parts[0]
    with path.open("rb", buffering=0) as stream:
        walk = HeaderWalk(stream.fileno(), str(path))
        end = os.fstat(stream.fileno()).st_size
        steps = [*range(0, end, _STEP_BYTES), end]
        for step in track(steps, total=end // _MB, what=f"indexing {path.name}", unit="MB", count=_count_step):
            walk.read_until(step, builder.add)
    if not walk.has_ended:
        raise ArchiveError(explain_early_end(download))


def _count_step(end: int) -> int:
    return _STEP_BYTES // _MB if end % _STEP_BYTES == 0 and end else 0


def _write_tar(download: Download, path: Path, builder: IndexBuilder) -> None:
    """Write the tar of a download to `path`; of a half-written one only what is not there yet."""
    half = path.with_suffix(".part")
    watch = _Watch(download, half)
    try:
        half.touch()
        with half.open("r+b", buffering=0) as stream, open_content(download, watch.count_read) as read:
            walk = HeaderWalk(stream.fileno(), str(download.parts[0]))
            size = _copy(read, stream.fileno(), walk, builder, watch)
            os.ftruncate(stream.fileno(), size)
        if not walk.has_ended:
            raise ArchiveError(explain_early_end(download))
    except ArchiveError:
        half.unlink(missing_ok=True)
        raise
    finally:
        watch.meter.close()
    half.replace(path)


def _copy(read: Reader, descriptor: int, walk: HeaderWalk, builder: IndexBuilder, watch: "_Watch") -> int:
    """Copy the content to a file from its beginning, follow its headers, and return its size."""
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    size, size_before = 0, os.fstat(descriptor).st_size
    while num_bytes := read(buffer):
        chunk = buffer[:num_bytes]
        if size + num_bytes > size_before or os.pread(descriptor, num_bytes, size) != chunk:
            _write_at(descriptor, chunk, size)
        size += num_bytes
        watch.count_written(size)
        walk.read_until(size, builder.add)
    return size


def _write_at(descriptor: int, chunk: memoryview, offset: int) -> None:
    while chunk:
        num_bytes = os.pwrite(descriptor, chunk, offset)
        chunk, offset = chunk[num_bytes:], offset + num_bytes


class _Watch:
    """Says how far a download is unpacked, and whether there is space for the rest as soon as that can be known."""

    def __init__(self, download: Download, half: Path) -> None:
        self._download, self._half = download, half
        self._num_bytes, self._num_read, self._shown = download.num_bytes, 0, 0
        self._began, self._is_known = time.monotonic(), False
        words = (download.name, self._num_bytes / _GB, half.parent)
        make_logger("unpack").info("unpack: %s, %.3g GB, into one tar in %s", *words)
        self.meter = Meter(self._num_bytes // _MB, f"unpacking {download.name}", "MB")

    def count_read(self, num_bytes: int) -> None:
        """Take in that bytes of the download were read."""
        self._num_read += num_bytes
        if steps := self._num_read // _MB - self._shown:
            self._shown += steps
            self.meter.advance(steps)

    def count_written(self, size: int) -> None:
        """Take in the size of the tar so far.

        Raises:
            ArchiveError: there is no space for the whole.
        """
        if self._is_known or size < _SAMPLE_BYTES:
            return
        self._is_known = True
        share = self._num_read / self._num_bytes
        need = size / share - self._half.stat().st_size
        free = shutil.disk_usage(self._half).free
        left = format_duration((time.monotonic() - self._began) * (1 / share - 1))
        words = (self._download.name, size / share / _GB, free / _GB, left)
        make_logger("unpack").info("unpack: %s: about %.3g GB as a tar, %.3g GB are free, about %s left", *words)
        if need > free:
            raise ArchiveError(
                f"{self._download.name}: expected {need / _GB:.3g} GB of free space in {self._half.parent};"
                f" {free / _GB:.3g} GB are free. Set {SCRATCH_VARIABLE} to a folder with more, or free some."
            )


@contextlib.contextmanager
def _explain_full(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS}:
            raise
        raise ArchiveError(
            f"{folder}: {error.strerror}, while a download was unpacked. Set {SCRATCH_VARIABLE} to a folder with space,"
            " or free some, and run the same command again: it goes on."
        ) from error
