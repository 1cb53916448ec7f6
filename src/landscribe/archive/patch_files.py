"""Where the files of patches are: in folders, or in a download (`tar_files`). The one seam between the two.

Worker processes import this module: it imports nothing that is slow to load.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from landscribe.archive.folders import scan_folder

# A larger file is neither a band of a patch nor its metadata, and is never read into memory as a whole.
MOST_BYTES = 1 << 20
# Does not wait for a writer if the file is a pipe.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class PatchFiles(Protocol):
    """The files of an archive, by paths relative to the folder of its patches, with `/`."""

    def list_folder(self, path: str, key: str) -> list[tuple[str, bool]]:
        """Return (name, whether it is a folder) of everything in a folder, in no particular order.

        Args:
            path: of the folder; "" is that of the patches.
            key: of section `archive`, for errors.

        Raises:
            ArchiveError: it is absent or cannot be listed.
        """

    def read(self, path: str) -> bytes | None:
        """Return the content of a file, of a large one the first `MOST_BYTES + 1` bytes; None if there is no such file.

        Raises:
            OSError: it cannot be read.
        """

    def locate(self, path: str) -> str:
        """Return the path by which GDAL opens a file."""


@dataclass(frozen=True)
class FolderFiles:
    """The files in a folder, and in the folders in it."""

    root: str

    def list_folder(self, path: str, key: str) -> list[tuple[str, bool]]:
        """Scan a folder."""
        return scan_folder(Path(self.root, path), key)

    def read(self, path: str) -> bytes | None:
        """Read a file at once: joined as text, since paths of so many files take as long as reading them."""
        path = self.locate(path)
        try:
            descriptor = os.open(path, _OPEN_FLAGS)
            try:
                # Not os.fstat, which takes four times as long: anything but a file has no size, zero or a huge one.
                num_bytes = os.lseek(descriptor, 0, os.SEEK_END)
                if 0 < num_bytes <= MOST_BYTES or stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return os.pread(descriptor, min(num_bytes, MOST_BYTES + 1), 0)
                return None
            finally:
                os.close(descriptor)
        except OSError:
            if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for a name too long
                return None
            raise

    def locate(self, path: str) -> str:
        """Join the paths."""
        return f"{self.root}/{path}" if self.root else path


def list_near(files: PatchFiles, key: str) -> list[str]:
    """Return the names of the folders of an archive and, for a download, of those in the first of them, sorted.

    Of a download in which no patch was found the first folders are those of the tar: what it holds is in them.
    """
    names = sorted(name for name, is_folder in files.list_folder("", key) if is_folder)
    if isinstance(files, FolderFiles) or not names:
        return names
    return names + sorted(name for name, is_folder in files.list_folder(names[0], key) if is_folder)
