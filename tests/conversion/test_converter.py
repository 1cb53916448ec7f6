"""Conversion: every patch once or quarantined, the same bytes whatever the workers and the order."""

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
from PIL import Image

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.archive.protocol import Archive
from landscribe.archive.tagged_images import TaggedImages
from landscribe.conversion.config import ConvertConfig
from landscribe.conversion.converter import Conversion, ConversionSource, convert
from landscribe.conversion.report import write_convert_report
from landscribe.core.bands import BANDS, S1_BANDS, S2_BANDS
from landscribe.core.errors import ArchiveError, ParamsError, RecordsError
from landscribe.core.multi_hot import encode_multi_hot
from landscribe.core.nomenclature import make_nomenclature
from landscribe.index.labels import build_index, find_labels
from landscribe.records.reader import Record, iter_split, read_example
from landscribe.records.schema import (
    Manifest,
    check_not_empty,
    check_subset,
    make_groups,
    read_manifest,
    write_manifest,
)
from landscribe.records.statistics import PERCENTILES
from landscribe.splits.config import SPLITS
from landscribe.splits.digest_order import rank_by_digest

ALL_BANDS = [*S2_BANDS, *S1_BANDS]


def make_config(**values: Any) -> ConvertConfig:
    """Return a section `convert` whose shards hold a dozen patches."""
    base: dict[str, Any] = {"bands": ALL_BANDS, "image_size_px": 16, "max_nodata_fraction": 0.5, "shard_size_mb": 3.4}
    base |= {"max_bad_fraction": 0.0}
    return ConvertConfig.model_validate(base | {"verify": False, "seed": 20170613} | values)


def open_demo(root: Path) -> BigEarthNetV1:
    """Return the reader of an archive in the layout of v1 / MM."""
    return BigEarthNetV1(root / "BigEarthNet-v1.0", root / "BigEarthNet-S1-v1.0", name="demo")


def prepare(archive: Archive, nomenclature: str = "CLC-43") -> ConversionSource:
    """Return what there is to convert of an archive, as the stages before make it."""
    listing = archive.read_listing()
    chosen = make_nomenclature(nomenclature, find_labels(listing.patches), Path())
    index = build_index(listing, chosen).table.to_pandas()
    ranked = rank_by_digest(index["patch_id"], 1, "split")
    table = pd.DataFrame({"patch_id": sorted(ranked)})
    fifth = len(ranked) // 5
    table["split"] = table["patch_id"].map(
        {name: "test" if n < fifth else "val" if n < 2 * fifth else "train" for n, name in enumerate(ranked)}
    )
    return ConversionSource(archive, "a fingerprint", index, table, (chosen.name, chosen.classes))


def run(archive: Archive, folder: Path, num_workers: int = 1, **values: Any) -> Conversion:
    """Convert an archive into `folder`."""
    source = prepare(archive, "discovered" if archive.name == "tagged-images" else "CLC-43")
    return convert(source, make_config(**values), folder, folder.with_name(f"{folder.name}-scratch"), num_workers)


def summarise(done: Conversion) -> dict[str, dict[str, Any]]:
    """Return band -> its entry in the report."""
    return {name: band.summarise() for name, band in done.statistics.items()}


def read_all(manifest: Manifest, folder: Path) -> dict[str, dict[str, Record]]:
    """Return split -> patch_id -> record; a patch that comes twice in a split is an error."""
    records: dict[str, dict[str, Record]] = {}
    for split in SPLITS:
        found = list(iter_split(manifest, folder, split))
        records[split] = {record.patch_id: record for record in found}
        assert len(records[split]) == len(found) == manifest.num_records(split)
    return records


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the synthetic archive is converted to, once."""
    return tmp_path_factory.mktemp("records")


@pytest.fixture(scope="module")
def done(demo_root: Path, folder: Path) -> Conversion:
    """The synthetic archive, converted."""
    return run(open_demo(demo_root), folder)


def test_every_patch_of_the_splits_is_in_one_record(demo_root: Path, folder: Path, done: Conversion) -> None:
    source = prepare(open_demo(demo_root))
    index, splits = source.index, source.splits
    records = read_all(done.manifest, folder)
    for split in SPLITS:
        assert set(records[split]) == set(splits[splits["split"] == split]["patch_id"])
    together = {patch_id: record for members in records.values() for patch_id, record in members.items()}
    assert len(together) == sum(map(len, records.values())) == len(index) == 60
    labels = dict(zip(index["patch_id"], map(tuple, index["labels"]), strict=True))
    for patch_id, record in together.items():
        assert record.labels == labels[patch_id]
        np.testing.assert_array_equal(record.multi_hot, encode_multi_hot([record.labels], source.nomenclature[1])[0])


def test_bands_are_stored_by_name_in_native_size_and_dtype(demo_root: Path, folder: Path, done: Conversion) -> None:
    archive = open_demo(demo_root)
    index = prepare(archive).index
    paths = dict(zip(index["patch_id"], zip(index["path"], index["s1_path"], strict=True), strict=True))
    for record in iter_split(done.manifest, folder, "val"):
        path, s1_path = paths[record.patch_id]
        raw = archive.read_patch(path, s1_path, [BANDS[name] for name in ALL_BANDS])
        assert list(record.bands) == ALL_BANDS
        for name, values in record.bands.items():
            assert values.dtype == raw[name].dtype
            np.testing.assert_array_equal(values, raw[name])


def test_bytes_do_not_depend_on_workers_or_order(
    demo_root: Path, tmp_path: Path, folder: Path, done: Conversion
) -> None:
    source, draw = prepare(open_demo(demo_root)), random.Random(0)
    orders = [draw.sample(range(len(source.index)), len(source.index)) for _ in range(2)]
    shuffled = replace(source, index=source.index.iloc[orders[0]], splits=source.splits.iloc[orders[1]])
    again = convert(shuffled, make_config(), tmp_path / "records", tmp_path / "scratch", num_workers=2)
    assert again.manifest == done.manifest
    assert again.manifest.digest == done.manifest.digest
    assert summarise(again) == summarise(done)
    pd.testing.assert_frame_equal(again.patch_statistics, done.patch_statistics)
    for path in sorted(folder.rglob("*.tfrecord-*")):
        assert (tmp_path / "records" / path.relative_to(folder)).read_bytes() == path.read_bytes()


def test_bytes_do_not_depend_on_where_the_archive_lies(demo_root: Path, tmp_path: Path, done: Conversion) -> None:
    moved = Path(shutil.copytree(demo_root, tmp_path / "elsewhere"))
    assert run(open_demo(moved), tmp_path / "records").manifest == done.manifest


def test_shards_are_named_and_sized(folder: Path, done: Conversion) -> None:
    record_bytes = sum(group.num_bytes for group in done.manifest.groups)
    assert record_bytes == 2 * (4 * 120**2 + 6 * 60**2 + 2 * 20**2) + 4 * 2 * 120**2
    for split, shards in done.manifest.splits.items():
        assert [shard.name for shard in shards] == [
            f"demo-{split}.tfrecord-{number:05d}-of-{len(shards):05d}" for number in range(len(shards))
        ]
        assert sorted(path.name for path in (folder / split).iterdir()) == [shard.name for shard in shards]
        sizes = [shard.num_records for shard in shards]
        assert max(sizes) * record_bytes <= 3.4e6
        assert max(sizes) - min(sizes) <= 1
    assert len(done.manifest.splits["train"]) == 3


def test_records_stand_in_the_order_of_their_digests(folder: Path, done: Conversion) -> None:
    for split in SPLITS:
        names = [record.patch_id for record in iter_split(done.manifest, folder, split)]
        assert names == rank_by_digest(names, 20170613, "shard")  # splits/test_ranking.py pins it


def test_band_statistics_are_those_of_train(folder: Path, done: Conversion) -> None:
    records = list(iter_split(done.manifest, folder, "train"))
    for name, found in summarise(done).items():
        values = np.stack([record.bands[name] for record in records]).astype(np.float64)
        assert (found["count"], found["min"], found["max"]) == (values.size, values.min(), values.max())
        assert found["mean"] == pytest.approx(values.mean(), rel=1e-9)
        assert found["std"] == pytest.approx(values.std(), rel=1e-9)
        wanted = np.percentile(values, PERCENTILES)
        np.testing.assert_allclose(list(found["percentiles"].values()), wanted, rtol=0, atol=0.01 * (name in S1_BANDS))
    assert list(done.statistics) == ALL_BANDS


def test_patch_statistics_have_one_row_a_record(folder: Path, done: Conversion) -> None:
    table = done.patch_statistics.set_index("patch_id")
    for split, members in read_all(done.manifest, folder).items():
        assert set(table[table["split"] == split].index) == set(members)
        for patch_id, record in members.items():
            assert table.loc[patch_id, "VH_mean"] == pytest.approx(record.bands["VH"].mean(dtype=np.float64))
            assert table.loc[patch_id, "B8A_std"] == pytest.approx(record.bands["B8A"].std(dtype=np.float64))


def test_the_order_of_bands_is_that_of_params(demo_root: Path, tmp_path: Path) -> None:
    bands = ["VH", "B12", "B02", "B11"]
    done = run(open_demo(demo_root), tmp_path, bands=bands)
    record = next(iter_split(done.manifest, tmp_path, "test"))
    assert list(record.bands) == list(done.manifest.bands) == list(done.statistics) == bands
    assert [group.bands for group in done.manifest.groups] == [("VH",), ("B12", "B11"), ("B02",)]


def test_another_seed_is_another_order_of_the_same_records(demo_root: Path, tmp_path: Path) -> None:
    orders = []
    for seed in (1, 2):
        done = run(open_demo(demo_root), tmp_path / str(seed), bands=["B01"], seed=seed)
        orders.append([record.patch_id for record in iter_split(done.manifest, tmp_path / str(seed), "train")])
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


def test_bands_that_the_archive_has_not_are_refused(demo_root: Path, tmp_path: Path) -> None:
    alone = BigEarthNetV1(demo_root / "BigEarthNet-v1.0", None)
    with pytest.raises(ParamsError, match=r"convert\.bands: expected bands out of B01.*received 'VV'"):
        run(alone, tmp_path)


def damage(root: Path) -> dict[str, str]:
    """Damage seven patches, each in another way; return patch -> what its reason must say."""
    entries = open_demo(root).read_listing().patches.to_pylist()[::9]
    files = [root / "BigEarthNet-v1.0" / row["path"] / f"{row['path']}_B8A.tif" for row in entries[:4]]
    files += [root / "BigEarthNet-S1-v1.0" / row["s1_path"] / f"{row['s1_path']}_VV.tif" for row in entries[4:6]]
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:3000])
    rewrite(files[2], np.ones((61, 60), np.uint16))
    rewrite(files[3], np.ones((60, 60), np.float32))
    rewrite(files[4], np.full((120, 120), np.nan, np.float32))
    files[5].write_bytes(b"<html>404</html>")
    for path in [*(root / "BigEarthNet-v1.0" / entries[6]["path"]).glob("*.tif"),
                 *(root / "BigEarthNet-S1-v1.0" / entries[6]["s1_path"]).glob("*.tif")]:  # fmt: skip
        with rasterio.open(path) as dataset:
            values = dataset.read(1)
        rewrite(path, np.zeros_like(values))
    words = ["is missing", "is unreadable", "received (61, 60)", "float32", "NaN", "is unreadable", "nodata"]
    return {row["patch_id"]: word for row, word in zip(entries, words, strict=True)}


def rewrite(path: Path, values: np.ndarray) -> None:
    """Write other values into a band's file."""
    with rasterio.open(path) as dataset:
        profile = dataset.profile | {"dtype": values.dtype, "height": values.shape[0], "width": values.shape[1]}
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(values, 1)


@pytest.fixture
def damaged(demo_root: Path, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A copy of the synthetic archive with seven bad patches, and what is wrong with them."""
    root = Path(shutil.copytree(demo_root, tmp_path / "damaged"))
    return root, damage(root)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_bad_patches_are_quarantined_by_name_and_reason(
    damaged: tuple[Path, dict[str, str]], tmp_path: Path, num_workers: int
) -> None:
    root, bad = damaged
    done = run(open_demo(root), tmp_path / "records", num_workers, max_bad_fraction=0.12)
    assert {patch.patch_id for patch in done.quarantined} == set(bad)
    for patch in done.quarantined:
        assert bad[patch.patch_id] in patch.reason
        assert "\n" not in patch.reason
    records = read_all(done.manifest, tmp_path / "records")
    met = [patch_id for members in records.values() for patch_id in members]
    assert sorted([*met, *bad]) == open_demo(root).read_listing().patches["patch_id"].to_pylist()
    assert sum(table.count for table in done.statistics.values()) == sum(
        values.size for record in records["train"].values() for values in record.bands.values()
    )
    summary = write_convert_report(tmp_path / "report", done)
    assert summary["num_records"] == {split: len(members) for split, members in records.items()}
    assert len((tmp_path / "report/left_out.csv").read_text(encoding="utf-8").splitlines()) == 1 + len(bad)


def test_an_empty_split_is_told(demo_root: Path, tmp_path: Path) -> None:
    source = prepare(open_demo(demo_root))
    everything = replace(source, splits=source.splits.assign(split="train"))
    done = convert(everything, make_config(bands=["B01"]), tmp_path / "records", tmp_path / "scratch", 1)
    assert write_convert_report(tmp_path / "report", done)["warnings"] == [
        "the split val is empty",
        "the split test is empty",
    ]
    assert done.manifest.splits["val"] == done.manifest.splits["test"] == ()


def test_too_many_bad_patches_end_the_stage(damaged: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"7 of 60 patches are bad, more than convert\.max_bad_fraction = 0\.11"):
        run(open_demo(damaged[0]), tmp_path / "records", max_bad_fraction=0.11)


def make_images(root: Path, sizes: dict[str, tuple[int, int]]) -> TaggedImages:
    """Write images of the given (columns, rows) and their CSV."""
    (root / "images").mkdir()
    draw = np.random.default_rng(0)
    for name, (columns, rows) in sizes.items():
        pixels = draw.integers(0, 256, (rows, columns, 3), np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{name}.png")
    (root / "tags.csv").write_text("image_name,tags\n" + "".join(f"{name},sand\n" for name in sizes), encoding="utf-8")
    return TaggedImages(root / "images", root / "tags.csv", ("B", "G", "R", "NIR"))


def test_images_of_other_sizes_are_resampled_and_counted(tmp_path: Path) -> None:
    sizes = {f"beach{n:02d}": (16, 16) for n in range(6)} | {"odd": (15, 16), "wide": (32, 16), "big": (64, 64)}
    archive = make_images(tmp_path, sizes)
    done = run(archive, tmp_path / "records", bands=["B", "G", "R"])
    assert done.num_resampled == 3
    assert write_convert_report(tmp_path / "report", done)["quirks"] == {"resampled-image": 3}
    records = {p: r for members in read_all(done.manifest, tmp_path / "records").values() for p, r in members.items()}
    assert set(records) == set(sizes)
    for name, record in records.items():
        assert {(v.shape, v.dtype.name) for v in record.bands.values()} == {((16, 16), "uint8")}
        if sizes[name] == (16, 16):
            pixels = np.asarray(Image.open(tmp_path / "images" / f"{name}.png"))
            np.testing.assert_array_equal(np.dstack(list(record.bands.values())), pixels[..., ::-1])


def test_images_that_do_not_fit_the_others_are_quarantined(tmp_path: Path) -> None:
    archive = make_images(tmp_path, {f"beach{number:02d}": (16, 16) for number in range(8)})
    with rasterio.open(tmp_path / "images/beach00.png", "w", driver="PNG", width=16, height=16, count=3, dtype="uint16",
                       transform=rasterio.Affine.scale(2)) as dataset:  # fmt: skip
        dataset.write(np.full((3, 16, 16), 40_000, np.uint16))
    truncated = tmp_path / "images/beach01.png"
    truncated.write_bytes(truncated.read_bytes()[:-200])
    done = run(archive, tmp_path / "records", bands=["R", "G", "B"], max_bad_fraction=0.25)
    reasons = {patch.patch_id: patch.reason for patch in done.quarantined}
    assert set(reasons) == {"beach00", "beach01"}
    assert "expected uint8 values; received uint16" in reasons["beach00"]
    assert "is unreadable" in reasons["beach01"]
    assert len(done.patch_statistics) == 6


def test_equal_pixels_are_found_across_the_splits(tmp_path: Path) -> None:
    archive = make_images(tmp_path, {f"beach{number:02d}": (16, 16) for number in range(10)})
    source = prepare(archive, "discovered")
    splits = source.splits
    twins = [str(splits[splits["split"] == split]["patch_id"].iloc[0]) for split in ("train", "test")]
    shutil.copy(tmp_path / f"images/{twins[0]}.png", tmp_path / f"images/{twins[1]}.png")
    done = convert(source, make_config(bands=["R", "G", "B"]), tmp_path / "records", tmp_path / "scratch", 1)
    report = write_convert_report(tmp_path / "report", done)
    assert report["equal_pixels"] == {"test_also_in_train": 1}
    assert "1 patches of test have the same pixels as patches of train" in str(report["warnings"])
    assert pd.read_csv(tmp_path / "report/equal_pixels.csv")["patch_id"].tolist() == sorted(twins)


def test_reading_the_manifest_inverts_writing(tmp_path: Path, done: Conversion) -> None:
    write_manifest(done.manifest, tmp_path / "manifest.json")
    read = read_manifest(tmp_path / "manifest.json")
    assert read == done.manifest
    content = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert content["digest"] == done.manifest.digest == read.digest


def test_a_manifest_of_another_format_is_refused(tmp_path: Path, done: Conversion) -> None:
    path = tmp_path / "manifest.json"
    with pytest.raises(RecordsError, match="run the stage convert first"):
        read_manifest(path)
    write_manifest(done.manifest, path)
    path.write_text(path.read_text(encoding="utf-8").replace('"format": 1', '"format": 99'), encoding="utf-8")
    with pytest.raises(RecordsError, match="expected format 1; received 99"):
        read_manifest(path)


def test_the_digest_knows_order_and_content(done: Conversion) -> None:
    manifest = done.manifest
    for changed in (
        replace(manifest, classes=manifest.classes[::-1]),
        replace(manifest, bands=manifest.bands[::-1]),
        replace(manifest, splits=manifest.splits | {"test": manifest.splits["val"]}),
    ):
        assert changed.digest != manifest.digest


def test_missing_bands_and_empty_splits_are_refused(done: Conversion) -> None:
    check_subset(["VV", "B02"], done.manifest, "train.bands")
    with pytest.raises(RecordsError, match=r"train\.bands needs R; the records have B01, .*VH\."):
        check_subset(["B02", "R"], done.manifest, "train.bands")
    check_not_empty(done.manifest, "val")
    empty = replace(done.manifest, splits=done.manifest.splits | {"val": ()})
    with pytest.raises(RecordsError, match="the split val is empty"):
        check_not_empty(empty, "val")


def test_every_band_is_in_one_group(done: Conversion) -> None:
    grouped = [name for group in done.manifest.groups for name in group.bands]
    assert sorted(grouped) == sorted(done.manifest.bands)
    assert len({group.key for group in done.manifest.groups}) == len(done.manifest.groups) == 4
    for name in done.manifest.bands:
        group = done.manifest.group_of(name)
        assert (group.size_px, group.dtype) == (BANDS[name].size_px, BANDS[name].dtype)
    with pytest.raises(RecordsError, match="band R: expected a known size"):
        make_groups([BANDS["R"]])


def test_an_example_is_a_batch_of_one(folder: Path, done: Conversion) -> None:
    example = read_example(done.manifest, folder, "test", ["VH", "B09"])
    first = next(iter_split(done.manifest, folder, "test"))
    assert list(example) == ["VH", "B09"]
    np.testing.assert_array_equal(example["VH"], first.bands["VH"][None])
    assert example["B09"].shape == (1, 20, 20)


def test_a_damaged_shard_is_named(tmp_path: Path, folder: Path, done: Conversion) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "records"))
    shard = copied / "val" / done.manifest.splits["val"][0].name
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    with pytest.raises(RecordsError, match=f"{shard.name}.*run the stage convert again"):
        read_all(done.manifest, copied)
