"""The digest of a download, read once: 100 GB take minutes, so it is remembered by size and time."""

import os
from pathlib import Path

from landscribe.core.files import compute_digest, compute_file_digest, read_json, write_json
from landscribe.core.params import find_scratch
from landscribe.downloads.parts import Download
from landscribe.runtime.progress import Meter


def digest_download(download: Download) -> str:
    """Return the digest of the content of all parts."""
    return compute_digest(*map(digest_part, download.parts))


def digest_part(path: Path) -> str:
    """Return the digest of a file, as `compute_file_digest`, from memory where size and time have not changed."""
    stat = path.stat()
    # ctime as well: a tool that edits in place and sets mtime back still moves ctime.
    stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
    memory = find_scratch() / "fingerprint" / f"{compute_digest(os.fspath(path.absolute()))}.json"
    try:
        known = read_json(memory)
        if known["stamp"] == stamp:
            return str(known["digest"])
    except (OSError, ValueError, LookupError, TypeError):  # absent or damaged
        pass
    meter = Meter(stat.st_size, f"fingerprinting {path.name}", "bytes")
    digest = compute_file_digest(path, meter.advance)
    meter.close()
    write_json(memory, {"stamp": stamp, "digest": digest})
    return digest
