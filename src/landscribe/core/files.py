"""Files that are either complete or absent: write a temporary file, then rename it. Digests of files."""

import contextlib
import hashlib
import json
import os
import shlex
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_READ_BYTES = 1 << 16
_NUM_DIGITS = 32


_UMASK = os.umask(0)  # once, at import: it can only be read by setting it, which other threads would see
os.umask(_UMASK)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path in the folder of `path` (same suffix) to write to; rename it to `path` if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        beside.chmod(0o666 & ~_UMASK)  # mkstemp makes files that only the owner can read
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def can_write(path: Path) -> bool:
    """Return whether this process may write to a file or into a folder; of what is absent, whether it may be made."""
    existing = next(place for place in (path, *path.absolute().parents) if place.exists())
    return os.access(existing, os.W_OK | (os.X_OK if existing.is_dir() else 0))


def explain_read_only(root: Path) -> str:
    """Return the sentence for a command that writes, in a checkout that is read-only."""
    return (
        f"{root} cannot be written to; expected a checkout that this user may write to. Copy it, with"
        f" cp -a {shlex.quote(str(root))} FOLDER, and run the same command in the copy; landscribe predict and history"
        " work here too."
    )


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically; the same content gives the same bytes."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_csv(path: Path, table: Any, *, index: bool = False) -> None:
    """Write a `pandas.DataFrame` as CSV, atomically; with its index as the first column if requested."""
    with replacing(path) as beside:
        table.to_csv(beside, index=index)


def read_json(path: Path) -> Any:
    """Return the content of a JSON file that this project wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def compute_digest(*parts: bytes | str) -> str:
    """Return 32 hexadecimal digits, half of SHA-256, over the parts; MLflow takes at most 36."""
    digest = hashlib.sha256()  # processors have instructions for it: the pixels of a patch take 91 us, BLAKE2b 133 us
    for part in parts:
        data = part.encode(errors="surrogateescape") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:_NUM_DIGITS]


def compute_file_digest(path: Path, on_read: Callable[[int], object] = lambda num_bytes: None) -> str:
    """Return the first 32 hexadecimal digits of the SHA-256 of a file's bytes; the file is read as a stream.

    Args:
        path: of the file.
        on_read: called with the number of bytes of each piece.
    """
    digest = hashlib.sha256()
    # Not hashlib.file_digest: allocating its buffers takes longer than digesting most GeoTIFFs (17 us per file, not 9).
    with path.open("rb", buffering=0) as stream:
        while data := stream.read(_READ_BYTES):
            digest.update(data)
            on_read(len(data))
    return digest.hexdigest()[:_NUM_DIGITS]
