"""TFRecords that the archive authors' own scripts wrote: one `tf.train.Example` per patch, one or more files per split.

The schema is that of `prep_splits.py` and `tensorflow_utils.py` in https://github.com/rsim-tu-berlin: every band is a
flat Int64List (Sentinel-1 a FloatList), the labels are strings and also a multi-hot vector. The files are read as
streams, because they may have hundreds of gigabytes; a record is identified by its file and the byte where it begins.
If the content of a record is damaged, only that record is bad; if its length is damaged, all later ones are bad too.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from landscribe.archive.folders import scan_folder
from landscribe.archive.names import check_name
from landscribe.archive.protocol import PATCH_SCHEMA, Listing, make_patches
from landscribe.core.bands import S1_BANDS, S2_BANDS, Band
from landscribe.core.errors import ArchiveError, PatchError, RecordsError, did_you_mean
from landscribe.core.nomenclature import BEN_19_CODES, CLC_CODES
from landscribe.core.patch import parse_patch_name, parse_s1_tile
from landscribe.core.quarantine import LeftOut
from landscribe.core.tfrecord import Features, decode_example, read_record
from landscribe.runtime.pool import start_workers
from landscribe.runtime.progress import track

# Feature of the label strings -> its classes in the order of the multi-hot vector, which is CLC's: label_indices.json.
_CLASSES = {"original_labels": tuple(CLC_CODES), "BigEarthNet-19_labels": tuple(BEN_19_CODES)}
_NAMES = ("patch_name_s2", "patch_name")  # of files with Sentinel-1; of files without
_S1_NAME = "patch_name_s1"
_WANTED = (*_NAMES, _S1_NAME, *_CLASSES, *(f"{name}_multi_hot" for name in _CLASSES))
_SPLIT = re.compile(r"(train|val|test)(?:ing|idation)?(?![a-z])", re.IGNORECASE)  # trainval.tfrecord is neither

_GIVEN = ("patch_id", "labels", "path", "s1_patch_id", "s1_path", "granule", "tile", "column", "row", "official_split")
_ROW = pa.schema([*(PATCH_SCHEMA.field(name) for name in _GIVEN), pa.field("short_clock", pa.bool_())])
_BAD_CONTENT = "the record does not fit its checksum; write or copy the file again"
_PART_BYTES = 2**26  # bytes between two steps of the progress bar
_POOL_FROM_BYTES = 2**33  # a few seconds of one process: for less, more processes are not faster


@dataclass(frozen=True)
class BigEarthNetTFRecord:
    """Reader of a folder of `*.tfrecord` files, or of one such file.

    Attributes:
        root: the folder or the file.
        name: of the archive in manifests and shards.
    """

    root: Path
    name: str = "bigearthnet-tfrecord"

    @property
    def bands(self) -> Mapping[str, Band]:
        """Sentinel-2 and Sentinel-1; where a file lacks the latter, reading a patch says so."""
        return {**S2_BANDS, **S1_BANDS}

    def iter_units(self) -> Iterator[tuple[str, list[Path]]]:
        """Yield (file name, [file])."""
        for path in self._list_files()[0]:
            yield path.name, [path]

    def read_listing(self) -> Listing:
        """Read names and labels of all records, every checksum verified.

        Raises:
            ArchiveError: the folder cannot be read, or none of its files has a valid record.
        """
        files, strays = self._list_files()
        sizes = {path: path.stat().st_size for path in files}
        num_parts = sum(size // _PART_BYTES + 1 for size in sizes.values())
        parts = list(track(_read_parts(files), total=num_parts, what="reading records", unit="parts"))
        parts.sort(key=lambda part: (part.begin.path.name, part.begin.offset))
        rows = pa.concat_tables([part.rows for part in parts])
        ends = [part for part in parts if not part.goes_on]
        hidden = _weigh_damage(ends, sizes)
        if not any(part.end.number for part in ends):
            raise ArchiveError(
                f"archive {self.root}: expected .tfrecord files with one record per patch; none has a valid one. The"
                f" first: {hidden[0].patch_id}: {hidden[0].reason}."
            )
        quarantined = [*(bad for part in parts for bad in part.quarantined), *hidden]
        rows, repeated = _take_out_repeated(rows)
        quirks = Counter({"stray-file": strays, "hour-without-leading-zero": pc.sum(rows["short_clock"]).as_py() or 0})
        patches = make_patches({name: rows[name] for name in _GIVEN})
        return Listing(patches, quarantined + repeated, quirks=quirks)

    def read_patch(self, path: str, s1_path: str | None, bands: Sequence[Band]) -> dict[str, np.ndarray]:
        """Read the record again, its checksums verified, and return its bands."""
        name, _, offset = path.rpartition("@")
        folder = self.root.parent if self.root.is_file() else self.root
        try:
            with (folder / name).open("rb") as stream:
                stream.seek(int(offset))
                record = read_record(stream)
            if record is None:
                raise RecordsError(f"the file ends at byte {offset}")
            features = decode_example(record, [band.name for band in bands])
        except OSError as error:
            raise PatchError(f"{name} is unreadable: {error.strerror}") from error
        except RecordsError as error:
            raise PatchError(f"{name}: {error}") from error
        return {band.name: _shape_band(features, band, name) for band in bands}

    def _list_files(self) -> tuple[list[Path], int]:
        """Return the TFRecord files, sorted by name, and the number of other files and folders.

        Raises:
            ArchiveError: the folder is absent or holds none.
        """
        if self.root.is_file():
            return [self.root], 0
        found = sorted(self.root / name for name, _ in scan_folder(self.root, "root"))
        named = [path for path in found if path.suffix == ".tfrecord" and not path.name.startswith(".")]
        files = [path for path in named if path.name.isprintable()]
        if odd := [path.name for path in files if not path.is_file()]:
            raise ArchiveError(
                f"archive folder {self.root}: expected files; {', '.join(odd)} is a folder, a pipe or a link to"
                " nothing. Repair it, or remove it."
            )
        if not files:
            raise ArchiveError(f"archive folder {self.root}: expected .tfrecord files; found none; set archive.root.")
        return files, len(found) - len(files)


@dataclass(frozen=True)
class _Place:
    """Where a record begins: the byte and the number in its file."""

    path: Path
    offset: int = 0
    number: int = 0


@dataclass(frozen=True)
class _Part:
    """The content of one part of a file.

    Attributes:
        begin: its first record.
        end: the place after its last record.
        goes_on: whether there may be more to read at `end`.
        rows: of the valid records.
        quarantined: the others.
        damage: why nothing after `end` can be read; empty if the file ends correctly.
    """

    begin: _Place
    end: _Place
    goes_on: bool
    rows: pa.Table
    quarantined: list[LeftOut]
    damage: str


def _read_parts(files: Sequence[Path]) -> Iterator[_Part]:
    """Yield the parts of all files as they finish: several files at once, each from its begin to its end."""
    with _start_workers(files) as executor:
        pending = {executor.submit(_read_part, _Place(path)) for path in files}
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for part in [future.result() for future in done]:
                if part.goes_on:
                    pending.add(executor.submit(_read_part, part.end))
                yield part


def _start_workers(files: Sequence[Path]) -> AbstractContextManager[Executor]:
    """Return one thread for a small archive, else one process per file, at most as many as there are cores."""
    num_workers = min(len(files), os.cpu_count() or 1)
    if num_workers == 1 or sum(path.stat().st_size for path in files) < _POOL_FROM_BYTES:
        return ThreadPoolExecutor(1)
    return start_workers(num_workers)


def _read_part(begin: _Place) -> _Part:
    """Read names and labels of the next `_PART_BYTES` of a file, as far as its records can be found."""
    path, offset, number = begin.path, begin.offset, begin.number
    rows: list[dict[str, Any]] = []
    quarantined: list[LeftOut] = []
    damage = ""
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            for row in _iter_rows(stream, path, begin.offset + _PART_BYTES):
                if isinstance(row, LeftOut):
                    quarantined.append(row)
                else:
                    rows.append(row)
                offset, number = stream.tell(), number + 1
        if not number:
            damage = "empty"
    except OSError as error:
        damage = f"unreadable ({error.strerror})"
    except RecordsError:
        damage = "damaged" if number else "compressed, damaged or no TFRecord"
    goes_on = not damage and offset - begin.offset >= _PART_BYTES
    table = pa.Table.from_pylist(rows, _ROW)
    return _Part(begin, _Place(path, offset, number), goes_on, table, quarantined, damage)


def _iter_rows(stream: BinaryIO, path: Path, until: int) -> Iterator[dict[str, Any] | LeftOut]:
    """Yield a row, or the reason why there is none, for each record that begins before the byte `until`.

    Raises:
        RecordsError: the damage of a record hides where the next one begins.
    """
    while (offset := stream.tell()) < until:
        try:
            record = read_record(stream)
        except RecordsError:
            if stream.tell() == offset:
                raise
            yield LeftOut(f"{path.name}@{offset}", _BAD_CONTENT)
            continue
        if record is None:
            return
        yield _read_row(record, path, offset)


def _weigh_damage(ends: Sequence[_Part], sizes: Mapping[Path, int]) -> list[LeftOut]:
    """Return one entry per record that cannot be found, their number estimated from the mean size of those found.

    Args:
        ends: the last part of each file.
        sizes: file -> its bytes.
    """
    mean_bytes = sum(part.end.offset for part in ends) / max(1, sum(part.end.number for part in ends))
    hidden = []
    for part in ends:
        if not part.damage:
            continue
        path, first, size = part.end.path, part.end.number, sizes[part.end.path]
        num_bytes = size - part.end.offset
        num_hidden = max(1, round(num_bytes / mean_bytes)) if mean_bytes else 1
        reason = (
            f"file {part.damage} from record {first} on: {num_bytes:,} of {size:,} bytes cannot be read; write or copy"
            " the file again"
        )
        hidden += [LeftOut(f"{path.name}, record {number}", reason) for number in range(first, first + num_hidden)]
    return hidden


def _read_row(record: bytes, path: Path, offset: int) -> dict[str, Any] | LeftOut:
    """Return a row of the listing, or the reason why there is none."""
    place = patch_id = f"{path.name}@{offset}"
    try:
        features = decode_example(record, _WANTED)
        patch_id = _read_name(features, *_NAMES)
        s1_name = _read_name(features, _S1_NAME) if _S1_NAME in features else None
        labels = _read_labels(features)
    except (PatchError, RecordsError) as error:
        return LeftOut(patch_id, str(error))
    try:
        parsed = parse_patch_name(patch_id)
    except PatchError:
        parsed = None
    split = _SPLIT.match(path.stem)
    return {
        "patch_id": patch_id,
        "labels": labels,
        "path": place,
        "s1_patch_id": s1_name,
        "s1_path": s1_name and place,
        "granule": parsed and parsed.granule,
        "tile": s1_name and parse_s1_tile(s1_name),
        "column": parsed and parsed.column,
        "row": parsed and parsed.row,
        "official_split": split and split[1].lower(),
        "short_clock": parsed is not None and parsed.short_clock,
    }


def _read_name(features: Features, *keys: str) -> str:
    """Return the one name under the one of `keys` that the record has."""
    values = [value for key in keys for value in features.get(key, [])]
    if len(values) != 1 or not isinstance(values[0], bytes):
        raise PatchError(f"expected one name under {' or '.join(keys)}; the record has {len(values)}")
    return check_name(_decode_text(values[0]))


def _read_labels(features: Features) -> list[str]:
    """Return the label strings, checked against the multi-hot vector."""
    key = next((key for key in _CLASSES if key in features), None)
    if key is None:
        raise PatchError(f"expected the labels under {' or '.join(_CLASSES)}; the record has neither")
    classes, stored = _CLASSES[key], features[key]
    if not isinstance(stored, list):
        raise PatchError(f"{key}: expected strings; received numbers")
    labels = [_decode_text(label) for label in stored]
    for label in labels:
        if label not in classes:
            raise PatchError(f"{key}: '{label}' is none of the {len(classes)} classes.{did_you_mean(label, classes)}")
    _check_multi_hot(features.get(f"{key}_multi_hot"), labels, classes, key)
    return labels


def _check_multi_hot(multi_hot: Any, labels: Sequence[str], classes: Sequence[str], key: str) -> None:
    """Raise `PatchError` unless the vector and the strings agree, in CLC order."""
    if np.array_equal(multi_hot, [name in labels for name in classes]):
        return
    if multi_hot is None or len(multi_hot) != len(classes):
        received = "none" if multi_hot is None else len(multi_hot)
        raise PatchError(f"{key}_multi_hot: expected {len(classes)} numbers; received {received}")
    if np.array_equal(multi_hot, [name in labels for name in sorted(classes)]):
        raise PatchError(
            f"{key}_multi_hot does not fit {key} in CLC order, as the authors write it; it would fit in alphabetical"
            " order. A class order is refused, never guessed: write the file again in CLC order"
        )
    raise PatchError(f"{key}_multi_hot and {key} name different classes, in CLC and in alphabetical order")


def _decode_text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise PatchError(f"expected text in UTF-8; received {data[:40]!r}") from error


def _take_out_repeated(rows: pa.Table) -> tuple[pa.Table, list[LeftOut]]:
    """Return the rows whose names occur once, and the other names: a patch in two files may be in two splits."""
    places = rows.select(["patch_id", "path"]).to_pandas()
    is_repeated = places["patch_id"].duplicated(keep=False)
    repeated = places[is_repeated]
    files = repeated["path"].str.rsplit("@", n=1).str[0].groupby(repeated["patch_id"])
    left_out = [
        LeftOut(str(patch_id), f"{len(names)} records, in {' and '.join(dict.fromkeys(names))}; keep one")
        for patch_id, names in files
    ]
    return rows.filter(pa.array(~is_repeated)), left_out


def _shape_band(features: Features, band: Band, file_name: str) -> np.ndarray:
    """Return a band of a record, [row, column], in the band's own dtype.

    Raises:
        PatchError: it is missing, or does not match the schema.
    """
    if band.name not in features or band.size_px is None:
        raise PatchError(f"band {band.name} is missing: the record in {file_name} does not hold it")
    values, is_decibels = features[band.name], band.dtype == "float32"
    if not isinstance(values, np.ndarray) or values.dtype != ("float32" if is_decibels else "int64"):
        wanted = "a FloatList, decibels" if is_decibels else "an Int64List"
        raise PatchError(f"band {band.name}: expected {wanted}; received a list of another kind")
    if values.size != band.size_px**2:
        raise PatchError(f"band {band.name}: expected {band.size_px**2} values; received {values.size}")
    if is_decibels and not np.isfinite(values).all():
        raise PatchError(f"band {band.name} holds NaN or infinity")
    low, high = values.min(), values.max()
    if not is_decibels and (low < 0 or high > np.iinfo(np.uint16).max):
        raise PatchError(f"band {band.name}: expected values from 0 to 65535; received {low} to {high}")
    return values.reshape(band.size_px, band.size_px).astype(band.dtype)
