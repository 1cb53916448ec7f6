"""The journal: finished shards are kept, the others written again; the outcome is that of one undisturbed run."""

import errno
import logging
import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.conversion import converter
from landscribe.conversion.converter import Conversion, ConversionSource, convert
from landscribe.conversion.journal import Journal, JournalEntry, open_journal, remove_journals
from landscribe.conversion.report import write_convert_report, write_patch_statistics
from landscribe.core.errors import ArchiveError, RecordsError, WorkerError
from landscribe.core.quarantine import LeftOut
from landscribe.records.schema import write_manifest
from landscribe.records.statistics import make_statistics, write_statistics
from tests.conversion.test_converter import make_config, open_demo, prepare

pytestmark = pytest.mark.slow(11)

CONFIG = make_config(bands=["B01", "VV"], shard_size_mb=0.4)  # ten shards


@pytest.fixture(scope="module")
def source(demo_root: Path) -> ConversionSource:
    """The synthetic archive."""
    return prepare(open_demo(demo_root))


def write_outcome(folder: Path, done: Conversion) -> dict[str, bytes]:
    """Write all that the stage writes beside the shards; return path -> bytes of every file in `folder`."""
    write_manifest(done.manifest, folder / "manifest.json")
    write_statistics(done.statistics, folder / "band_statistics.json")
    write_patch_statistics(done, folder / "patch_statistics.parquet")
    write_convert_report(folder / "report", done)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def undisturbed(source: ConversionSource, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a run writes that nothing disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return write_outcome(folder / "records", convert(source, CONFIG, folder / "records", folder / "scratch", 1))


def stop_at(monkeypatch: pytest.MonkeyPatch, number: int, error: BaseException) -> None:
    """Let the reader raise `error` at the patch of this number, once."""
    read, calls = BigEarthNetV1.read_patch, [0]

    def read_patch(self: BigEarthNetV1, *rest: Any) -> dict[str, np.ndarray]:
        calls[0] += 1
        if calls[0] == number:
            raise error
        return read(self, *rest)

    monkeypatch.setattr(BigEarthNetV1, "read_patch", read_patch)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_run_that_was_ended_goes_on_where_it_was(
    source: ConversionSource,
    undisturbed: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: BaseException,
) -> None:
    stop_at(monkeypatch, 25, error)
    with pytest.raises(type(error)):
        convert(source, CONFIG, tmp_path / "records", tmp_path / "scratch", 1)
    assert not (tmp_path / "records").exists()
    kept = sorted(path.name for path in (tmp_path / "scratch").rglob("*.npz"))
    written = sorted(path.name for path in (tmp_path / "scratch").rglob("*tfrecord*") if path.suffix != ".npz")
    assert kept == [f"{name}.npz" for name in written]  # no half file
    assert 0 < len(kept) < 10
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "scratch").rglob("*.npz")}
    monkeypatch.setattr(converter, "make_logger", logging.getLogger)
    with caplog.at_level(logging.INFO):
        done = convert(source, CONFIG, tmp_path / "records", tmp_path / "scratch", 2)
    assert write_outcome(tmp_path / "records", done) == undisturbed
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert f"convert: {len(kept)} of 10 shards kept" in caplog.messages


def change(folder: Path, how: str) -> None:
    """Do something to a finished shard or its entry."""
    shard = min(path for path in folder.rglob("*tfrecord*") if path.suffix != ".npz")
    entry = shard.with_name(f"{shard.name}.npz")
    match how:
        case "shard lost":
            shard.unlink()
        case "shard cut":
            os.truncate(shard, 1000)
        case "shard written to":
            with shard.open("r+b") as stream:
                stream.seek(500)
                stream.write(b"xxx")
        case "entry lost":
            entry.unlink()
        case "entry cut":
            os.truncate(entry, 1000)
        case "entry empty":
            os.truncate(entry, 0)
        case "entry changed":
            data = bytearray(entry.read_bytes())
            data[len(data) // 2] ^= 255
            entry.write_bytes(data)
        case "half a shard":
            (shard.parent / f".{shard.name}-half").write_bytes(b"half")


@pytest.mark.parametrize(
    "how", ["shard lost", "shard cut", "shard written to", "entry lost", "entry cut", "entry empty", "entry changed",
            "half a shard"],
)  # fmt: skip
def test_what_is_not_whole_is_written_again(
    source: ConversionSource, undisturbed: dict[str, bytes], tmp_path: Path, how: str
) -> None:
    convert(source, CONFIG, tmp_path / "first", tmp_path / "scratch", 1)
    change(tmp_path / "scratch", how)
    done = convert(source, CONFIG, tmp_path / "records", tmp_path / "scratch", 1)
    assert write_outcome(tmp_path / "records", done) == undisturbed
    assert not list((tmp_path / "scratch").rglob(".*"))


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list whose sum is the number of patches read from now on."""
    read, calls = BigEarthNetV1.read_patch, [0]

    def read_patch(self: BigEarthNetV1, *rest: Any) -> dict[str, np.ndarray]:
        calls[0] += 1
        return read(self, *rest)

    monkeypatch.setattr(BigEarthNetV1, "read_patch", read_patch)
    return calls


def test_only_what_decides_the_bytes_makes_another_plan(
    source: ConversionSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert(source, CONFIG, tmp_path / "records", tmp_path / "scratch", 1)
    calls = count_reads(monkeypatch)

    def run(source: ConversionSource, **values: Any) -> int:
        calls[0] = 0
        config = CONFIG.model_copy(update=values)
        convert(source, config, tmp_path / "records", tmp_path / "scratch", 1)
        assert len(list((tmp_path / "scratch").iterdir())) == 2  # the lock and one plan
        return calls[0]

    everything = len(source.index)
    assert run(source, max_bad_fraction=0.5, verify=True) == 0
    assert run(replace(source, fingerprint="another")) == everything
    assert run(source, seed=2) == everything
    assert run(source, bands=["B01"]) == everything
    assert run(source, bands=["B01"]) == 0
    relabelled = source.index.assign(labels=[list(labels)[:1] for labels in source.index["labels"]])
    assert run(replace(source, index=relabelled), bands=["B01"]) == everything
    monkeypatch.setattr(converter, "_CODE", (*converter._CODE, "landscribe.splits.leakage"))
    assert run(replace(source, index=relabelled), bands=["B01"]) == everything


def test_a_limit_that_is_raised_converts_nothing_again(
    source: ConversionSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = replace(source, archive=replace(source.archive, s1_root=tmp_path / "nowhere"))  # type: ignore[type-var]
    with pytest.raises(ArchiveError, match="60 of 60 patches are bad"):
        convert(lost, CONFIG, tmp_path / "records", tmp_path / "scratch", 1)
    calls = count_reads(monkeypatch)
    config = CONFIG.model_copy(update={"max_bad_fraction": 1.0})
    done = convert(lost, config, tmp_path / "records", tmp_path / "scratch", 1)
    assert calls == [0]
    assert (len(done.quarantined), len(done.patch_statistics)) == (60, 0)


def test_shards_are_linked_and_copied_where_links_fail(
    source: ConversionSource, undisturbed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert(source, CONFIG, tmp_path / "linked", tmp_path / "scratch", 1)
    assert {path.stat().st_nlink for path in (tmp_path / "linked").rglob("*tfrecord*")} == {2}

    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    done = convert(source, CONFIG, tmp_path / "records", tmp_path / "scratch", 1)
    assert write_outcome(tmp_path / "records", done) == undisturbed
    assert {path.stat().st_nlink for path in (tmp_path / "records").rglob("*tfrecord*")} == {1}


def test_verifying_tells_a_shard_that_is_not_what_was_written(source: ConversionSource, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"verify": True})
    convert(source, config, tmp_path / "records", tmp_path / "scratch", 1)
    shard = min(path for path in (tmp_path / "records").rglob("*tfrecord*"))
    stat = shard.stat()
    with shard.open("r+b") as stream:  # what size and time do not tell: a disk that forgets
        stream.seek(stat.st_size // 2)
        stream.write(b"xxx")
    os.utime(shard, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(RecordsError, match=f"{shard.name}: its content is no longer what was written"):
        convert(source, config, tmp_path / "records", tmp_path / "scratch", 1)
    convert(source, config, tmp_path / "records", tmp_path / "scratch", 1)


def list_journal(scratch_dir: Path, plan: str) -> list[str]:
    """Return the names in a journal, once nobody else holds it."""
    with open_journal(scratch_dir, plan) as journal:
        return sorted(path.name for path in journal.folder.iterdir())


def test_of_two_runs_at_once_the_same_plan_waits_and_another_does_not_disturb(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as second:
        with open_journal(tmp_path, "plan") as journal:
            waiting = second.submit(list_journal, tmp_path, "plan")
            assert list_journal(tmp_path, "another plan") == []
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
            (journal.folder / "shard").write_bytes(b"")
        assert waiting.result(timeout=20) == ["shard"]
    assert list_journal(tmp_path, "another plan") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another plan", "another plan.lock"]


class Deadly(BigEarthNetV1):
    """An archive whose reader kills its process, once, as a kernel without memory does."""

    def read_patch(self, *rest: Any) -> dict[str, np.ndarray]:
        assert self.root is not None
        fuse = self.root.parent / "fuse"
        if multiprocessing.parent_process() and fuse.exists():
            fuse.unlink(missing_ok=True)  # two workers may see it
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read_patch(*rest)


def test_journals_are_removed_unless_a_process_converts(tmp_path: Path) -> None:
    remove_journals(tmp_path / "never made")
    with open_journal(tmp_path, "plan") as journal:
        remove_journals(tmp_path)
        assert journal.folder.is_dir()
    remove_journals(tmp_path)
    assert not journal.folder.exists()


def test_a_worker_that_dies_is_one_sentence_and_the_rest_is_kept(demo_root: Path, tmp_path: Path) -> None:
    (tmp_path / "S2").symlink_to(demo_root / "BigEarthNet-v1.0")
    source = prepare(Deadly(tmp_path / "S2", demo_root / "BigEarthNet-S1-v1.0", name="demo"))
    (tmp_path / "fuse").touch()
    with pytest.raises(
        WorkerError, match=r"a worker process was ended.*run the same command again\. \d+ of 10 shards are kept"
    ):
        convert(source, CONFIG, tmp_path / "records", tmp_path / "scratch", 2)
    done = convert(source, CONFIG, tmp_path / "records", tmp_path / "scratch", 2)
    assert len(done.patch_statistics) == 60


def test_reading_an_entry_inverts_writing(tmp_path: Path) -> None:
    statistics = make_statistics("uint16")
    statistics.add(np.arange(9, dtype=np.uint16))
    bad = [LeftOut("c", "no “B01”\udcff")]
    entry = JournalEntry(
        "digest", ["a", "b"], ["x", "y"], np.ones((2, 1)), np.zeros((2, 1)), np.zeros(2), bad, {"B01": statistics}
    )
    journal = Journal(tmp_path)
    journal.find_shard("shard").write_bytes(b"records")
    assert not journal.is_finished("shard")
    journal.write("shard", entry)
    read = journal.read("shard", {"B01": "uint16", "B02": "uint16"})
    assert (read.digest, read.patch_ids, read.pixels, read.quarantined) == ("digest", ["a", "b"], ["x", "y"], bad)
    np.testing.assert_array_equal(read.means, entry.means)
    assert {name: band.summarise() for name, band in read.statistics.items()} == {"B01": statistics.summarise()}
    journal.forget("shard")
    with pytest.raises(RecordsError, match="the shard changed while it was used"):
        journal.read("shard", {})
