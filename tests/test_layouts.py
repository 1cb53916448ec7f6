"""Every layout goes from `fingerprint` to `convert`, and the same patches come out the same through each of them."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from landscribe.cli.overlay import write_merged
from landscribe.core.files import read_json
from landscribe.core.params import read_params
from landscribe.records.reader import Record, iter_split
from landscribe.records.schema import Manifest, read_manifest
from landscribe.splits.config import SPLITS
from stages import convert, discover, fingerprint, split
from tests.support.layouts import LAYOUTS
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow(60)


def run_to_convert(folder: Path, words: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Manifest, dict[str, Record]]:
    """Run the first four stages in `folder`; return the manifest and the records by patch_id."""
    folder.mkdir()
    shutil.copy(ROOT / "params.yaml", folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_ROOT", str(folder))
    write_merged(None, f"{words} discover.max_bad_fraction=0 convert.max_bad_fraction=0", folder / "params.yaml")
    for stage in (fingerprint, discover, split, convert):
        stage.main()
    manifest = read_manifest(folder / "data/records/manifest.json")
    records = [record for name in SPLITS for record in iter_split(manifest, folder / "data/records", name)]
    found = {record.patch_id: record for record in records}
    assert len(found) == len(records)
    return manifest, found


def stat_all(folder: Path) -> list[tuple[str, int, int]]:
    """Return what would change if anything below `folder` were written."""
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))]


@pytest.fixture(scope="module")
def pairs(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """Every patch of the synthetic archive as a record, both sensors."""
    folder = tmp_path_factory.mktemp("pairs")
    with pytest.MonkeyPatch.context() as patch:
        words = f"{LAYOUTS['v1 pairs'](demo_root, folder)} split.strategy=random"  # which leaves no patch out
        return run_to_convert(folder / "river", words, patch)[1]


# A single sensor is read as pairs are.
SLOW_PROOFS = {"v1 Sentinel-1", "v1 Sentinel-2", "v2 reference maps"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.drill] if name in SLOW_PROOFS else [])
        for name in sorted(set(LAYOUTS) - {"v1 pairs"})
    ],
)
def test_a_layout_goes_to_records_and_gives_the_same_pixels_as_any_other(
    name: str, demo_root: Path, pairs: dict[str, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = LAYOUTS[name](demo_root, tmp_path / "archive")
    before = stat_all(demo_root), stat_all(tmp_path / "archive")
    manifest, records = run_to_convert(tmp_path / "river", words, monkeypatch)
    assert (stat_all(demo_root), stat_all(tmp_path / "archive")) == before
    index = pd.read_parquet("data/index.parquet").set_index("patch_id")
    assert set(records) == set(pd.read_parquet("data/splits.parquet")["patch_id"]) <= set(index.index)
    assert all(manifest.num_records(split) for split in SPLITS)
    assert list(manifest.bands) == read_params(Path("params.yaml"))["convert"]["bands"]
    known_as = index["v1_patch_id"].fillna(index.index.to_series())
    for patch_id, record in records.items():
        if same := pairs.get(known_as[patch_id]):
            assert record.labels == same.labels or manifest.nomenclature != "BEN-19"
            for band, values in record.bands.items():
                assert values.dtype == same.bands[band].dtype
                np.testing.assert_array_equal(values, same.bands[band])
        else:
            assert "tagged-images" in words
    if "spatial" in words:
        assert read_json(Path("reports/split/summary.json"))["leakage"]["leak"] == 0


def test_real_pairs_go_to_records(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = samples / "bigearthnet-v1"
    words = f"archive.layout=bigearthnet-v1 archive.root={root}/BigEarthNet-S2 archive.s1_root={root}/BigEarthNet-S1"
    _, records = run_to_convert(
        tmp_path / "river", f"{words} split.fractions.val=0.25 split.fractions.test=0.25", monkeypatch
    )
    assert set(records) == {path.name for path in (root / "BigEarthNet-S2").iterdir()}


@pytest.mark.drill
def test_real_tagged_images_go_to_records(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = samples / "ucmerced-multilabel"
    lists = ",".join(f"{root}/lists/{name}.csv" for name in SPLITS)
    words = f"archive.layout=tagged-images archive.root={root}/images archive.labels_file={root}/train.csv"
    words += f" archive.nomenclature=discovered split.strategy=official split.files=[{lists}] convert.image_size_px=64"
    words += " convert.bands=[R,G,B] train.bands=[R,G,B]"
    manifest, records = run_to_convert(tmp_path / "river", words, monkeypatch)
    assert len(records) == 1469
    assert [manifest.num_records(split) for split in SPLITS] == [1049, 105, 315]
