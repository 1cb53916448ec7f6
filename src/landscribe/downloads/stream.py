"""The content of a download as one stream: its parts joined and decompressed, its checksum verified at the end."""

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Literal, cast

import pyarrow as pa

from landscribe.core.errors import ArchiveError
from landscribe.downloads.parts import Download

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_TAR_MARK, _TAR_MARK_AT = b"ustar", 257
_BEGINNING_BYTES = 512
_SHOWN_BYTES = 20
_ENDED_EARLY = ("truncated", "ended before")  # in the messages of pyarrow and of the gzip modules

Reader = Callable[[memoryview], int]  # fills the buffer from its beginning; returns the number of bytes, 0 at the end


@contextlib.contextmanager
def open_content(download: Download, on_read: Callable[[int], object] = lambda num_bytes: None) -> Iterator[Reader]:
    """Yield what reads the tar of a download from its beginning to its end.

    Args:
        download: its files.
        on_read: called with the number of bytes, whenever some were read from them.

    Raises:
        ArchiveError: within the block as well: it is no tar, ends early or is damaged. A flipped bit may show only at
            the very end, where the checksum is: nothing that was read is sure before the reader has returned 0.
    """
    with _Parts(download, on_read) as raw, _explain(download):
        match find_form(download):
            case "gzip":
                with _open_gzip(raw) as stream:
                    yield stream.readinto
            case "zstd":
                with pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd") as stream:
                    yield stream.readinto
            case "tar":
                yield cast("Reader", raw.readinto)


def find_form(download: Download) -> Literal["tar", "gzip", "zstd"]:
    """Return how the content of a download is packed; its beginning says so, and not its name.

    Raises:
        ArchiveError: it is no tar.
    """
    with _Parts(download, lambda num_bytes: None) as raw:
        beginning = raw.read(_BEGINNING_BYTES) or b""
    if beginning.startswith(_GZIP):
        return "gzip"
    if beginning.startswith(_ZSTD) or beginning[1:4] == b"\x2a\x4d\x18":  # a skippable frame
        return "zstd"
    if beginning[_TAR_MARK_AT:].startswith(_TAR_MARK) or _looks_like_v7(beginning):
        return "tar"
    raise ArchiveError(
        f"{download.parts[0]}: expected a tar, plain or packed by gzip or zstd; it begins with"
        f" {beginning[:_SHOWN_BYTES]!r}. A download that failed leaves a web page: download it again."
    )


def _open_gzip(raw: io.RawIOBase) -> Any:
    try:
        from isal import igzip  # the extra `isal`: twice as fast
    except ImportError:
        return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "gzip")
    return igzip.IGzipFile(fileobj=cast("BinaryIO", raw))


def _list_gzip_errors() -> tuple[type[Exception], ...]:
    try:
        from isal import igzip_lib
    except ImportError:
        return ()
    return (cast("type[Exception]", igzip_lib.IsalError),)


def _looks_like_v7(beginning: bytes) -> bool:
    """Return whether a file without the mark begins with the checksum of a tar's header."""
    return len(beginning) == _BEGINNING_BYTES and beginning[:1] != b"\0" and beginning[148:154].strip(b" ").isdigit()


@contextlib.contextmanager
def _explain(download: Download) -> Iterator[None]:
    """Say in one sentence what is wrong with the data."""
    try:
        yield
    except (EOFError, OSError, pa.ArrowException, *_list_gzip_errors()) as error:
        where = f"{download.parts[-1]}"
        if isinstance(error, EOFError) or any(words in str(error).lower() for words in _ENDED_EARLY):
            raise ArchiveError(explain_early_end(download)) from error
        if getattr(error, "errno", None):  # of the file system, not of the data
            raise
        raise ArchiveError(
            f"{where}: damaged: its content does not fit its checksum ({' '.join(str(error).split())}). Compare the"
            f" checksum of {'each part' if len(download.parts) > 1 else 'the file'} with the published one, and"
            " download again what differs."
        ) from error


def explain_early_end(download: Download) -> str:
    """Return the sentence for a download that ends within its content."""
    after = f"{download.next_part} is missing, or {download.parts[-1].name}" if download.next_part else "the download"
    return f"{download.parts[-1]}: ends early: {after} is not complete. Download it again."


class _Parts(io.RawIOBase):
    """The bytes of all parts, one after the other."""

    def __init__(self, download: Download, on_read: Callable[[int], object]) -> None:
        super().__init__()
        self._download, self._on_read = download, on_read
        self._place = 0
        self._stream: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while self._place < len(self._download.parts):
            if self._stream is None:
                self._stream = self._download.parts[self._place].open("rb", buffering=0)
            if num_bytes := cast("io.RawIOBase", self._stream).readinto(buffer) or 0:
                self._on_read(num_bytes)
                return num_bytes
            self._stream.close()
            self._stream, self._place = None, self._place + 1
        return 0

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        super().close()
