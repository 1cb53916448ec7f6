"""What chunks hold: the same patches, and the same words, however the patches are shared out in chunks."""

import pickle
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from landscribe.core.bands import BANDS
from landscribe.core.patch import S1_FOLDER, S2_FOLDER
from landscribe.inference.patch_readers import ChunkReader, ImageReader, Note, PatchPath
from landscribe.inference.patch_sources import Source, list_folders, open_folders, open_images
from tests.support.fake_images import write_planet_tiffs
from tests.support.fake_rasters import KINDS, draw_values, write_raster

NUM_PATCHES = 9


def open_pairs(folder: Path, demo_root: Path) -> Source:
    """Return patch folders of both sensors; of one a band is cut short, one has no twin."""
    cut, alone, *others = sorted((demo_root / S2_FOLDER).iterdir())[:NUM_PATCHES]
    for patch in (cut, alone, *others):
        shutil.copytree(patch, folder / "S2" / patch.name)
    (folder / "S2" / cut.name / f"{cut.name}_B05.tif").write_bytes(b"II*\0 cut short")
    shutil.copytree(demo_root / S1_FOLDER, folder / "S1")
    found = list_folders(folder / "S2")
    bands = [BANDS[name] for name in ("B02", "B05", "VV")]
    twin = next(patch.s1_path for patch in open_folders(folder, found, bands, folder / "S1").patches[1:])
    shutil.rmtree(folder / "S1" / str(twin))
    return open_folders(folder, found, bands, folder / "S1")


def open_tagged(folder: Path, demo_root: Path) -> Source:
    """Return images of several sizes, whose bands are described in part of them; one is mostly nodata."""
    kind = KINDS["16 bit"]
    for number in range(NUM_PATCHES):
        values = draw_values(kind, number, size_px=(16, 20, 20)[number % 3])
        values[:, : 14 if number == 4 else 2] = 77
        write_raster(folder / f"{number}.tif", values, kind.bands if number % 2 else (), nodata=77)
    return open_images(folder, dict.fromkeys(kind.bands, np.dtype(kind.dtype)), None)


def open_planet(folder: Path, demo_root: Path) -> Source:
    """Return images that do not name their bands, and one that is none."""
    images, _ = write_planet_tiffs(folder, NUM_PATCHES)
    (images / "broken.tif").write_bytes(b"II*\0 cut short")
    return open_images(images, {"NIR": np.dtype("uint16"), "R": np.dtype("uint16")}, None)


def make_reader(source: Source, offset: int) -> ChunkReader:
    """Return a reader that resamples images to 16 px, with a shift of the first band."""
    names = tuple(source.reader.dtypes) if isinstance(source.reader, ImageReader) else ()
    return ChunkReader(
        reader=source.reader,
        shifted=(names or ("B02",))[:1],
        offset=offset,
        fills={name: {"size_px": 16, "fill": 5.0} for name in names},
        max_nodata_fraction=0.5 if names else None,
    )


def read_all(
    reader: ChunkReader, patches: Sequence[PatchPath], size: int
) -> tuple[list[tuple[str, dict[str, np.ndarray]]], list[Note]]:
    """Return the patches and the words of all chunks, as another process would read them."""
    read, notes = [], []
    for start in range(0, len(patches), size):
        sent = pickle.dumps((reader, patches[start : start + size]))
        other, chunk = pickle.loads(sent)  # noqa: S301  # of this test
        answer = pickle.loads(pickle.dumps(other.read(chunk)))  # noqa: S301
        assert answer.num_patches == len(chunk)
        notes += answer.notes
        for batch in answer.batches:
            for number, patch_id in enumerate(batch.patch_ids):
                read.append((patch_id, {name: values[number] for name, values in batch.bands.items()}))
    return read, notes


@pytest.mark.parametrize("offset", [0, -50])
@pytest.mark.parametrize("open_source", [open_pairs, open_tagged, open_planet])
def test_chunks_change_neither_patches_nor_words(
    open_source: Callable[[Path, Path], Source], offset: int, demo_root: Path, tmp_path: Path
) -> None:
    source = open_source(tmp_path, demo_root)
    reader = make_reader(source, offset)
    expected, words = read_all(reader, source.patches, 100)
    left_out = [note for note in words if not note.topic]
    assert 0 < len(left_out) == len(source.patches) - len(expected)
    for size in (1, 4):
        read, notes = read_all(reader, source.patches, size)
        assert notes == words
        assert [patch_id for patch_id, _ in read] == [patch_id for patch_id, _ in expected]
        for (_, bands), (_, same) in zip(read, expected, strict=True):
            assert list(bands) == list(same)
            for name, values in bands.items():
                assert values.dtype == same[name].dtype
                np.testing.assert_array_equal(values, same[name])
