"""From a path to a table: every readable patch once, by name; what cannot be read is said and left out."""

import logging
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import rasterio
from PIL import Image

from landscribe.archive.bigearthnet_v1 import read_twin_names
from landscribe.archive.metadata_v2 import read_metadata
from landscribe.archive.raster import read_band
from landscribe.core.bands import BANDS
from landscribe.core.errors import ArchiveError, LandscribeError, PatchError
from landscribe.core.quarantine import check_signal
from landscribe.inference import patches
from landscribe.inference.patches import predict_path, write_predictions
from landscribe.models.card import ModelCard
from landscribe.registry.registration import make_signature
from tests.support.fake_images import write_planet_tiffs
from tests.support.fake_rasters import KINDS, SIZE_PX, Kind, draw_values, write_folder, write_raster
from tests.support.fake_v2 import write_v2_archive

pytestmark = pytest.mark.slow(6)

_BRIGHT = 5000  # digital numbers that FakeServed warns of
CLASSES = ("Beaches, dunes, sands", "water")


class FakeServed:
    """Stands for a loaded model: its first class has the mean of the first band, its second that of the last."""

    def __init__(self, *bands: str, dtype: str = "uint8", optional: dict[str, dict[str, float]] | None = None) -> None:
        self._card = make_card(*bands, dtype=dtype, optional=optional or {})
        self.num_patches: list[int] = []
        self.warns = True  # versions that were registered earlier do not

    @property
    def metadata(self) -> SimpleNamespace:
        """As MLflow has it."""
        signature = make_signature(self._card)
        facts = {"bands": self._card.bands, "optional": self._card.optional}
        return SimpleNamespace(signature=signature, get_input_schema=lambda: signature.inputs, metadata=facts)

    def predict(self, values: dict[str, np.ndarray]) -> pd.DataFrame:
        """Return the table that a served model returns."""
        for name, array in values.items():
            assert array.dtype == self._card.bands[name]["dtype"], name  # MLflow refuses anything else
        assert self._card.optional or set(values) == set(self._card.bands)
        first, *_, last = (array.mean(axis=(1, 2), dtype=np.float64) for array in (*values.values(),) * 2)
        self.num_patches.append(len(first))
        labels = [["water"], list(CLASSES), []]
        table = pd.DataFrame(dict(zip(CLASSES, (first, last), strict=True)))
        table["labels"] = [labels[round(value) % 3] for value in first]
        if self.warns:
            table["warning"] = ["bright" if value > _BRIGHT else "" for value in first]
        return table


def make_card(*bands: str, dtype: str, optional: dict[str, dict[str, float]]) -> ModelCard:
    """Return the card of a model of these bands; images are of `dtype`."""
    known = {name: BANDS[name] for name in bands}
    facts = {name: {"size_px": band.size_px or 16, "dtype": band.dtype or dtype} for name, band in known.items()}
    resamples = any(band.size_px is None for band in known.values())
    return ModelCard(
        bands=facts,
        classes=CLASSES,
        nomenclature="discovered",
        backbone="x",
        resamples=resamples,
        optional=optional,
    )


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What is said to the user while predicting."""
    words: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            words.append(record.getMessage())

    logger, listener = logging.getLogger("landscribe.predict"), Listener()
    logger.addHandler(listener)
    yield words
    logger.removeHandler(listener)


@pytest.fixture(scope="module")
def s2_root(demo_root: Path) -> Path:
    """The folder of the Sentinel-2 patches."""
    return demo_root / "BigEarthNet-v1.0"


@pytest.fixture(scope="module")
def s1_root(demo_root: Path) -> Path:
    """The folder of their Sentinel-1 twins."""
    return demo_root / "BigEarthNet-S1-v1.0"


@pytest.fixture
def few(s2_root: Path, tmp_path: Path) -> Path:
    """A folder of three patches that may be damaged."""
    for folder in sorted(s2_root.iterdir())[:3]:
        shutil.copytree(folder, tmp_path / "few" / folder.name)
    return tmp_path / "few"


def draw_image(path: Path, grey: int, size: tuple[int, int] = (16, 16)) -> None:
    """Write an image whose red is `grey`, green twice and blue three times as much."""
    path.parent.mkdir(exist_ok=True)
    pixels = np.empty((*size, 3), np.uint8)
    pixels[:] = (grey, 2 * grey, 3 * grey)
    Image.fromarray(pixels).save(path)


def test_every_patch_of_a_folder_gets_a_row(s2_root: Path) -> None:
    table = predict_path(s2_root, FakeServed("B05", "B02"), None)
    assert list(table.columns) == ["patch_id", *CLASSES, "labels", "warning"]
    assert table["patch_id"].tolist() == sorted(folder.name for folder in s2_root.iterdir())
    for _, row in table.iterrows():
        for name, band in zip(CLASSES, ("B05", "B02"), strict=True):
            values = read_band(s2_root / row["patch_id"] / f"{row['patch_id']}_{band}.tif", BANDS[band])
            assert row[name] == pytest.approx(values.mean())


def test_a_patch_gets_the_same_row_alone_and_in_any_batch(s2_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = predict_path(s2_root, FakeServed("B02"), None)
    served = FakeServed("B02")
    monkeypatch.setattr(patches, "_BATCH_SIZE_PATCHES", 25)
    pd.testing.assert_frame_equal(predict_path(s2_root, served, None), whole)
    assert sorted(served.num_patches) == [10, 25, 25]
    row = whole.iloc[[7]].reset_index(drop=True)
    folder = s2_root / row["patch_id"].item()
    pd.testing.assert_frame_equal(predict_path(folder, FakeServed("B02"), None), row)
    monkeypatch.chdir(folder)
    pd.testing.assert_frame_equal(predict_path(Path(), FakeServed("B02"), None), row)


def test_rows_and_words_do_not_depend_on_who_reads(
    s2_root: Path, s1_root: Path, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process or several, in this one where there is one batch; some patches are left out, some are bright."""
    for number, folder in enumerate(sorted(s2_root.iterdir())[:12]):
        shutil.copytree(folder, tmp_path / "some" / folder.name)
        if number in {0, 6, 11}:
            (tmp_path / "some" / folder.name / f"{folder.name}_B02.tif").unlink()
        if number in {3, 7}:
            change_bands(tmp_path / "some" / folder.name, lambda values: values + np.uint16(_BRIGHT))
    answers, words = [], []
    for size in (64, 5, 2, 1):
        monkeypatch.setattr(patches, "_BATCH_SIZE_PATCHES", size)
        answers.append(predict_path(tmp_path / "some", FakeServed("B02", "VV"), s1_root))
        words.append(said.copy())
        said.clear()
    assert words == words[:1] * 4
    assert len(words[0]) == 4  # three are left out, and how many are bright
    for table in answers:
        assert len(table) == 9
        pd.testing.assert_frame_equal(table, answers[0])


def change_bands(folder: Path, change: Callable[[np.ndarray], np.ndarray], bands: str = "B*") -> None:
    """Write files of bands again, with other values and maybe another dtype."""
    for path in folder.glob(f"*_{bands}.tif"):
        with rasterio.open(path) as dataset:
            values, profile = change(dataset.read()), dataset.profile
        with rasterio.open(path, "w", **profile | {"dtype": values.dtype}) as dataset:
            dataset.write(values)


def test_a_patch_that_conversion_leaves_out_is_left_out_with_the_same_reason(few: Path, said: list[str]) -> None:
    empty, *others = sorted(few.iterdir())
    change_bands(empty, np.zeros_like)
    assert predict_path(few, FakeServed("B02"), None)["patch_id"].tolist() == [folder.name for folder in others]
    with pytest.raises(PatchError) as caught:
        check_signal({"B02": np.zeros((2, 2), np.uint16)})
    assert said == [f"warning: {empty.name} is left out: {caught.value}"]


def test_an_offset_is_added_to_optical_bands_before_anything(few: Path, s1_root: Path) -> None:
    expected = predict_path(few, FakeServed("B02", "VV"), s1_root)
    for folder in few.iterdir():
        change_bands(folder, lambda values: values + np.uint16(1000))
    brighter = predict_path(few, FakeServed("B02", "VV"), s1_root)
    assert brighter[CLASSES[0]].to_numpy() == pytest.approx(expected[CLASSES[0]].to_numpy() + 1000)
    pd.testing.assert_frame_equal(predict_path(few, FakeServed("B02", "VV"), s1_root, offset=-1000), expected)


@pytest.mark.parametrize(("offset", "mean"), [(-500, (0 + 300) / 2), (65000, (65400 + 65535) / 2)])
def test_an_offset_ends_at_the_limits_of_the_dtype(few: Path, offset: int, mean: float) -> None:
    for folder in few.iterdir():
        change_bands(folder, lambda values: (400 + 400 * (np.indices(values.shape)[2] % 2)).astype(values.dtype))
    assert predict_path(few, FakeServed("B02"), None, offset=offset)[CLASSES[0]].tolist() == [mean] * 3


def test_a_patch_that_an_offset_takes_to_0_is_left_out(few: Path, said: list[str]) -> None:
    with pytest.raises(ArchiveError, match="none of the 3 patches"):
        predict_path(few, FakeServed("B02"), None, offset=-65535)
    reasons = [line.split(": ")[-2:] for line in said if "is left out" in line]  # other words are said once per process
    assert reasons == [["every pixel is 0", "nodata"]] * 3


@pytest.mark.parametrize(
    ("bands", "words"), [(("R", "G", "B"), r"R \(uint8\), G \(uint8\), B \(uint8\)"), (("VV", "VH"), "VV, VH")]
)
def test_an_offset_is_refused_where_there_are_no_digital_numbers(
    s1_root: Path, tmp_path: Path, bands: tuple[str, ...], words: str
) -> None:
    draw_image(tmp_path / "images" / "one.png", 40)
    path = tmp_path / "images" if "R" in bands else s1_root
    with pytest.raises(LandscribeError, match=f"this one takes {words}. Leave --offset out"):
        predict_path(path, FakeServed(*bands), None, offset=1000)
    assert len(predict_path(path, FakeServed(*bands), None))  # as advised


def test_reflectances_are_left_out_with_a_sentence_that_helps(few: Path, said: list[str]) -> None:
    expected = predict_path(few, FakeServed("B02"), None)
    for folder in few.iterdir():
        change_bands(folder, lambda values: values.astype(np.float32) / 10_000)
    with pytest.raises(ArchiveError, match="none of the 3 patches"):
        predict_path(few, FakeServed("B02"), None)
    assert all("Store digital numbers, 10,000 times the reflectance, as uint16" in line for line in said)
    for folder in few.iterdir():  # as advised
        change_bands(folder, lambda values: np.rint(10_000 * values).astype(np.uint16))
    pd.testing.assert_frame_equal(predict_path(few, FakeServed("B02"), None), expected)


def test_patches_out_of_range_are_counted_in_one_line(few: Path, said: list[str]) -> None:
    _, bright, other = sorted(few.iterdir())
    for folder in (bright, other):
        change_bands(folder, lambda values: values + np.uint16(_BRIGHT))
    served = FakeServed("B02")
    table = predict_path(few, served, None)
    assert table["warning"].tolist() == ["", "bright", "bright"]
    assert said == [
        f"warning: 2 of 3 patches are out of the range of the train split: column `warning`; e.g. {bright.name}: bright"
    ]
    served.warns = False
    assert list(predict_path(few, served, None).columns) == list(table.columns[:-1])
    assert len(said) == 1


def test_sentinel_1_bands_come_from_the_twin(few: Path, s1_root: Path) -> None:
    optical = predict_path(few, FakeServed("B02"), None)
    both = predict_path(few, FakeServed("B02", "VV"), s1_root)
    assert both[CLASSES[0]].tolist() == optical[CLASSES[0]].tolist()
    assert (both[CLASSES[1]] < 0).all()  # decibels


@pytest.mark.parametrize("bands", [("VV", "VH"), ("B02", "VV")])
def test_sentinel_1_bands_need_the_folder_of_the_twins(few: Path, bands: tuple[str, ...]) -> None:
    with pytest.raises(ArchiveError, match=r"--s1-root"):
        predict_path(few, FakeServed(*bands), None)


def test_a_model_of_sentinel_1_alone_takes_patch_folders_too(few: Path, s1_root: Path) -> None:
    table = predict_path(few, FakeServed("VV", "VH"), s1_root)
    row = table.iloc[[1]].reset_index(drop=True)
    pd.testing.assert_frame_equal(predict_path(few / row["patch_id"].item(), FakeServed("VV", "VH"), s1_root), row)


def test_a_model_that_can_do_without_a_sensor_takes_folders_of_the_other_alone(
    few: Path, s1_root: Path, said: list[str]
) -> None:
    whole, optical, radar = ("B02", "VV"), ("B02",), ("VV",)
    served = FakeServed(*whole, optional={"S1": {"VV": -12.0}, "S2": {"B02": 900.0}})
    for path, twins, bands in ((few, s1_root, whole), (few, None, optical), (s1_root, None, radar)):
        pd.testing.assert_frame_equal(predict_path(path, served, twins), predict_path(path, FakeServed(*bands), twins))
    assert said == [
        f"warning: without the bands of {lost}: the train mean replaces them" for lost in ("S1 (VV)", "S2 (B02)")
    ]


def test_an_unreadable_patch_is_said_and_left_out(few: Path, said: list[str]) -> None:
    first, second, third = sorted(folder.name for folder in few.iterdir())
    (few / first / f"{first}_B02.tif").write_bytes(b"II*\0 cut short")
    (few / third / f"{third}_B02.tif").unlink()
    assert predict_path(few, FakeServed("B02"), None)["patch_id"].tolist() == [second]
    assert len(said) == 2
    for words, name in zip(said, (first, third), strict=True):
        assert words.startswith(f"warning: {name} is left out: ")


def test_a_patch_without_its_twin_is_said_and_left_out(
    few: Path, s1_root: Path, tmp_path: Path, said: list[str]
) -> None:
    twins = read_twin_names(s1_root)
    first, *others = sorted(folder.name for folder in few.iterdir())
    for name in others:
        shutil.copytree(s1_root / twins[name], tmp_path / "s1" / twins[name])
    assert predict_path(few, FakeServed("VV"), tmp_path / "s1")["patch_id"].tolist() == others
    assert [words.split()[1] for words in said] == [first]


def test_nothing_readable_is_an_error(few: Path, tmp_path: Path) -> None:
    for folder in few.iterdir():
        (folder / f"{folder.name}_B02.tif").unlink()
    with pytest.raises(ArchiveError, match="none of the 3 patches could be read"):
        predict_path(few, FakeServed("B02"), None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArchiveError, match="found none of them"):
        predict_path(tmp_path / "empty", FakeServed("B02"), None)
    with pytest.raises(ArchiveError, match=r"expected \.jpg"):
        predict_path(tmp_path / "empty", FakeServed("R", "G", "B"), None)
    (tmp_path / "file").touch()
    with pytest.raises(ArchiveError, match="is no folder"):
        predict_path(tmp_path / "file", FakeServed("B02"), None)


def test_images_of_any_size_get_a_row_each_in_order(tmp_path: Path) -> None:
    sizes = [(16, 16), (9, 20), (9, 20), (16, 16), (30, 30)]
    for number, size in enumerate(sizes):
        draw_image(tmp_path / "images" / f"image.{number}.png", 10 + number, size)
    (tmp_path / "images" / "readme.txt").write_text("no image")
    table = predict_path(tmp_path / "images", FakeServed("B", "R"), None)
    assert table["patch_id"].tolist() == [f"image.{number}" for number in range(5)]
    assert table[CLASSES[0]].tolist() == [3 * (10 + number) for number in range(5)]  # blue first: by name
    assert table[CLASSES[1]].tolist() == [10 + number for number in range(5)]
    alone = predict_path(tmp_path / "images" / "image.1.png", FakeServed("B", "R"), None)
    pd.testing.assert_frame_equal(alone, table.iloc[[1]].reset_index(drop=True))


def test_images_that_do_not_fit_are_said_and_left_out(tmp_path: Path, said: list[str]) -> None:
    draw_image(tmp_path / "images" / "good.jpg", 40)
    (tmp_path / "images" / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    Image.fromarray(np.full((16, 16), 999, np.uint16)).save(tmp_path / "images" / "deep.png")
    assert predict_path(tmp_path / "images", FakeServed("R", "G", "B"), None)["patch_id"].tolist() == ["good"]
    assert [words.split()[1] for words in said] == ["broken", "deep"]
    assert "uint16" in said[1]
    deep = predict_path(tmp_path / "images", FakeServed("R", "G", "B", dtype="uint16"), None)
    assert deep["patch_id"].tolist() == ["deep"]


def test_planets_four_bands_are_named_by_planets_order(tmp_path: Path, said: list[str]) -> None:
    images, _ = write_planet_tiffs(tmp_path, num_images=5)
    draw_image(images / "picture.png", 40)  # has no infrared
    table = predict_path(images, FakeServed("NIR", "R", dtype="uint16"), None)
    assert table["patch_id"].tolist() == [f"train_{number}" for number in range(5)]
    for _, row in table.iterrows():
        with rasterio.open(images / f"{row['patch_id']}.tif") as dataset:
            assert [row[name] for name in CLASSES] == [pytest.approx(dataset.read(place).mean()) for place in (4, 3)]
    missing, assumed = said
    assert "band NIR is missing" in missing
    assert "train_0.tif does not mark its colours; it and others like it are read as B,G,R,NIR" in assumed


def test_the_order_given_decides_what_planets_order_would_and_is_no_matter_of_warning(
    tmp_path: Path, said: list[str]
) -> None:
    images, _ = write_planet_tiffs(tmp_path, num_images=3)
    planet = predict_path(images, FakeServed("B", "NIR", dtype="uint16"), None)
    said.clear()
    turned = predict_path(images, FakeServed("NIR", "B", dtype="uint16"), None, ["NIR", "R", "G", "B"])
    pd.testing.assert_frame_equal(turned, planet)
    assert said == []
    unmarked = {"driver": "GTiff", "width": 16, "height": 16, "count": 3, "dtype": "uint16", "crs": "EPSG:32720"}
    for name in ("a", "b"):
        with rasterio.open(
            images / f"{name}.tif", "w", transform=rasterio.Affine(3, 0, 0, 0, -3, 0), **unmarked
        ) as new:
            new.write(np.full((3, 16, 16), 7, np.uint16))
    predict_path(images, FakeServed("R", dtype="uint16"), None, ["NIR", "R", "G", "B"])
    assert ["a.tif does not mark its colours; it and others like it are read as R,G,B." in words for words in said] == [
        True
    ]


def test_sentinel_1_alone_is_read_without_twins_in_both_releases(
    demo_root: Path, s1_root: Path, tmp_path: Path, said: list[str]
) -> None:
    """All patches, one scene or one patch; the rows are those of the twins, under the names of the folders."""
    served, parts = FakeServed("VH", "VV"), write_v2_archive(demo_root, tmp_path)
    twins = read_twin_names(s1_root)
    table = predict_path(s1_root, served, None)
    assert table["patch_id"].tolist() == sorted(folder.name for folder in s1_root.iterdir())
    by_twin = predict_path(demo_root / "BigEarthNet-v1.0", served, s1_root)
    by_twin["patch_id"] = by_twin["patch_id"].map(twins)
    pd.testing.assert_frame_equal(table, by_twin.sort_values("patch_id", ignore_index=True))
    whole = predict_path(parts.s1_root, served, None)
    expected = table[table["patch_id"].isin(whole["patch_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(whole, expected)
    scene = next(parts.s1_root.iterdir())
    of_scene = predict_path(scene, served, None)
    pd.testing.assert_frame_equal(of_scene, whole[whole["patch_id"].str.startswith(scene.name)].reset_index(drop=True))
    for folder in (scene / of_scene["patch_id"][0], s1_root / of_scene["patch_id"][0]):
        pd.testing.assert_frame_equal(predict_path(folder, served, None), of_scene.iloc[[0]])
    assert len(whole) == sum(1 for _ in parts.s1_root.glob("*/*"))
    assert said == []


@pytest.mark.parametrize("bands", [("B02",), ("B02", "VV")])
def test_sentinel_1_patches_are_no_food_for_a_model_of_sentinel_2(s1_root: Path, bands: tuple[str, ...]) -> None:
    with pytest.raises(ArchiveError, match=f"holds Sentinel-1 patches; this model takes {', '.join(bands)}: name"):
        predict_path(s1_root, FakeServed(*bands), s1_root)


def test_strays_beside_the_patches_change_nothing(demo_root: Path, few: Path, s1_root: Path, tmp_path: Path) -> None:
    parts = write_v2_archive(demo_root, tmp_path / "v2")
    for root, twins in ((few, s1_root), (parts.root, parts.s1_root), (next(parts.root.iterdir()), parts.s1_root)):
        clean = predict_path(root, FakeServed("B02", "VV"), twins)
        for stray in (".cache", "Trash", "S2"):
            (root / stray).mkdir()
            (root / stray / f"{stray}_B02.tif").touch()
        (root / ".DS_Store").touch()
        pd.testing.assert_frame_equal(predict_path(root, FakeServed("B02", "VV"), twins), clean)


def test_folders_of_other_names_are_patches_where_they_hold_bands_and_no_known_name_is_there(few: Path) -> None:
    expected = predict_path(few, FakeServed("B02"), None)[list(CLASSES)]
    for number, folder in enumerate(sorted(few.iterdir())):
        (folder / f"{folder.name}_B02.tif").rename(folder / f"field{number}_B02.tif")
        folder.rename(few / f"field{number}")
    (few / ".cache").mkdir()
    table = predict_path(few, FakeServed("B02"), None)
    assert table["patch_id"].tolist() == ["field0", "field1", "field2"]
    pd.testing.assert_frame_equal(table[list(CLASSES)], expected)


def test_a_wrong_folder_of_twins_is_said_in_words_of_the_command(few: Path, demo_root: Path, tmp_path: Path) -> None:
    v2 = write_v2_archive(demo_root, tmp_path / "v2").root
    for path in (few, v2):
        for wrong in (tmp_path / "absent", few):
            with pytest.raises(ArchiveError, match="--s1-root") as caught:
                predict_path(path, FakeServed("VV"), wrong)
            assert "archive." not in str(caught.value)


def test_patches_of_v2_get_the_rows_of_the_v1_patches_they_are_of(demo_root: Path, tmp_path: Path) -> None:
    """All tiles, one tile or one patch; files in `.tif` and `.tiff`; twins by the metadata beside their folder."""
    parts = write_v2_archive(demo_root, tmp_path)
    served = FakeServed("B02", "VH")
    names = {row["patch_id"]: row["s2v1_name"] for row in read_metadata(parts.label_files).to_pylist()}
    whole = predict_path(parts.root, served, parts.s1_root)
    assert whole["patch_id"].tolist() == sorted(names)
    v1 = predict_path(demo_root / "BigEarthNet-v1.0", served, demo_root / "BigEarthNet-S1-v1.0").set_index("patch_id")
    v1 = v1.loc[[names[name] for name in whole["patch_id"]]].reset_index(drop=True)
    pd.testing.assert_frame_equal(whole.drop(columns="patch_id"), v1)
    folder = parts.root / whole["patch_id"][0].rsplit("_", 2)[0]
    tile = predict_path(folder, served, parts.s1_root)
    pd.testing.assert_frame_equal(tile, whole[whole["patch_id"].str.startswith(folder.name)])
    patch = predict_path(folder / whole["patch_id"][0], served, parts.s1_root)
    pd.testing.assert_frame_equal(patch, whole.iloc[[0]])
    with pytest.raises(ArchiveError, match=r"expected BigEarthNet-S1 with metadata\.parquet beside it"):
        predict_path(folder, served, next(parts.s1_root.iterdir()))


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    draw_image(tmp_path / "images" / "one.jpg", 40)
    draw_image(tmp_path / "images" / "one.png", 50)
    with pytest.raises(ArchiveError, match=r"one\.jpg and one\.png"):
        predict_path(tmp_path / "images", FakeServed("R", "G", "B"), None)


@pytest.fixture
def table() -> pd.DataFrame:
    """Two predictions, one without a label."""
    rows = [["a", 0.25, 0.75, list(CLASSES)], ["b", 1 / 3, 0.1, []]]
    return pd.DataFrame(rows, columns=["patch_id", *CLASSES, "labels"])


def test_csv_joins_the_labels(table: pd.DataFrame, tmp_path: Path) -> None:
    write_predictions(table, tmp_path / "labels.csv")
    header, *_ = (tmp_path / "labels.csv").read_text().splitlines()
    assert header == 'patch_id,"Beaches, dunes, sands",water,labels'
    read = pd.read_csv(tmp_path / "labels.csv", keep_default_na=False)
    assert read["labels"].tolist() == ["Beaches, dunes, sands;water", ""]
    pd.testing.assert_frame_equal(read.drop(columns="labels"), table.drop(columns="labels"))


def test_parquet_keeps_the_labels_as_lists(table: pd.DataFrame, tmp_path: Path) -> None:
    write_predictions(table, tmp_path / "labels.parquet")
    read = pd.read_parquet(tmp_path / "labels.parquet")
    assert list(read.columns) == list(table.columns)
    assert [list(labels) for labels in read["labels"]] == table["labels"].tolist()
    pd.testing.assert_frame_equal(read.drop(columns="labels"), table.drop(columns="labels"))


def test_another_suffix_is_refused(table: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(LandscribeError, match=r"ends in \.csv or \.parquet"):
        write_predictions(table, tmp_path / "labels.xlsx")
    assert not list(tmp_path.iterdir())


class ImageServed(FakeServed):
    """Stands for a model of images of any bands, registered with what nodata becomes."""

    def __init__(self, kind: Kind, max_nodata_fraction: float = 0.5) -> None:
        self._card = make_image_card(kind, max_nodata_fraction)
        self.num_patches, self.warns = [], False

    @property
    def metadata(self) -> SimpleNamespace:
        """As MLflow has it."""
        facts = {name: getattr(self._card, name) for name in ("bands", "optional", "resamples", "max_nodata_fraction")}
        signature = make_signature(self._card)
        return SimpleNamespace(signature=signature, get_input_schema=lambda: signature.inputs, metadata=facts)


def make_image_card(kind: Kind, max_nodata_fraction: float) -> ModelCard:
    """Return the card of a model of the bands of `kind`, of which nodata is -1 or 1."""
    fill = -1.0 if kind.dtype == "float32" else 1.0
    return ModelCard(
        bands={name: {"size_px": SIZE_PX, "dtype": kind.dtype, "fill": fill} for name in kind.bands},
        classes=CLASSES,
        nomenclature="discovered",
        backbone="x",
        resamples=True,
        max_nodata_fraction=max_nodata_fraction,
    )


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("name", KINDS)
def test_bands_of_any_name_are_found_by_description_or_by_the_order_given(
    tmp_path: Path, name: str, said: list[str]
) -> None:
    kind = KINDS[name]
    (tmp_path / "described").mkdir()
    write_folder(tmp_path, kind, num_images=3)
    for number in range(3):
        places = np.random.default_rng(number).permutation(len(kind.bands))
        described = [kind.bands[place] for place in places]
        write_raster(tmp_path / f"described/patch_{number}.tif", draw_values(kind, number)[places], described)
    by_order = predict_path(tmp_path / "images", ImageServed(kind), None, list(kind.bands))
    pd.testing.assert_frame_equal(predict_path(tmp_path / "described", ImageServed(kind), None), by_order)
    for number, row in enumerate(by_order.itertuples(index=False)):
        values = draw_values(kind, number).astype(np.float64)
        assert row[1:3] == pytest.approx((values[0].mean(), values[-1].mean()), rel=1e-6)
    assert said == []
    if name != "16 bit":  # Planet's order stands by for four bands
        with pytest.raises(ArchiveError, match="none of the 3 patches"):
            predict_path(tmp_path / "images", ImageServed(kind), None)
        assert f"Name the {len(kind.bands)} band(s), in the order of the file, in archive.band_order" in said[0]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("size_px", [SIZE_PX, 2 * SIZE_PX])
@pytest.mark.parametrize("name", ["UAV", "16 bit"])
def test_nodata_is_what_the_conversion_makes_of_it_whatever_its_value(
    tmp_path: Path, name: str, size_px: int, said: list[str]
) -> None:
    kind, fill = KINDS[name], -1 if name == "UAV" else 1
    values = draw_values(kind, 0, size_px)
    edge, half = np.zeros((2, size_px, size_px), np.bool_)
    edge[: size_px // 4], half[:, : 3 * size_px // 4] = True, True
    tables = []
    for nodata in (0, 77):
        folder = tmp_path / str(nodata)
        folder.mkdir()
        for stem, where in (("edge", edge), ("half", half)):
            filled = np.where(where, np.array(nodata, kind.dtype), values)
            write_raster(folder / f"{stem}.tif", filled, kind.bands, nodata=nodata)
        tables.append(predict_path(folder, ImageServed(kind), None))
    pd.testing.assert_frame_equal(*tables)
    assert tables[0]["patch_id"].tolist() == ["edge"]
    assert re.search("half is left out: (75|69)% of the pixels are nodata; at most 50% are tolerated", said[-1])
    if size_px == SIZE_PX:
        assert tables[0][CLASSES[0]][0] == pytest.approx(
            np.where(edge, fill, values[0]).mean(dtype=np.float64), rel=1e-5
        )


def test_the_folder_above_the_patches_is_answered_with_the_one_meant(demo_root: Path, tmp_path: Path) -> None:
    served = FakeServed("B02", "VV")
    write_v2_archive(demo_root, tmp_path / "v2")
    for path in (demo_root, demo_root.parent, tmp_path / "v2"):
        with pytest.raises(ArchiveError) as caught:
            predict_path(path, served, None)
        found = re.search(r"Name (\S+), and with --s1-root (\S+) where", str(caught.value))
        assert found
        assert len(predict_path(Path(found[1]), served, Path(found[2]))) > 50


def test_images_are_found_in_sub_folders_and_keep_their_names(tmp_path: Path) -> None:
    root = tmp_path / "images"
    for name in ("forest/f1.png", "forest/f2.png", "water/w1.png", "w3.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        draw_image(root / name, 40)
    served = FakeServed("R", "G", "B")
    assert sorted(predict_path(root, served, None)["patch_id"]) == ["f1", "f2", "w1", "w3"]
    draw_image(root / "water/f1.png", 50)
    table = predict_path(root, served, None).set_index("patch_id")[CLASSES[0]]
    assert table.to_dict() == {"forest/f1": 40, "forest/f2": 40, "water/f1": 50, "water/w1": 40, "w3": 40}
    draw_image(root / "water/f1.jpg", 50)
    with pytest.raises(ArchiveError, match=r"water/f1\.jpg and water/f1\.png share one name; keep one"):
        predict_path(root, served, None)


def test_bands_are_no_images(demo_root: Path) -> None:
    with pytest.raises(ArchiveError, match="holds patches of BigEarthNet; this model takes R, G, B of images"):
        predict_path(demo_root, FakeServed("R", "G", "B", dtype="uint16"), None)
