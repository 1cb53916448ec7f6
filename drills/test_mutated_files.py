"""500 damaged files in an archive: a record is what rasterio reads, any other patch has its reason, nothing hangs."""

import faulthandler
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio

from landscribe.cli.overlay import write_merged
from landscribe.core.bands import S1_BANDS
from landscribe.core.patch import S1_FOLDER, S2_FOLDER
from landscribe.demo.config import DemoConfig
from landscribe.demo.geotiff import encode_geotiff
from landscribe.demo.writer import write_demo_archive
from landscribe.records.reader import iter_split
from landscribe.records.schema import read_manifest
from landscribe.splits.config import SPLITS
from stages import convert, discover, fingerprint, split
from tests.support.paths import ROOT

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

NUM_ROUNDS, NUM_MUTATIONS = 5, 100
HANGS_AFTER_S = 60
HEADER_BYTES = 400
Mutation = Callable[[Path, random.Random], object]


def flip_bits(path: Path, rng: random.Random, start: int, end: int) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(start, min(end, len(data)))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def swap_band(path: Path, rng: random.Random) -> None:
    """Exchange the content of two bands of one patch."""
    other = rng.choice(sorted(file for file in path.parent.glob("*.tif") if file.is_file()))
    data, others = path.read_bytes(), other.read_bytes()
    path.write_bytes(others)
    other.write_bytes(data)


def resize(path: Path, rng: random.Random) -> None:
    values = np.ones((rng.choice([1, 20, 59, 60, 119, 120, 121]), rng.choice([20, 60, 120])), np.uint16)
    path.write_bytes(encode_geotiff(values, 10, 404400, 5302800, 33))


def turn_into_pipe(path: Path, rng: random.Random) -> None:
    del rng
    path.unlink()
    os.mkfifo(path)


ANY_FILE: dict[str, Mutation] = {
    "truncated": lambda path, rng: os.truncate(path, rng.randrange(path.stat().st_size)),
    "bits of the header": lambda path, rng: flip_bits(path, rng, 0, HEADER_BYTES),
    "empty": lambda path, rng: path.write_bytes(b""),
    "garbage": lambda path, rng: path.write_bytes(rng.randbytes(rng.randrange(1, 60_000))),
    "absent": lambda path, rng: path.unlink(),
}
TIFF: dict[str, Mutation] = {
    **ANY_FILE,
    "bits of the directory": lambda path, rng: flip_bits(path, rng, 8, 202),
    "bits of the pixels": lambda path, rng: flip_bits(path, rng, HEADER_BYTES, 1 << 20),
    "swapped": swap_band,
    "another size": resize,
    "a pipe": turn_into_pipe,
}
KINDS = {".json": ANY_FILE, ".tif": TIFF}


@pytest.fixture(scope="module")
def sound_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound archive of 120 pairs."""
    root = tmp_path_factory.mktemp("sound") / "demo"
    write_demo_archive(DemoConfig(num_patches=120, num_tiles=3, seed=3), root, num_workers=1)
    return root


@pytest.fixture(autouse=True)
def watch() -> Iterator[None]:
    """End the whole run, with a traceback, when a stage hangs."""
    faulthandler.dump_traceback_later(HANGS_AFTER_S, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def is_damaged(path: Path, sound_path: Path) -> bool:
    return not path.is_file() or path.read_bytes() != sound_path.read_bytes()


def mutate(root: Path, sound_root: Path, rng: random.Random) -> set[Path]:
    """Damage distinct files, one in ten of them a JSON; return those that differ now, relative to the archive."""
    names = {suffix: sorted(path.relative_to(root) for path in root.glob(f"*/*/*{suffix}")) for suffix in KINDS}
    damaged: set[Path] = set()
    while len(damaged) < NUM_MUTATIONS:
        suffix = ".json" if rng.random() < 0.1 else ".tif"
        name = rng.choice([name for name in names[suffix] if name not in damaged])
        KINDS[suffix][rng.choice(sorted(KINDS[suffix]))](root / name, rng)
        folder = [path.relative_to(sound_root) for path in (sound_root / name).parent.iterdir()]  # a swap damages two
        damaged |= {file for file in folder if is_damaged(root / file, sound_root / file)}
    return damaged


def list_sound_patches(sound_root: Path, damaged: set[Path]) -> set[str]:
    """Return the Sentinel-2 patches none of whose files, nor those of the Sentinel-1 twin, are damaged."""
    folders = {sound_root / file.parent for file in damaged}
    twins = {
        json.loads(path.read_text(encoding="utf-8"))["corresponding_s2_patch"]: path.parent
        for path in (sound_root / S1_FOLDER).glob("*/*.json")
    }
    return {s2 for s2, twin in twins.items() if not folders & {twin, sound_root / S2_FOLDER / s2}}


def run_stages(root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the first four stages in `folder` on an archive of pairs."""
    folder.mkdir()
    shutil.copy(ROOT / "params.yaml", folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_ROOT", str(folder))
    words = f"archive.layout=bigearthnet-v1 archive.root={root / S2_FOLDER} archive.s1_root={root / S1_FOLDER}"
    words += " discover.max_bad_fraction=1 convert.max_bad_fraction=1 convert.shard_size_mb=4"
    write_merged(None, words, folder / "params.yaml")
    for stage in (fingerprint, discover, split, convert):
        stage.main()


def read_as_rasterio_does(root: Path, place: pd.Series, band: str) -> np.ndarray:
    folder, path = (S1_FOLDER, place["s1_path"]) if band in S1_BANDS else (S2_FOLDER, place["path"])
    with rasterio.open(root / folder / path / f"{path}_{band}.tif") as dataset:
        values: np.ndarray = dataset.read(1)
        return values


@pytest.mark.parametrize("seed", range(NUM_ROUNDS))
def test_damaged_files_give_their_own_pixels_or_a_reason(
    seed: int, sound_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "archive"
    shutil.copytree(sound_root, root)
    damaged = mutate(root, sound_root, random.Random(seed))
    run_stages(root, tmp_path / "river", monkeypatch)
    index = pd.read_parquet("data/index.parquet").set_index("patch_id")
    manifest = read_manifest(Path("data/records/manifest.json"))
    records = {r.patch_id: r for name in SPLITS for r in iter_split(manifest, Path("data/records"), name)}
    for patch_id, record in records.items():
        for band, values in record.bands.items():
            expected = read_as_rasterio_does(root, index.loc[patch_id], band)
            assert values.dtype == expected.dtype
            np.testing.assert_array_equal(values, expected)
    left_out = pd.concat([pd.read_csv(f"reports/{stage}/left_out.csv") for stage in ("discover", "convert")])
    assert left_out["reason"].str.len().min() > 0
    patches = {path.name for path in (root / S2_FOLDER).iterdir() if path.is_dir()}
    assert patches == set(records) | (set(left_out["patch_id"]) & patches)
    assert not set(records) & set(left_out["patch_id"])
    sound = list_sound_patches(sound_root, damaged)
    assert sound <= set(records) < patches
    assert len(sound) > 20
