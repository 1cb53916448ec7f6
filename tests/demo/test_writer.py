"""The synthetic archive: the real layout, real metadata keys, the same bytes every time."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.core.bands import S1_BANDS, S2_BANDS
from landscribe.core.errors import ArchiveError
from landscribe.core.files import compute_file_digest
from landscribe.core.nomenclature import CLC_CODES, NOMENCLATURES
from landscribe.core.patch import S1_FOLDER, S2_FOLDER, is_s1_name, is_s2_name, parse_patch_name
from landscribe.demo.config import DemoConfig
from landscribe.demo.presence import ensure_demo_archive
from landscribe.demo.writer import write_demo_archive

pytestmark = pytest.mark.slow(7)

CONFIG = DemoConfig(num_patches=60, num_tiles=3, seed=1)  # that of the fixture demo_root


def read_metadata(folder: Path) -> dict[str, object]:
    """Return the content of a patch folder's JSON."""
    path = folder / f"{folder.name}_labels_metadata.json"
    content: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return content


def digest_all(root: Path) -> dict[str, str]:
    """Return file -> digest of its bytes."""
    return {p.relative_to(root).as_posix(): compute_file_digest(p) for p in root.rglob("*") if p.is_file()}


def iter_folders(root: Path) -> Iterator[tuple[Path, dict[str, int]]]:
    """Yield (patch folder, band -> native size in pixels)."""
    for folder, bands in ((S2_FOLDER, S2_BANDS), (S1_FOLDER, S1_BANDS)):
        for patch in sorted((root / folder).iterdir()):
            yield patch, {name: int(str(band.size_px)) for name, band in bands.items()}


def test_names_are_those_of_the_real_layout(demo_root: Path) -> None:
    patches = [path.name for path in (demo_root / S2_FOLDER).iterdir()]
    twins = [path.name for path in (demo_root / S1_FOLDER).iterdir()]
    assert all(map(is_s2_name, patches))
    assert all(map(is_s1_name, twins))
    assert len(patches) == len(twins) == CONFIG.num_patches
    assert len({parse_patch_name(name).granule for name in patches}) == CONFIG.num_tiles
    assert any(parse_patch_name(name).short_clock for name in patches)
    for folder, bands in iter_folders(demo_root):
        files = {f"{folder.name}_{band}.tif" for band in bands} | {f"{folder.name}_labels_metadata.json"}
        assert {path.name for path in folder.iterdir()} == files


def test_every_patch_has_its_twin_and_the_same_labels(demo_root: Path) -> None:
    for twin in (demo_root / S1_FOLDER).iterdir():
        metadata = read_metadata(twin)
        patch = demo_root / S2_FOLDER / str(metadata["corresponding_s2_patch"])
        assert read_metadata(patch)["labels"] == metadata["labels"]
        assert twin.name.split("_")[-2:] == patch.name.split("_")[-2:]


def test_labels_are_clc_classes_that_the_19_keep_or_drop(demo_root: Path) -> None:
    ben_19 = NOMENCLATURES["BEN-19"]()
    for patch in (demo_root / S2_FOLDER).iterdir():
        labels = read_metadata(patch)["labels"]
        assert isinstance(labels, list)
        assert labels == sorted(set(labels), key=lambda name: CLC_CODES[name])
        assert any(map(ben_19.to_class, labels))


def test_bands_open_as_georeferenced_rasters_that_agree_with_the_json(demo_root: Path) -> None:
    for folder, bands in iter_folders(demo_root):
        metadata = read_metadata(folder)
        corner = metadata["coordinates"]
        assert isinstance(corner, dict)
        projection = rasterio.crs.CRS.from_wkt(str(metadata["projection"]))
        for band, size_px in bands.items():
            with rasterio.open(folder / f"{folder.name}_{band}.tif") as dataset:
                assert (dataset.count, dataset.shape, dataset.nodata) == (1, (size_px, size_px), None)
                assert dataset.dtypes == ("float32" if band in S1_BANDS else "uint16",)
                assert dataset.crs == projection
                assert dataset.res == (1200 / size_px, 1200 / size_px)
                lower = corner.get("lry", corner.get("lly"))
                assert tuple(dataset.bounds) == (corner["ulx"], lower, corner["lrx"], corner["uly"])
                values = dataset.read(1)
            assert np.isfinite(values).all()
            assert values.min() < values.max()


def test_patches_lie_on_the_grid_of_their_tile(demo_root: Path) -> None:
    patches = BigEarthNetV1(demo_root / S2_FOLDER, demo_root / S1_FOLDER).read_listing().patches.to_pandas()
    left_m, top_m = patches["ulx_m"] - 1200 * patches["column"], patches["uly_m"] + 1200 * patches["row"]
    assert len({*zip(patches["granule"], left_m, top_m, strict=True)}) == CONFIG.num_tiles


def test_radar_is_in_fractional_decibels(demo_root: Path) -> None:
    for twin in sorted((demo_root / S1_FOLDER).iterdir())[::10]:
        values = {}
        for band in S1_BANDS:
            with rasterio.open(twin / f"{twin.name}_{band}.tif") as dataset:
                values[band] = dataset.read(1)
        assert -60 < values["VH"].mean() < values["VV"].mean() < 10
        assert (values["VV"] != np.rint(values["VV"])).mean() > 0.99


def test_keys_tags_and_sizes_are_those_of_the_real_patches(demo_root: Path, samples: Path) -> None:
    real_root = samples / "bigearthnet-v1"
    for folder, real_folder, bands in (
        (S2_FOLDER, "BigEarthNet-S2", S2_BANDS),
        (S1_FOLDER, "BigEarthNet-S1", S1_BANDS),
    ):
        fake, real = next((demo_root / folder).iterdir()), next((real_root / real_folder).iterdir())
        fake_json, real_json = read_metadata(fake), read_metadata(real)
        assert list(fake_json) == list(real_json)
        for key, value in real_json.items():
            assert type(fake_json[key]) is type(value)
            if isinstance(value, dict):
                assert list(fake_json[key]) == list(value)  # type: ignore[call-overload]
        for band in bands:
            pair = [path / f"{path.name}_{band}.tif" for path in (fake, real)]
            assert pair[0].stat().st_size == pair[1].stat().st_size
            with rasterio.open(pair[0]) as one, rasterio.open(pair[1]) as other:
                assert one.tags() == other.tags()
                ignored = {"crs", "transform"}
                assert {k: v for k, v in one.profile.items() if k not in ignored} == {
                    k: v for k, v in other.profile.items() if k not in ignored
                }


def test_real_granules_have_their_real_place(demo_root: Path, samples: Path) -> None:
    """Tiles of real granules start where the real patches say."""
    origins: dict[str, tuple[float, str]] = {}
    for root in (demo_root / S2_FOLDER, samples / "bigearthnet-v1/BigEarthNet-S2"):
        for patch in BigEarthNetV1(root, None).read_listing().patches.to_pylist():
            place = (patch["ulx_m"] - 1200 * patch["column"], patch["tile"])
            assert origins.setdefault(patch["granule"], place) == place
    assert len(origins) < CONFIG.num_tiles + 4  # some granules occur in both


def test_bytes_do_not_depend_on_the_number_of_workers(demo_root: Path, tmp_path: Path) -> None:
    write_demo_archive(CONFIG, tmp_path / "again", num_workers=2)
    assert digest_all(tmp_path / "again") == digest_all(demo_root)


def test_a_larger_archive_begins_with_the_smaller(demo_root: Path, tmp_path: Path) -> None:
    larger = CONFIG.model_copy(update={"num_patches": 63})
    write_demo_archive(larger, tmp_path / "larger", num_workers=1)
    smaller, found = digest_all(demo_root), digest_all(tmp_path / "larger")
    patches = {name: digest for name, digest in smaller.items() if name.startswith("BigEarthNet")}
    assert patches.items() <= found.items()
    assert len(found) == len(smaller) + 3 * (13 + 3)


def test_another_seed_is_another_archive(demo_root: Path, tmp_path: Path) -> None:
    write_demo_archive(CONFIG.model_copy(update={"num_patches": 50, "seed": 2}), tmp_path / "other", num_workers=1)
    pictures = {digest for name, digest in digest_all(demo_root).items() if name.endswith(".tif")}
    assert not pictures & {digest for name, digest in digest_all(tmp_path / "other").items() if name.endswith(".tif")}


def test_no_patch_is_a_copy_of_another(demo_root: Path) -> None:
    digests = [digest for name, digest in digest_all(demo_root).items() if name.endswith(("_B02.tif", "_VV.tif"))]
    assert len(set(digests)) == len(digests) == 2 * CONFIG.num_patches


def test_an_interrupted_writer_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("landscribe.demo.writer.write_patch", stop)
    with pytest.raises(KeyboardInterrupt):
        write_demo_archive(CONFIG, tmp_path / "demo", num_workers=1)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "note.txt").touch()
    with pytest.raises(ArchiveError, match="absent or empty folder"):
        write_demo_archive(CONFIG, tmp_path, num_workers=1)
    with pytest.raises(ArchiveError, match="it holds something else"):
        ensure_demo_archive(CONFIG, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_the_archive_is_written_once_and_anew_for_another_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    root, config = tmp_path / "data" / "demo", DemoConfig(num_patches=50, num_tiles=1, seed=1)
    ensure_demo_archive(config, root)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    ensure_demo_archive(config, root)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    ensure_demo_archive(config.model_copy(update={"num_patches": 52}), root)
    assert len(list((root / S2_FOLDER).iterdir())) == 52
    assert [path.name for path in root.parent.iterdir()] == ["demo"]


def test_a_tile_has_room_for_its_cells_and_no_more() -> None:
    DemoConfig(num_patches=91 * 91, num_tiles=1, seed=0)
    with pytest.raises(ValueError, match="expected at least 2 for 8282 patches, 8281 per tile"):
        DemoConfig(num_patches=91 * 91 + 1, num_tiles=1, seed=0)
