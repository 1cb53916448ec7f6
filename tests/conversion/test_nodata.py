"""From declared nodata to a model's input: what is masked counts nowhere, and the value that marked it is forgotten."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from landscribe.archive.tagged_images import TaggedImages
from landscribe.conversion.config import ConvertConfig
from landscribe.conversion.converter import Conversion, ConversionSource, convert
from landscribe.conversion.report import write_convert_report
from landscribe.core.errors import ArchiveError
from landscribe.core.nomenclature import make_nomenclature
from landscribe.index.labels import build_index, find_labels
from landscribe.pipeline.dataset import make_eval_dataset
from landscribe.records.reader import iter_split, read_example
from landscribe.records.schema import read_manifest, write_manifest
from tests.support.fake_rasters import KINDS, SIZE_PX, Kind, draw_values, write_folder, write_raster

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SPLITS = ("train", "train", "val", "test")


def run(folder: Path, kind: Kind, **changed: Any) -> Conversion:
    """Convert `folder`/images."""
    archive = TaggedImages(folder / "images", folder / "tags.csv", kind.bands, wavelengths_nm=dict(kind.wavelengths_nm))
    listing = archive.read_listing()
    nomenclature = make_nomenclature("discovered", find_labels(listing.patches), folder)
    index = build_index(listing, nomenclature).table.to_pandas()
    splits = pd.DataFrame({"patch_id": index["patch_id"], "split": [SPLITS[n % 4] for n in range(len(index))]})
    base: dict[str, Any] = {"bands": list(kind.bands), "image_size_px": SIZE_PX, "max_nodata_fraction": 0.5}
    base |= {"shard_size_mb": 0.02, "max_bad_fraction": 0.2, "verify": True, "seed": 1}
    source = ConversionSource(archive, "", index, splits, (nomenclature.name, nomenclature.classes))
    return convert(source, ConvertConfig(**(base | changed)), folder / "records", folder / "scratch", 1)


def make_edges(number: int) -> np.ndarray:
    """Return bool [row, column], where image `number` is nodata: another edge of each, none of every third."""
    edge = np.zeros((SIZE_PX, SIZE_PX), np.bool_)
    if number % 3:
        edge[: number + 1] = True
    return edge


def write_filled(folder: Path, kind: Kind, fill: float) -> None:
    """Write a folder whose edges hold `fill`, which it declares."""
    write_folder(folder, kind, num_images=8)
    for number in range(8):
        values = np.where(make_edges(number), np.array(fill, kind.dtype), draw_values(kind, number))
        write_raster(folder / f"images/patch_{number}.tif", values, nodata=fill)


@pytest.mark.parametrize(
    ("name", "fills"), [("16 bit", (0, 65535)), ("UAV", (-9999, np.nan)), ("radar", (0, 77)), ("signed", (-32768, 0))]
)
def test_statistics_are_those_of_the_archive_masked_by_hand_and_the_fill_value_is_forgotten(
    tmp_path: Path, name: str, fills: tuple[float, float]
) -> None:
    kind = KINDS[name]
    done = []
    for number, fill in enumerate(fills):
        write_filled(tmp_path / str(number), kind, fill)
        done.append(run(tmp_path / str(number), kind))
    one, other = done
    assert one.quarantined == other.quarantined == []
    splits = one.pixels.set_index("patch_id")["split"]
    for place, band in enumerate(kind.bands):
        by_hand = np.concatenate(
            [
                draw_values(kind, number)[place][~make_edges(number) & (draw_values(kind, number)[place] != 0)]
                if name == "signed"
                else draw_values(kind, number)[place][~make_edges(number)]
                for number in range(8)
                if splits[f"patch_{number}"] == "train"
            ]
        ).astype(np.float64)
        found = (other if name == "signed" else one).statistics[band].summarise()
        assert (found["count"], found["min"], found["max"]) == (len(by_hand), by_hand.min(), by_hand.max())
        assert found["mean"] == pytest.approx(by_hand.mean(), rel=1e-9)
        assert found["std"] == pytest.approx(by_hand.std(), rel=1e-6)
        wanted = np.percentile(by_hand, [1, 50, 99])
        np.testing.assert_allclose(
            [found["percentiles"][key] for key in ("1", "50", "99")], wanted, rtol=2e-4, atol=1e-9
        )
    if name != "signed":  # there the second value occurs inside, and is nodata there too
        pd.testing.assert_frame_equal(one.pixels, other.pixels)
        assert one.manifest == other.manifest
        assert one.manifest.digest == other.manifest.digest


def test_a_model_receives_the_train_mean_and_records_keep_the_mask(tmp_path: Path) -> None:
    for kind, fill in ((KINDS["16 bit"], 7), (KINDS["UAV"], -1)):
        folder = tmp_path / kind.dtype
        write_filled(folder, kind, fill)
        done = run(folder, kind)
        write_manifest(done.manifest, folder / "records/manifest.json")
        manifest = read_manifest(folder / "records/manifest.json")
        assert manifest == done.manifest
        assert manifest.nodata == done.manifest.nodata
        assert manifest.nodata is not None
        assert manifest.nodata.occurs
        assert manifest.wavelengths_nm == dict(kind.wavelengths_nm)
        means = {name: found.summarise()["mean"] for name, found in done.statistics.items()}
        for split in ("train", "val", "test"):
            records = {record.patch_id: record for record in iter_split(manifest, folder / "records", split)}
            bands = kind.bands[::-2]
            for names, values, _ in make_eval_dataset(manifest, folder / "records", split, bands, 3):
                for row, patch_id in enumerate(names.numpy()):
                    number = int(patch_id.decode().removeprefix("patch_"))
                    edges, pixels = make_edges(number), draw_values(kind, number)
                    for band in bands:
                        stored = records[patch_id.decode()].bands[band]
                        np.testing.assert_array_equal(np.ma.getmaskarray(stored), edges)
                        mean = means[band] if kind.dtype == "float32" else round(means[band])
                        expected = np.where(edges, np.array(mean, kind.dtype), pixels[kind.bands.index(band)])
                        np.testing.assert_array_equal(values[band][row].numpy(), expected, strict=True)
        example = read_example(manifest, folder / "records", "val", kind.bands)
        assert not any(np.ma.is_masked(band) for band in example.values())


def test_nodata_is_counted_and_too_much_of_it_is_quarantined(tmp_path: Path) -> None:
    kind = KINDS["radar"]
    write_filled(tmp_path, kind, -99)
    done = run(tmp_path, kind, max_nodata_fraction=0.4)
    assert [(bad.patch_id, bad.reason) for bad in done.quarantined] == [
        ("patch_7", "50% of the pixels are nodata; at most 40% are tolerated")
    ]
    summary = write_convert_report(tmp_path / "report", done)
    assert summary["nodata"] == {"num_patches": 4, "mean_fraction": 0.25, "max_fraction": 0.375}
    table = pd.read_csv(tmp_path / "report/nodata.csv").set_index("patch_id")["nodata_fraction"]
    assert table.to_dict() == {f"patch_{number}": (number + 1) / 16 for number in (1, 2, 4, 5)}
    with pytest.raises(ArchiveError, match=r"more than convert\.max_bad_fraction"):
        run(tmp_path, kind, max_nodata_fraction=0.1)


def test_a_band_without_a_single_value_is_refused(tmp_path: Path) -> None:
    kind = KINDS["radar"]
    write_folder(tmp_path, kind, num_images=8)
    for number in range(8):
        values = draw_values(kind, number)
        values[1] = np.nan
        write_raster(tmp_path / f"images/patch_{number}.tif", values)
    with pytest.raises(ArchiveError, match="VH: expected pixels with a value in the train split"):
        run(tmp_path, kind)


def test_an_archive_without_nodata_has_no_word_of_it(tmp_path: Path) -> None:
    kind = KINDS["16 bit"]
    write_folder(tmp_path, kind, num_images=8)
    done = run(tmp_path, kind)
    assert done.manifest.nodata is not None
    assert not done.manifest.nodata.occurs
    assert "nodata" not in write_convert_report(tmp_path / "report", done)
    assert not (tmp_path / "report/nodata.csv").exists()
