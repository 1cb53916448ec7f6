"""A digest of the archive's content, cheap when nothing changed.

Every unit (a patch folder, an image, a file of records) has a digest of its file names and bytes. A cache in the
scratch folder stores it by the unit's signature (names, sizes and times of its files), so that an unchanged unit is
never read again. The fingerprint itself depends only on the content: a copy of the archive with other times has the
same one.
"""

import os
import time
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from landscribe.archive.protocol import Archive
from landscribe.archive.unit_files import Signature, Unit, digest_units, sign_units
from landscribe.core.errors import ArchiveError
from landscribe.core.files import compute_digest, compute_file_digest, replacing
from landscribe.runtime.pool import map_in_workers
from landscribe.runtime.progress import track

_CHUNK_UNITS = 5000  # one takes 0.2 s to sign: worker processes are faster from the second on
_CHUNK_BYTES = 100_000_000  # one takes 0.2 s to digest
_SAVE_EVERY_S = 60.0

Cache = dict[bytes, tuple[bytes, str]]  # unit name -> signature and digest
_CACHE_SCHEMA = pa.schema({"unit": pa.binary(), "signature": pa.binary(), "digest": pa.string()})


def compute_fingerprint(archive: Archive, extra_files: Iterable[Path], cache_dir: Path) -> dict[str, object]:
    """Return what identifies the archive: layout, counts and a digest of its content.

    Args:
        archive: reader whose units are digested.
        extra_files: lists and mapping files that params.yaml names; their content is digested too.
        cache_dir: scratch folder of the signature cache.

    Raises:
        ArchiveError: the archive or one of the extra files is absent.
    """
    # A list: two of them may share a name, as the CSV of tags and the list of a split do in UC Merced. First, so that
    # an absent file is reported before the archive is read.
    named = [{"name": path.name, "digest": _digest_extra(path)} for path in extra_files]
    names, units = map(list, zip(*archive.iter_units(), strict=True))
    signatures = _sign_all(units)
    cache_path = cache_dir / f"{compute_digest(str(Path(units[0][0]).parent), archive.name)}.parquet"
    digests = _digest_changed(names, units, signatures, cache_path)
    return {
        "layout": archive.name,
        "num_units": len(units),
        "num_files": sum(num_files for _, num_files, _ in signatures),
        "num_bytes": sum(num_bytes for _, _, num_bytes in signatures),
        "files": named,
        "digest": compute_digest(*(f"{name} {digest}" for name, digest in zip(names, digests, strict=True))),
    }


def _sign_all(units: Sequence[Unit]) -> list[Signature]:
    chunks = [units[start : start + _CHUNK_UNITS] for start in range(0, len(units), _CHUNK_UNITS)]
    signed = track(
        map_in_workers(sign_units, chunks), total=len(units), what="looking for changes", unit="units", count=len
    )
    return list(chain.from_iterable(signed))


def _digest_changed(
    names: Sequence[str], units: Sequence[Unit], signatures: Sequence[Signature], cache_path: Path
) -> list[str]:
    """Return the digest of each unit; a unit is read only if it is not in the cache or its signature has changed."""
    known = _read_cache(cache_path)
    keys = [os.fsencode(name) for name in names]
    fresh: Cache = {}
    changed = []
    for place, (key, (signature, _, _)) in enumerate(zip(keys, signatures, strict=True)):
        cached = known.get(key)
        if cached and cached[0] == signature:
            fresh[key] = cached
        else:
            changed.append(place)
    chunks = _cut(changed, signatures)
    digested = map_in_workers(digest_units, [[units[place] for place in chunk] for chunk in chunks])
    tracked = track(digested, total=len(changed), what="fingerprinting", unit="units", count=len)
    saved = time.monotonic()
    for chunk, digests in zip(chunks, tracked, strict=True):
        fresh |= {keys[place]: (signatures[place][0], digest) for place, digest in zip(chunk, digests, strict=True)}
        if time.monotonic() - saved > _SAVE_EVERY_S:  # however this process ends, the next one resumes here
            _write_cache(cache_path, fresh)
            saved = time.monotonic()
    if fresh != known:
        _write_cache(cache_path, fresh)
    return [fresh[key][1] for key in keys]


def _cut(places: Sequence[int], signatures: Sequence[Signature]) -> list[list[int]]:
    """Return chunks of about `_CHUNK_BYTES` and at most `_CHUNK_UNITS` each."""
    chunks: list[list[int]] = []
    room = 0
    for place in places:
        if room <= 0 or len(chunks[-1]) == _CHUNK_UNITS:
            chunks.append([])
            room = _CHUNK_BYTES
        chunks[-1].append(place)
        room -= signatures[place][2]
    return chunks


def _digest_extra(path: Path) -> str:
    if not path.is_file():
        raise ArchiveError(f"{path}: params.yaml names this file; it does not exist.")
    try:
        return compute_file_digest(path)
    except OSError as error:
        raise ArchiveError(f"{path}: params.yaml names this file; it cannot be read: {error.strerror}.") from error


def _read_cache(path: Path) -> Cache:
    """Return the content of the cache; nothing if it is absent, damaged or of another release."""
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except (OSError, pa.ArrowException):
        return {}
    if table.schema != _CACHE_SCHEMA:
        return {}
    columns = [column.to_pylist() for column in table.columns]
    return {unit: (signature, digest) for unit, signature, digest in zip(*columns, strict=True)}


def _write_cache(path: Path, units: Cache) -> None:
    columns = [list(units), *map(list, zip(*units.values(), strict=True))]
    table = pa.table(columns, schema=_CACHE_SCHEMA)
    with replacing(path) as beside:
        pq.write_table(table, beside)
