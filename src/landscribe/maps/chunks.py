"""The pixels of a scene on their way from workers to the model: each chunk is decoded once and kept until it was used.

A worker writes what it decodes into a file beside the result, from where windows are cut. So memory does not grow with
the scene, an interrupted run has what it had read, and workers may be on other hosts that share the file system.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from landscribe.core.files import read_json, replacing, write_json
from landscribe.maps.view import View, is_optical
from landscribe.runtime.pool import map_in_workers
from landscribe.scenes.offset import DarkPixels
from landscribe.scenes.reading import Chunk, plan_chunks, read_chunk
from landscribe.scenes.scene import SceneBand

CLOUD = "scene classification"  # no band of a model has a blank in its name
_AHEAD = 48  # chunks, each of 32 MB at most: what workers decode while the model is loaded
_LEAST_OFFSET_DN = 1  # a valid pixel does not become 0, which is nodata


@dataclass(frozen=True, kw_only=True)
class ReadTask:
    """One chunk for a worker.

    Attributes:
        chunk: what is read.
        bands: its bands, in the order of the chunk.
        offset: added to valid digital numbers of optical bands.
        path: file to write, .npy [band, row, column].
        top, bottom: rows of the scene that it holds, pixels of the finest band.
        left, right: columns, likewise.
    """

    chunk: Chunk
    bands: tuple[SceneBand, ...]
    offset: int
    path: Path
    top: int
    bottom: int
    left: int
    right: int

    @property
    def done(self) -> Path:
        """The file that says that the chunk was read; it stays when the pixels are used up."""
        return self.path.with_suffix(".json")


def read_into(task: ReadTask) -> None:
    """Read a chunk, undo the offset, write the pixels and what is known of the dark ones."""
    values = read_chunk(task.chunk)
    dark = DarkPixels()
    for band, pixels in zip(task.bands, values, strict=True):
        if band.name == CLOUD or not is_optical(band.name) or pixels.dtype.kind not in "iu":
            continue
        dark.add(band.name, pixels, band.nodata)
        if task.offset:
            _undo(pixels, band.nodata, task.offset)
    with replacing(task.path) as beside, beside.open("wb") as stream:
        np.save(stream, values, allow_pickle=False)
    write_json(task.done, dark.to_json())


def _undo(pixels: np.ndarray, nodata: float | None, offset: int) -> None:
    """Add the offset to the valid pixels, in place; what would be 0 or less is the least valid number."""
    valid = np.ones(pixels.shape, bool) if nodata is None else pixels != nodata
    shifted = np.clip(pixels.astype(np.int32) + offset, _LEAST_OFFSET_DN, np.iinfo(pixels.dtype).max)
    np.copyto(pixels, shifted.astype(pixels.dtype), where=valid)


class Chunks:
    """The chunks of a scene: `read` gives pixels by band once `wait` has returned.

    Args:
        folder: for the files of chunks.
        view: of the scene.
        cloud: the band of the scene classification, or None, and the side of its pixels.
        offset: added to optical bands.
    """

    def __init__(self, folder: Path, view: View, cloud: tuple[SceneBand, int] | None, offset: int) -> None:
        self._steps = {name: band.step for name, band in view.bands.items()}
        bands = [band.source for band in view.bands.values()]
        if cloud is not None:
            bands.append(cloud[0])
            self._steps[CLOUD] = cloud[1]
        self._bands = {band.name: band for band in bands}
        self._tasks = [
            self._make_task(folder, f"{number:02d}-{place:05d}", chunk, offset)
            for number, chunks in enumerate(plan_chunks(bands))
            for place, chunk in enumerate(chunks)
        ]
        self._tasks.sort(key=lambda task: (task.top, task.path.name))
        self._missing: set[Path] = set()
        self._results: Iterator[ReadTask] = iter(())
        self._waiting: list[ReadTask] = []

    def _make_task(self, folder: Path, name: str, chunk: Chunk, offset: int) -> ReadTask:
        bands = tuple(band for band in self._bands.values() if band.path == chunk.path)
        step = self._steps[bands[0].name]
        return ReadTask(
            chunk=chunk,
            bands=bands,
            offset=offset,
            path=folder / f"{name}.npy",
            top=chunk.row * step,
            bottom=(chunk.row + chunk.rows) * step,
            left=chunk.column * step,
            right=(chunk.column + chunk.columns) * step,
        )

    @property
    def guide(self) -> str | None:
        """The band that says where the scene is empty: the one with the fewest pixels, if others have far more."""
        sizes: dict[str, int] = {}
        for task in self._tasks:
            sizes[task.chunk.path] = sizes.get(task.chunk.path, 0) + task.chunk.rows * task.chunk.columns * len(
                task.bands
            )
        path = min(sizes, key=lambda name: (sizes[name], name))
        names = [band.name for band in self._bands.values() if band.path == path and band.name != CLOUD]
        return names[0] if names and sizes[path] * 10 <= sum(sizes.values()) else None

    def begin(self, *, only: str | None = None, needed: Sequence[tuple[int, int, int, int]] | None = None) -> None:
        """Begin to read what is not read yet, in the order in which windows need it.

        Args:
            only: the band whose file is read; None: all.
            needed: top, bottom, left, right of the parts of the scene that are not empty; None: everything.
        """
        self.close()
        self._waiting = [task for task in self._tasks if only is None or only in {band.name for band in task.bands}]
        if needed is not None:
            bounds = np.array(needed).reshape(-1, 4)
            skipped = [task for task in self._waiting if not task.done.exists() and not _meets(task, bounds)]
            self._missing.update(task.path for task in skipped)
            self._waiting = [task for task in self._waiting if task.path not in self._missing]
        unread = [task for task in self._waiting if not task.done.exists()]
        self._results = _read(unread)

    def start(self) -> None:
        """Start the workers, which read ahead while this process does something else."""
        first = next(self._results, None)
        if first is not None:
            self._check_written(first)

    def wait(self, bottom: int) -> None:
        """Return when everything above a row of the scene, in pixels of the finest band, is read."""
        while self._waiting and self._waiting[0].top < bottom:
            task = self._waiting[0]
            if not task.done.exists():
                self._check_written(next(self._results))
            else:
                self._waiting.pop(0)

    def _check_written(self, task: ReadTask) -> None:
        """Check that a worker on another host wrote where this process reads."""
        if not task.done.exists():
            raise FileNotFoundError(task.done)

    def read(self, name: str, rows: tuple[int, int], columns: tuple[int, int]) -> np.ndarray:
        """Return [row, column] of a band in its own pixels; nodata where nothing was read because it is empty."""
        band, step = self._bands[name], self._steps[name]
        window = np.full((rows[1] - rows[0], columns[1] - columns[0]), band.nodata or 0, band.dtype)
        for task in self._find(name, rows, columns, step):
            chunk = task.chunk
            top, bottom = max(rows[0], chunk.row), min(rows[1], chunk.row + chunk.rows)
            left, right = max(columns[0], chunk.column), min(columns[1], chunk.column + chunk.columns)
            pixels = np.load(task.path, mmap_mode="r")[task.bands.index(band)]
            window[top - rows[0] : bottom - rows[0], left - columns[0] : right - columns[0]] = pixels[
                top - chunk.row : bottom - chunk.row, left - chunk.column : right - chunk.column
            ]
        return window

    def _find(self, name: str, rows: tuple[int, int], columns: tuple[int, int], step: int) -> list[ReadTask]:
        return [
            task
            for task in self._tasks
            if task.top < rows[1] * step
            and task.bottom > rows[0] * step
            and task.left < columns[1] * step
            and task.right > columns[0] * step
            and task.path not in self._missing
            and any(band.name == name for band in task.bands)
        ]

    def drop(self, top: int) -> None:
        """Remove the pixels of chunks that end above a row of the scene."""
        for task in self._tasks:
            if task.bottom <= top:
                task.path.unlink(missing_ok=True)

    def count_dark(self) -> DarkPixels:
        """Return what is known of the dark pixels of everything that was read."""
        total = DarkPixels()
        for task in self._tasks:
            if task.done.exists():
                total.merge(DarkPixels.from_json(read_json(task.done)))
        return total

    def close(self) -> None:
        """End the workers."""
        if close := getattr(self._results, "close", None):
            close()


def _read(tasks: Sequence[ReadTask]) -> Iterator[ReadTask]:
    for task, _ in zip(tasks, map_in_workers(read_into, tasks, ahead=_AHEAD), strict=True):
        yield task


def _meets(task: ReadTask, bounds: np.ndarray) -> bool:
    return bool(
        np.any(
            (bounds[:, 0] < task.bottom) & (bounds[:, 1] > task.top)
            & (bounds[:, 2] < task.right) & (bounds[:, 3] > task.left)
        )
    )  # fmt: skip
