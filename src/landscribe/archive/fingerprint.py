"""A digest of the archive's content, cheap when nothing changed.

Every unit (a patch folder or an image) has a digest of its file names and bytes. A cache in the scratch folder keeps
it under the unit's signature (names, sizes and times of its files), so that an unchanged unit is never read again. The
digest itself is a function of content alone: a copy of the archive with other times has the same one.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from landscribe.archive.protocol import Archive
from landscribe.errors import ArchiveError
from landscribe.files import compute_digest, compute_file_digest, replacing
from landscribe.progress import track


def compute_fingerprint(archive: Archive, extra_files: Iterable[Path], cache_dir: Path) -> dict[str, object]:
    """Return what identifies the archive: layout, counts and a digest of its content.

    Args:
        archive: reader whose units are digested.
        extra_files: lists and mapping files that params.yaml names; their content counts too.
        cache_dir: scratch folder of the signature cache.

    Raises:
        ArchiveError: the archive or one of the extra files is absent.
    """
    # A list: two of them may share a name, as the CSV of tags and the list of a split do in UC Merced. First, so that
    # a file that is not there is told before the archive is read.
    named = [{"name": path.name, "digest": _digest_extra(path)} for path in extra_files]
    units = list(archive.iter_units())
    cache_path = cache_dir / f"{compute_digest(str(units[0][1][0].parent), archive.name)}.parquet"
    known = _read_cache(cache_path)
    fresh: dict[str, tuple[str, str]] = {}
    num_files = num_bytes = 0
    for name, paths in track(units, total=len(units), what="fingerprinting", unit="unit"):
        files = _scan(paths)
        num_files += len(files)
        num_bytes += sum(stat.st_size for _, stat in files)
        signature = _sign(files)
        cached = known.get(name)
        digest = cached[1] if cached and cached[0] == signature else _digest_content(files)
        fresh[name] = (signature, digest)
    if fresh != known:
        _write_cache(cache_path, fresh)
    return {
        "layout": archive.name,
        "num_units": len(units),
        "num_files": num_files,
        "num_bytes": num_bytes,
        "files": named,
        "digest": compute_digest(*(f"{name} {digest}" for name, (_, digest) in fresh.items())),
    }


def _scan(paths: list[Path]) -> list[tuple[Path, os.stat_result]]:
    """Return the files of a unit, sorted by name, with their stat."""
    files = []
    for path in paths:
        # What cannot be looked at has no files here; the reader quarantines it by name.
        with contextlib.suppress(OSError):
            if path.is_dir():
                with os.scandir(path) as items:
                    found = [(Path(item.path), item.stat()) for item in items if item.is_file()]
                files += sorted(found, key=lambda pair: pair[0].name)
            else:
                files.append((path, path.stat()))
    return files


def _sign(files: list[tuple[Path, os.stat_result]]) -> str:
    # ctime as well: a tool that edits in place and sets mtime back still moves ctime.
    return compute_digest(*(f"{path.name} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns}" for path, s in files))


def _digest_content(files: list[tuple[Path, os.stat_result]]) -> str:
    try:
        return compute_digest(*(part for path, _ in files for part in (path.name, path.read_bytes())))
    except OSError:  # an unreadable file is quarantined later, by name; here it only has to be noticed
        return compute_digest("unreadable", *(path.name for path, _ in files))


def _digest_extra(path: Path) -> str:
    if not path.is_file():
        raise ArchiveError(f"{path}: params.yaml names this file; it does not exist.")
    return compute_file_digest(path)


def _read_cache(path: Path) -> dict[str, tuple[str, str]]:
    if not path.exists():
        return {}
    columns = pq.read_table(path).to_pydict()
    return dict(zip(columns["unit"], zip(columns["signature"], columns["digest"], strict=True), strict=True))


def _write_cache(path: Path, units: dict[str, tuple[str, str]]) -> None:
    table = pa.table(
        {
            "unit": list(units),
            "signature": [signature for signature, _ in units.values()],
            "digest": [digest for _, digest in units.values()],
        }
    )
    with replacing(path) as beside:
        pq.write_table(table, beside)
