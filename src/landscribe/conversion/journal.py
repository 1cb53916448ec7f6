"""The journal of a conversion: finished shards are kept, however the process ends.

DVC deletes the outputs of a stage before it runs, so the shards are written to a separate scratch folder, one per plan
(`<scratch>/<digest of the plan>`), and linked to their place at the end. A shard appears there complete, by renaming;
its entry follows in the same way, and only a shard with an entry is finished. The entry has everything that manifest,
statistics and reports need, so that the results of a resumed run are those of an uninterrupted one.

A journal is kept until the next plan, or until `make repro` has finished, because DVC may be killed while it moves the
records into its cache. If its `cache.type` is hardlink, journal, records and cache are the same file on the disk; with
copy or symlink the journal is a separate copy. While no conversion runs, it may be deleted at any time.
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
    """The facts of one finished shard and its patches.

    Attributes:
        digest: of the shard, as in the manifest.
        patch_ids: its records, in stored order.
        pixels: digest of the stored bands of each record.
        means: float64 [record, band] in the band's own unit, bands as the groups of the manifest name them.
        stds: population standard deviation, likewise.
        nodata: float64 [record], share of the pixels of all bands that are nodata.
        quarantined: patches of the shard without a record.
        statistics: band -> statistics over the records; empty except for the train split.
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
        """Return the path of a shard of this name, finished or not."""
        return self.folder / name

    def is_finished(self, name: str) -> bool:
        """Return whether the shard has an entry and is still the file that the entry was written for."""
        return self._load(name) is not None

    def forget(self, name: str) -> None:
        """Remove the entry of a shard."""
        self._find_entry(name).unlink(missing_ok=True)

    def write(self, name: str, entry: JournalEntry) -> None:
        """Write the entry of a shard that is in its place."""
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
    """Return the statistics of all bands as few arrays: reading one takes 0.3 ms, even if it is small."""
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
    """Return the statistics of the bands in `kinds`: the inverse of `_encode_statistics`."""
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

    If another process converts by the same plan, this one waits for it and then finds its shards. A process that
    converts by another plan (`dvc queue start -j 2`) is not disturbed.

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
    """Link a finished shard to `path`, which costs no space; copy it if the file system has no links."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    shard = journal.find_shard(name)
    try:
        path.hardlink_to(shard)
    except OSError:
        with replacing(path) as beside:
            shutil.copyfile(shard, beside)
