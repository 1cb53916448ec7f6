"""Four real pairs of BigEarthNet v1 / MM are converted to records, value by value."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from landscribe.archive.bigearthnet_v1 import BigEarthNetV1
from landscribe.archive.fingerprint import compute_fingerprint
from landscribe.archive.protocol import Listing
from landscribe.conversion.config import ConvertConfig
from landscribe.conversion.converter import Conversion, ConversionSource, convert
from landscribe.core.bands import S1_BANDS, S2_BANDS
from landscribe.core.nomenclature import NOMENCLATURES
from landscribe.index.labels import build_index
from landscribe.records.reader import Record, iter_split

ALL_BANDS = [*S2_BANDS, *S1_BANDS]


@pytest.fixture(scope="module")
def archive(samples: Path) -> BigEarthNetV1:
    """The real pairs."""
    return BigEarthNetV1(samples / "bigearthnet-v1/BigEarthNet-S2", samples / "bigearthnet-v1/BigEarthNet-S1")


@pytest.fixture(scope="module")
def listing(archive: BigEarthNetV1) -> Listing:
    """What the reader finds."""
    return archive.read_listing()


def stat_all(archive: BigEarthNetV1) -> list[tuple[Path, int, int, int]]:
    """Return what would change if anything in the archive were written."""
    stats = [
        (path, path.stat()) for root in (archive.root, archive.s1_root) for path in sorted(Path(str(root)).rglob("*"))
    ]
    return [(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for path, stat in stats]


def run(archive: BigEarthNetV1, listing: Listing, name: str, folder: Path, bands: list[str] = ALL_BANDS) -> Conversion:
    """Convert all patches into the train split."""
    nomenclature = NOMENCLATURES[name]()
    index = build_index(listing, nomenclature).table.to_pandas()
    table = index[["patch_id"]].assign(split="train")
    config = ConvertConfig(
        bands=bands,
        image_size_px=128,
        max_nodata_fraction=0.5,
        shard_size_mb=1,
        max_bad_fraction=0,
        verify=True,
        seed=1,
    )
    source = ConversionSource(archive, "real", index, table, (name, nomenclature.classes))
    return convert(source, config, folder, folder / "scratch", num_workers=1)


@pytest.fixture(scope="module")
def records(archive: BigEarthNetV1, listing: Listing, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """The pairs as records, by patch; the archive is watched on the way."""
    before = stat_all(archive)
    folder = tmp_path_factory.mktemp("real")
    compute_fingerprint(archive, [], folder / "scratch")
    done = run(archive, listing, "CLC-43", folder)
    assert done.quarantined == []
    found = {record.patch_id: record for record in iter_split(done.manifest, folder, "train")}
    assert stat_all(archive) == before
    return found


def test_the_listing_pairs_the_twins_and_counts_the_real_quirks(listing: Listing) -> None:
    assert (listing.patches.num_rows, listing.quarantined, listing.excluded) == (4, [], [])
    for entry in listing.patches.to_pylist():
        assert str(entry["s1_patch_id"]).endswith(f"_{entry['tile']}_{entry['column']}_{entry['row']}")
        assert str(entry["granule"]).split("_")[2][:8] == str(entry["acquired_at"])[:10].replace("-", "")
    assert dict(+listing.quirks) == {
        "s1-lly-key": 4,
        "s1-acquisition-time-key": 4,
        "hour-without-leading-zero": 1,
    }


def test_every_band_is_rasterios_own_value_by_value(
    archive: BigEarthNetV1, listing: Listing, records: dict[str, Record]
) -> None:
    assert set(records) == set(listing.patches["patch_id"].to_pylist())
    for entry in listing.patches.to_pylist():
        record = records[entry["patch_id"]]
        assert list(record.bands) == ALL_BANDS
        for name, values in record.bands.items():
            folder = (
                Path(str(archive.s1_root)) / str(entry["s1_path"]) if name in S1_BANDS else archive.root / entry["path"]
            )
            with rasterio.open(folder / f"{folder.name}_{name}.tif") as dataset:
                raw = dataset.read(1)
            assert values.dtype == raw.dtype
            np.testing.assert_array_equal(values, raw)


def test_radar_keeps_fractional_decibels_and_both_polarisations(records: dict[str, Record]) -> None:
    for record in records.values():
        vv, vh = record.bands["VV"], record.bands["VH"]
        assert vv.dtype == vh.dtype == np.float32
        for values in (vv, vh):
            assert -80 < values.min() < values.max() < 40
            assert (values != np.rint(values)).mean() > 0.99
        assert (vv != vh).mean() > 0.99
        assert vv.mean() > vh.mean()  # cross-polarised echoes are weaker


def test_labels_are_those_of_the_json(listing: Listing, records: dict[str, Record]) -> None:
    classes = NOMENCLATURES["CLC-43"]().classes
    for entry in listing.patches.to_pylist():
        record = records[entry["patch_id"]]
        assert set(record.labels) == set(entry["labels"])
        assert tuple(classes[place] for place in np.flatnonzero(record.multi_hot)) == record.labels


def test_the_19_classes_fit_the_real_labels(archive: BigEarthNetV1, listing: Listing, tmp_path: Path) -> None:
    done = run(archive, listing, "BEN-19", tmp_path)
    labels = {record.patch_id: record.labels for record in iter_split(done.manifest, tmp_path, "train")}
    assert labels["S2A_MSIL2A_20171221T112501_56_35"] == (
        "Complex cultivation patterns",
        "Land principally occupied by agriculture, with significant areas of natural vegetation",
        "Broad-leaved forest",
        "Transitional woodland, shrub",
    )


@pytest.mark.parametrize("bands", [[*S2_BANDS], [*S1_BANDS]])
def test_a_sensor_alone_gives_the_records_of_the_pairs(
    archive: BigEarthNetV1, records: dict[str, Record], tmp_path: Path, bands: list[str]
) -> None:
    is_s1 = bands == [*S1_BANDS]
    alone = BigEarthNetV1(None, archive.s1_root) if is_s1 else BigEarthNetV1(archive.root, None)
    done = run(alone, alone.read_listing(), "CLC-43", tmp_path, bands)
    found = {record.patch_id: record for record in iter_split(done.manifest, tmp_path, "train")}
    assert found.keys() == records.keys()
    for patch_id, record in found.items():
        assert record.labels == records[patch_id].labels
        assert list(record.bands) == bands
        for name, values in record.bands.items():
            np.testing.assert_array_equal(values, records[patch_id].bands[name])
