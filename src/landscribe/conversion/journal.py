"""The journal of a conversion: what is finished stays, whatever ends the process.

DVC deletes the outputs of a stage before it runs, so the shards are written to a scratch folder of their own, one for
each plan (`<scratch>/<digest of the plan>`), and linked to their place at the end. A shard appears there whole, by
renaming; its entry follows in the same way, and only a shard with an entry is finished. The entry holds everything
that manifest, statistics and reports need, so that a run that was resumed says the same as one that was not.

A journal stays until the next plan, or until `make repro` is through, for DVC may be killed while it takes the records
into its cache. Where its `cache.type` is hardlink, journal, records and cache are one file on the disk; with copy or
symlink DVC parts them, and the journal holds a copy of its own. Without a run under way it may be deleted at any time.
"""

import contextlib
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from landscribe.core.errors import LockHeldError, RecordsError
from landscribe.core.files import replacing
from landscribe.core.quarantine import LeftOut
from landscribe.records.statistics import BandStatistics, make_statistics
from landscribe.runtime.lock import hold_lock


@dataclass(frozen=True, eq=False)
class JournalEntry:
    """What one finished shard says of its patches.

    Attributes:
        digest: of the shard, as in the manifest.
        patch_ids: its records, in stored order.
        pixels: digest of the stored bands of each record.
        means: float64 [record, band] in the band's own unit, bands as the groups of the manifest name them.
        stds: population standard deviation, likewise.
        nodata: float64 [record], share of the pixels of all bands that are nodata.
        quarantined: patches of the shard that are no records.
        statistics: band -> statistics over the records; empty but for the train split.
    """

    digest: str
    patch_ids: Sequence[str]
    pixels: Sequence[str]
    means: np.ndarray
    stds: np.ndarray
    nodata: np.ndarray
    quarantined: Sequence[LeftOut]
    statistics: Mapping[str, BandStatistics]


@dataclass(frozen=True)
class Journal:
    """The shards of one plan that are finished; small and picklable."""

    folder: Path

    def find_shard(self, name: str) -> Path:
        """Return where a shard of this name lies, finished or not."""
        return self.folder / name

    def is_finished(self, name: str) -> bool:
        """Return whether the shard has an entry and is still the file that the entry was written for."""
        return self._load(name) is not None

    def forget(self, name: str) -> None:
        """Take the entry of a shard back."""
        self._find_entry(name).unlink(missing_ok=True)

    def write(self, name: str, entry: JournalEntry) -> None:
        """Write the entry of a shard that lies in its place."""
        arrays = {
            "stamp": _stamp(self.find_shard(name)),
            "digest": np.array(entry.digest),
            "patch_ids": np.array(entry.patch_ids, np.str_),
            "pixels": np.array(entry.pixels, np.str_),
            "means": entry.means,
            "stds": entry.stds,
            "nodata": entry.nodata,
            "bad_ids": np.array([patch.patch_id for patch in entry.quarantined], np.str_),
            "bad_reasons": np.array([patch.reason for patch in entry.quarantined], np.str_),
        }
        arrays |= _encode_statistics(entry.statistics)
        with replacing(self._find_entry(name)) as beside, beside.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)

    def read(self, name: str, kinds: Mapping[str, str]) -> JournalEntry:
        """Return the entry of a finished shard.

        Args:
            name: of the shard.
            kinds: band -> how its values are counted, as `find_kind` says.

        Raises:
            RecordsError: the shard is not finished.
        """
        arrays = self._load(name)
        if arrays is None:
            raise RecordsError(f"{self.find_shard(name)}: the shard changed while it was used; run convert again.")
        bad = zip(arrays["bad_ids"].tolist(), arrays["bad_reasons"].tolist(), strict=True)
        return JournalEntry(
            digest=str(arrays["digest"]),
            patch_ids=arrays["patch_ids"].tolist(),
            pixels=arrays["pixels"].tolist(),
            means=arrays["means"],
            stds=arrays["stds"],
            nodata=arrays["nodata"],
            quarantined=[LeftOut(*patch) for patch in bad],
            statistics=_decode_statistics(arrays, kinds),
        )

    def _find_entry(self, name: str) -> Path:
        return self.folder / f"{name}.npz"

    def _load(self, name: str) -> dict[str, np.ndarray] | None:
        """Return the arrays of an entry; None where it is absent or damaged, or the shard is another file by now."""
        try:
            with self._find_entry(name).open("rb") as stream, np.load(stream, allow_pickle=False) as content:
                arrays = dict(content)
            return arrays if np.array_equal(arrays["stamp"], _stamp(self.find_shard(name))) else None
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
            return None


def _encode_statistics(statistics: Mapping[str, BandStatistics]) -> dict[str, np.ndarray]:
    """Return the statistics of all bands as few arrays: to read one takes 0.3 ms, however small it is."""
    if not statistics:
        return {}
    bins, moments = zip(*(band.encode() for band in statistics.values()), strict=True)
    return {
        "bands": np.array(list(statistics), np.str_),
        "bins": np.concatenate(bins, axis=1),
        "bins_ends": np.cumsum([part.shape[1] for part in bins]),
        "moments": np.concatenate(moments),
        "moments_ends": np.cumsum([len(part) for part in moments]),
    }


def _decode_statistics(arrays: Mapping[str, np.ndarray], kinds: Mapping[str, str]) -> dict[str, BandStatistics]:
    """Return what `_encode_statistics` was given, as far as `kinds` names it."""
    if "bands" not in arrays:
        return {}
    bins = np.split(arrays["bins"], arrays["bins_ends"][:-1], axis=1)
    moments = np.split(arrays["moments"], arrays["moments_ends"][:-1])
    names = arrays["bands"].tolist()
    return {
        name: make_statistics(kinds[name]).decode(*parts)
        for name, *parts in zip(names, bins, moments, strict=True)
        if name in kinds
    }


def _stamp(path: Path) -> np.ndarray:
    """Return size and time of change: the shard is linked to its place, where someone may write into it."""
    stat = path.stat()
    return np.array([stat.st_size, stat.st_mtime_ns], np.int64)


@contextlib.contextmanager
def open_journal(scratch_dir: Path, plan: str) -> Iterator[Journal]:
    """Yield the journal of a plan, for this process alone; those of other plans and half-written files are removed.

    Another process that converts by the same plan is waited for, and its shards are then there; one that converts by
    another plan (`dvc queue start -j 2`) is not disturbed.

    Args:
        scratch_dir: folder of all journals.
        plan: digest of everything that decides the bytes of the shards.
    """
    folder = scratch_dir / plan
    with hold_lock(_find_lock(folder), "converts by the same plan", wait=True):
        _remove_unlocked(other for other in _list_journals(scratch_dir) if other != folder)
        folder.mkdir(exist_ok=True)
        for half in folder.glob(".*"):
            half.unlink(missing_ok=True)
        yield Journal(folder)


def remove_journals(scratch_dir: Path) -> None:
    """Remove every journal that no process uses, once DVC holds the records."""
    _remove_unlocked(_list_journals(scratch_dir))


def _list_journals(scratch_dir: Path) -> list[Path]:
    return [path for path in scratch_dir.glob("*") if path.is_dir()]


def _find_lock(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _remove_unlocked(folders: Iterable[Path]) -> None:
    for folder in folders:
        lock = _find_lock(folder)
        with contextlib.suppress(LockHeldError), hold_lock(lock, "", wait=False):
            shutil.rmtree(folder)
            lock.unlink()


def publish(journal: Journal, name: str, path: Path) -> None:
    """Link a finished shard to `path`, which costs no space; copy it where the file system has no links."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    shard = journal.find_shard(name)
    try:
        path.hardlink_to(shard)
    except OSError:
        with replacing(path) as beside:
            shutil.copyfile(shard, beside)
