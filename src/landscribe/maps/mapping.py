"""The map of a scene: windows labelled row by row, as their pixels arrive; the implementation of `landscribe map`.

Each row of windows is written beside the result as soon as it is labelled. An interrupted run goes on after the last
one, with the same bytes in the end.
"""

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landscribe.core.errors import ArchiveError
from landscribe.core.files import compute_digest, replacing
from landscribe.figures.true_colour import choose_colours
from landscribe.maps.cells import RowOfWindows
from landscribe.maps.chunks import CLOUD, Chunks
from landscribe.maps.config import MapConfig
from landscribe.maps.view import View
from landscribe.maps.windows import cut_windows, find_nodata, prepare, read_picture
from landscribe.runtime.code_digest import compute_code_digest
from landscribe.runtime.lock import hold_lock
from landscribe.runtime.look_ahead import map_in_threads
from landscribe.runtime.progress import make_logger, track
from landscribe.scenes.offset import contradict
from landscribe.scenes.scene import Scene

_BATCH_SIZE_WINDOWS = 256  # in memory at a time: 70 MB of 12 bands
_PICTURE_PX = 1000  # longest side of the picture of the scene, about
_CODE = ("landscribe.maps.mapping", "landscribe.scenes.layouts")
_FOLDER = ".unfinished"


@dataclass(frozen=True, kw_only=True)
class Work:
    """The map that is to be made.

    Attributes:
        scene: what is labelled.
        view: how the model sees it.
        config: section `map`.
        classes: of the model, in order.
        model: what names the version: a run with another starts again from nothing.
    """

    scene: Scene
    view: View
    config: MapConfig
    classes: Sequence[str]
    model: str

    @property
    def digest(self) -> str:
        """Of everything that decides the bytes of the result."""
        files = sorted({_find_file(band.path) for band in self._list_bands()})
        stamps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        return compute_digest(
            repr(stamps), repr(self.scene), repr(self.view), repr(self.config), self.model, compute_code_digest(*_CODE)
        )

    @property
    def cloud_step(self) -> int | None:
        """Side of a pixel of the scene classification, pixels of the finest band."""
        cloud = self.scene.cloud
        return None if cloud is None else max(1, round(cloud.resolution_m / self.view.resolution_m))

    def _list_bands(self) -> Iterator[Any]:
        yield from self.scene.bands.values()
        if self.scene.cloud is not None:
            yield self.scene.cloud


@contextlib.contextmanager
def label_scene(work: Work, out: Path, served: Any) -> Iterator["LabelledScene"]:
    """Label the windows of a scene; yield the result, which is removed when the block ends without an error.

    Args:
        work: what is to be done.
        out: folder of the result; what is unfinished lies in it.
        served: the model, which is loaded when it is first asked: the workers read by then.

    Raises:
        ArchiveError: the scene is empty, or a file is damaged.
        LockHeldError: another process writes there.
    """
    folder = out / _FOLDER / work.digest
    with hold_lock(out / _FOLDER / "lock", "makes a map in this folder", wait=False):
        for other in (out / _FOLDER).iterdir():
            if other.is_dir() and other != folder:
                shutil.rmtree(other)
        folder.mkdir(exist_ok=True)
        for half in folder.glob(".*"):
            half.unlink()
        labelled = LabelledScene(work, folder)
        labelled.label(served)
        yield labelled
        shutil.rmtree(out / _FOLDER)


class LabelledScene:
    """The rows of windows of a scene that are labelled, in files.

    Args:
        work: what is to be done.
        folder: of these files.
    """

    def __init__(self, work: Work, folder: Path) -> None:
        self.work = work
        self._folder = folder
        cloud = work.scene.cloud
        named = None if cloud is None else (dataclasses.replace(cloud, name=CLOUD), work.cloud_step or 1)
        self._chunks = Chunks(folder, work.view, named, work.scene.offset.value)
        self._rows, self._columns = (work.view.grid.find_starts(axis) for axis in (0, 1))

    @property
    def every_px(self) -> int:
        """Distance of the pixels of the picture, pixels of the finest band."""
        return max(1, -(-max(self.work.view.grid.shape_px) // _PICTURE_PX))

    @property
    def colours(self) -> tuple[str, ...]:
        """The bands of the picture."""
        bands = self.work.view.bands
        known = {name: band.source for name, band in bands.items()}
        return choose_colours(known)

    def read_row(self, number: int) -> RowOfWindows:
        """Return a labelled row of windows."""
        with np.load(self._find(number), allow_pickle=False) as content:
            return RowOfWindows(**content)

    def warn(self) -> str:
        """Return what the dark pixels of the scene say against its offset, or nothing."""
        return contradict(self.work.scene.offset, self._chunks.count_dark().judge())

    def _find(self, number: int) -> Path:
        return self._folder / f"row-{number:05d}.npz"

    def label(self, served: Any) -> None:
        """Label what is not labelled yet."""
        todo = [number for number in range(len(self._rows)) if not self._find(number).exists()]
        try:
            if todo:
                filled = self._find_filled()
                self._chunks.begin(needed=self._list_bounds(filled))
                self._chunks.start()
                self._label_rows(todo, filled, served)
        finally:
            self._chunks.close()
        if words := self.warn():
            make_logger("map").warning("WARNING: %s", words)

    def _label_rows(self, todo: Sequence[int], filled: np.ndarray, served: Any) -> None:
        total, width = len(self._rows) * len(self._columns), len(self._columns)
        done = (len(self._rows) - len(todo)) * width
        if done:
            make_logger("map").info("%d of %d windows are labelled already", done, total)
        rows = map_in_threads(lambda number: self._label_row(number, filled[number], served), self._iter_read(todo))
        pairs = zip(todo, rows, strict=True)
        for number, row in track(pairs, total=len(todo) * width, what="mapping", unit="windows", count=lambda _: width):
            with replacing(self._find(number)) as beside, beside.open("wb") as stream:
                np.savez(stream, allow_pickle=False, **vars(row))
            self._chunks.drop(int(self._rows[number + 1]) if number + 1 < len(self._rows) else 2**62)

    def _iter_read(self, numbers: Sequence[int]) -> Iterator[int]:
        """Yield the numbers of rows of windows once their pixels are there."""
        for number in numbers:
            self._chunks.wait(int(self._rows[number]) + self.work.view.grid.window_px)
            yield number

    def _label_row(self, number: int, filled: np.ndarray, served: Any) -> RowOfWindows:
        parts = [
            self._label_windows(number, range(first, min(first + _BATCH_SIZE_WINDOWS, len(filled))), filled, served)
            for first in range(0, len(filled), _BATCH_SIZE_WINDOWS)
        ]
        grid = self.work.view.grid
        end = int(self._rows[number + 1]) if number + 1 < len(self._rows) else grid.shape_px[0]
        picture = read_picture(
            self._chunks, self.work.view, self.colours, (int(self._rows[number]), end), self.every_px
        )
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return RowOfWindows(**joined, picture=picture)

    def _label_windows(self, number: int, span: range, filled: np.ndarray, served: Any) -> dict[str, np.ndarray]:
        view, config = self.work.view, self.work.config
        starts = self._columns[span.start : span.stop]
        scores = np.full((len(span), len(self.work.classes)), np.nan)
        inside = np.flatnonzero(filled[span.start : span.stop])
        nodata, cloud = np.ones(len(span)), np.full(len(span), np.nan)
        words = np.full(len(span), "every pixel is nodata", object)
        if len(inside):
            windows = cut_windows(self._chunks, view, int(self._rows[number]), starts[inside], self.work.cloud_step)
            nodata[inside], cloud[inside] = windows.nodata, windows.cloud
            words[inside] = [explain(*shares, config) for shares in zip(windows.nodata, windows.cloud, strict=True)]
            chosen = np.flatnonzero(words[inside] == "")
            if len(chosen):
                table = served.predict(prepare(windows, view, chosen))
                scores[inside[chosen]] = table[list(self.work.classes)].to_numpy()
                if "warning" in table:  # of versions that were registered before it, nothing is known
                    words[inside[chosen]] = table["warning"].to_numpy()
        return {"scores": scores, "warning": words.astype(np.str_), "nodata": nodata, "cloud": cloud}

    def _find_filled(self) -> np.ndarray:
        """Return bool [row, column] of windows: where the band with the fewest pixels has any that is not nodata."""
        path = self._folder / "filled.npy"
        if path.exists():
            filled: np.ndarray = np.load(path)
            return filled
        filled = np.ones((len(self._rows), len(self._columns)), bool)
        if guide := self._chunks.guide:
            self._chunks.begin(only=guide)
            for number, row in enumerate(self._rows):
                self._chunks.wait(int(row) + self.work.view.grid.window_px)
                filled[number] = self._find_filled_row(guide, int(row))
        if not filled.any():
            raise ArchiveError(
                f"{self.work.scene.name}: every pixel of band {guide} is nodata; expected a filled scene."
            )
        with replacing(path) as beside, beside.open("wb") as stream:
            np.save(stream, filled)
        return filled

    def _find_filled_row(self, guide: str, row: int) -> np.ndarray:
        band, window_px = self.work.view.bands[guide], self.work.view.grid.window_px
        rows = (row // band.step, (row + window_px) // band.step)
        strip = self._chunks.read(guide, rows, (0, self.work.view.grid.shape_px[1] // band.step))
        known: np.ndarray = np.any(~find_nodata(strip, band.source.nodata), axis=0)
        return np.array([known[left // band.step : (left + window_px) // band.step].any() for left in self._columns])

    def _list_bounds(self, filled: np.ndarray) -> list[tuple[int, int, int, int]]:
        """Return top, bottom, left, right of the windows that are not empty, one for each run of them in a row."""
        side, bounds = self.work.view.grid.window_px, []
        for number, row in enumerate(filled):
            edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
            for first, after in zip(edges[::2], edges[1::2], strict=True):
                top = int(self._rows[number])
                bounds.append((top, top + side, int(self._columns[first]), int(self._columns[after - 1]) + side))
        return bounds


def explain(nodata: float, cloud: float, config: MapConfig) -> str:
    """Return why a window is not labelled, or nothing."""
    if nodata >= 1:
        return "every pixel is nodata"
    if nodata > config.max_nodata_fraction:
        return f"{nodata:.0%} of the pixels are nodata; at most {config.max_nodata_fraction:.0%} are tolerated"
    if config.max_cloud_fraction is not None and cloud > config.max_cloud_fraction:
        return f"{cloud:.0%} of the pixels are cloud; at most {config.max_cloud_fraction:.0%} are tolerated"
    return ""


def make_labels(scores: np.ndarray, thresholds: Mapping[str, float]) -> list[list[str]]:
    """Return the classes at or above their threshold, per row of float [cell, class]."""
    classes = list(thresholds)
    chosen = scores >= np.array(list(thresholds.values()))
    return [[classes[number] for number in np.flatnonzero(row)] for row in chosen]


def _find_file(path: str) -> Path:
    """Return the file of a GDAL path: of one inside a ZIP archive, the archive."""
    if not path.startswith("/vsizip/"):
        return Path(path)
    whole = Path(path.removeprefix("/vsizip/"))
    return next(part for part in (whole, *whole.parents) if part.is_file())
