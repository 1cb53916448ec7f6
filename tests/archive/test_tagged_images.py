"""A folder of images and a CSV of tags: every image once, every quirk counted, every mistake named."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from landscribe.archive.image import PLANET_BAND_ORDER
from landscribe.archive.image_files import find_images
from landscribe.archive.tagged_images import TaggedImages
from landscribe.core.bands import Band
from landscribe.core.errors import ArchiveError, ParamsError, PatchError
from landscribe.core.name_lists import read_names
from tests.support import fake_images
from tests.support.paths import ROOT

DOCUMENTED = (ROOT / "docs/archive_quirks.md").read_text(encoding="utf-8")
TAGS = {"beach01": "sand sea", "beach02": "sand", "forest07": "trees", "v1.2": "cars pavement"}


def make_image(path: Path, size: tuple[int, int] = (16, 16), mode: str = "RGB", **options: Any) -> None:
    """Write an image of random pixels, (columns, rows) large."""
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(path, **options)


def make_deep_image(path: Path) -> None:
    """Write a 16-bit RGB GeoTIFF of 16 x 16 px."""
    pixels = np.random.default_rng(0).integers(0, 65536, (3, 16, 16), np.uint16)
    profile = {"driver": "GTiff", "width": 16, "height": 16, "count": 3, "dtype": "uint16", "photometric": "RGB"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **profile) as dataset:
            dataset.write(pixels)


@pytest.fixture
def archive(tmp_path: Path) -> TaggedImages:
    """Four sound JPEG images and their CSV."""
    (tmp_path / "images").mkdir()
    for name in TAGS:
        make_image(tmp_path / "images" / f"{name}.jpg")
    write_tags(tmp_path / "tags.csv", TAGS)
    return TaggedImages(tmp_path / "images", tmp_path / "tags.csv", PLANET_BAND_ORDER)


def labels_file(archive: TaggedImages) -> Path:
    """Return the table of an archive that has one."""
    assert archive.labels_file is not None
    return archive.labels_file


def write_tags(path: Path, tags: dict[str, str]) -> None:
    """Write the CSV in the form of the Planet contest."""
    rows = [f"{name},{words}" for name, words in tags.items()]
    path.write_text("\n".join(["image_name,tags", *rows]) + "\n", encoding="utf-8")


def make_bands(size_px: int, dtype: str = "uint8", names: Sequence[str] = "RGB") -> list[Band]:
    """Return R, G and B (or those named), resolved."""
    return [Band(name=name, resolution_m=None, size_px=size_px, dtype=dtype) for name in names]


def test_every_image_is_listed_once_with_its_tags(archive: TaggedImages) -> None:
    listing = archive.read_listing()
    patches = listing.patches.to_pylist()
    assert {row["patch_id"]: " ".join(row["labels"]) for row in patches} == TAGS
    assert [row["patch_id"] for row in patches] == sorted(TAGS)
    assert {(row["dtype"], row["rows_px"], row["columns_px"], row["epsg"]) for row in patches} == {
        ("uint8", 16, 16, None)
    }
    assert [name for name, _ in archive.iter_units()] == [f"{name}.jpg" for name in sorted(TAGS)]
    assert +listing.quirks == {}


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: text.replace(",", ".jpg,").replace("image_name.jpg", "image_name"),
        lambda text: text.replace(",", ".JPG,").replace("image_name.JPG", "image_name"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: "\n".join(",".join([*line.split(",")][::-1]) for line in text.splitlines()),
        lambda text: "\n".join(f"7,{line}" for line in text.splitlines()).replace("7,i", "number,i"),
        lambda text: text.replace(" ", "  "),
        lambda text: "\n".join([text.splitlines()[0], *text.splitlines()[:0:-1]]),
    ],
    ids=["extension", "EXTENSION", "byte order mark", "Windows", "blank lines", "columns swapped", "a third column",
         "two spaces", "rows turned round"],
)  # fmt: skip
def test_spellings_of_the_csv_are_one_listing(archive: TaggedImages, rewrite: Callable[[str], str]) -> None:
    expected = archive.read_listing()
    text = rewrite(labels_file(archive).read_text(encoding="utf-8"))
    labels_file(archive).write_bytes(text.encode())
    assert archive.read_listing() == expected


def test_an_image_without_a_tag_is_listed_without_labels(archive: TaggedImages) -> None:
    write_tags(labels_file(archive), TAGS | {"beach01": "", "beach02": "cars"})
    assert archive.read_listing().patches["labels"][0].as_py() == []


def test_quirks_are_counted(archive: TaggedImages) -> None:
    root = archive.root
    tags = dict(TAGS)
    for name, mode in {"grey.jpg": "L", "cmyk.jpg": "CMYK", "alpha.png": "RGBA", "palette.png": "P"}.items():
        make_image(root / name, mode=mode)
        tags[name.split(".")[0]] = "sand"
    make_image(root / "wrong.jpg", format="PNG")
    make_deep_image(root / "deep.tif")
    write_tags(labels_file(archive), tags | {"wrong": "sand", "deep.tif": "sand"})
    make_image(root / "extra.jpg")
    for stray in (".DS_Store", "Thumbs.db", "._beach01.jpg", "notes.txt"):
        (root / stray).write_bytes(b"\0")
    (root / "folder").mkdir()
    listing = archive.read_listing()
    assert listing.patches.num_rows == 10
    assert listing.quarantined == []
    assert {row["patch_id"] for row in listing.patches.to_pylist() if row["dtype"] == "uint16"} == {"deep"}
    assert dict(+listing.quirks) == {
        "stray-file": 4,
        "image-without-tags": 1,
        "grey-image": 1,
        "cmyk-image": 1,
        "rgba-image": 1,
        "palette-image": 1,
        "mislabelled-image": 1,
    }
    assert all(f"| `{name}` |" in DOCUMENTED for name in listing.quirks)


@pytest.mark.parametrize(
    "damage", [b"", b"<html>404</html>", b"\xff\xd8\xff\xe0\0\x10JFIF", b"\x89PNG\r\n\x1a\n", b"II*\0"]
)
def test_a_corrupt_image_is_quarantined_at_listing(archive: TaggedImages, damage: bytes) -> None:
    (archive.root / "beach02.jpg").write_bytes(damage)
    listing = archive.read_listing()
    assert [bad.patch_id for bad in listing.quarantined] == ["beach02"]
    assert "beach02.jpg" in listing.quarantined[0].reason
    assert listing.patches["patch_id"].to_pylist() == sorted(set(TAGS) - {"beach02"})


def test_a_truncated_image_is_refused_when_its_pixels_are_read(archive: TaggedImages) -> None:
    path = archive.root / "beach02.jpg"
    make_image(path, (64, 64))
    path.write_bytes(path.read_bytes()[:-1000])
    assert archive.read_listing().patches.num_rows == 4  # its header is whole
    with pytest.raises(PatchError, match=r"beach02\.jpg is unreadable"):
        archive.read_patch("beach02.jpg", None, make_bands(16))


# What is wrong with one image -> rows of the CSV, who is quarantined and why.
BAD_ROWS: dict[str, tuple[list[str], str, str]] = {
    "a name that leads out": (["../images/beach01,sand"], "tags.csv, line 6", "expected a plain name"),
    "an absolute name": (["/etc/passwd.jpg,sand"], "tags.csv, line 6", "received '/etc/passwd.jpg'"),
    "a name of another drive": (["c:\\b.jpg,sand"], "tags.csv, line 6", "expected a path from the folder"),
    "a name out of a folder": (["a\\..\\..\\b.jpg,sand"], "tags.csv, line 6", "expected a plain name"),
    "no name": ([",sand"], "tags.csv, line 6", "expected a plain name"),
    "two files of one name": (["two,sand"], "two", "two.jpg and two.png share one name; keep one"),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_what_concerns_one_image_quarantines_it_alone(archive: TaggedImages, kind: str) -> None:
    rows, patch_id, words = BAD_ROWS[kind]
    for name in ("two.jpg", "two.png"):
        make_image(archive.root / name)
    with labels_file(archive).open("a", encoding="utf-8") as stream:
        stream.write("\n".join(rows) + "\n")
    listing = archive.read_listing()
    (bad,) = listing.quarantined
    assert bad.patch_id == patch_id
    assert words in bad.reason
    assert listing.patches["patch_id"].to_pylist() == sorted(set(TAGS) - {patch_id})
    assert listing.quirks["image-without-tags"] == (0 if patch_id == "two" else 2)
    assert len(list(archive.iter_units())) == len(TAGS) + 2


def test_a_csv_of_other_images_is_refused_before_one_is_read(archive: TaggedImages) -> None:
    write_tags(labels_file(archive), {f"gone{number}": "sand" for number in range(5)})
    for read in (archive.read_listing, lambda: list(archive.iter_units())):
        with pytest.raises(ArchiveError) as caught:
            read()
        for words in ("names 5 image(s), none of which", "'gone0', 'gone1', 'gone2'", str(archive.root)):
            assert words in str(caught.value)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="does not exist"):
        find_images(tmp_path / "absent")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ArchiveError, match="found none"):
        find_images(tmp_path)


@pytest.mark.parametrize("size", [(16, 16), (12, 20), (33, 16), (8, 8)])
def test_images_of_any_size_become_bands_of_one_size(archive: TaggedImages, size: tuple[int, int]) -> None:
    make_image(archive.root / "odd.png", size)
    write_tags(labels_file(archive), {"odd": "sand"})
    row = archive.read_listing().patches.to_pylist()[0]
    assert (row["columns_px"], row["rows_px"]) == size
    bands = archive.read_patch(row["path"], None, make_bands(16))
    assert {name: (values.shape, values.dtype.name) for name, values in bands.items()} == dict.fromkeys(
        "RGB", ((16, 16), "uint8")
    )


def test_bands_are_named_not_placed(archive: TaggedImages) -> None:
    make_image(archive.root / "exact.png")
    pixels = np.asarray(Image.open(archive.root / "exact.png"))
    blue_first = archive.read_patch("exact.png", None, make_bands(16)[::-1])
    assert list(blue_first) == ["B", "G", "R"]
    for place, name in enumerate("RGB"):
        np.testing.assert_array_equal(blue_first[name], pixels[..., place])


def test_an_image_of_another_depth_is_refused(archive: TaggedImages) -> None:
    make_deep_image(archive.root / "deep.tif")
    assert archive.read_patch("deep.tif", None, make_bands(16, "uint16"))["R"].dtype == np.uint16
    with pytest.raises(PatchError, match="expected uint8 values; received uint16"):
        archive.read_patch("deep.tif", None, make_bands(16))


def test_planets_tiffs_keep_their_infrared_and_bring_their_place(tmp_path: Path) -> None:
    images, labels_file = fake_images.write_planet_tiffs(tmp_path)
    archive = TaggedImages(images, labels_file, PLANET_BAND_ORDER)
    listing = archive.read_listing()
    assert listing.quarantined == []
    assert +listing.quirks == {"band-order-from-params": listing.patches.num_rows}
    assert all(f"| `{name}` |" in DOCUMENTED for name in listing.quirks)
    side_m = fake_images.SIZE_PX * fake_images.RESOLUTION_M
    for row in listing.patches.to_pylist():
        number = int(row["patch_id"].removeprefix("train_"))
        assert (row["dtype"], row["epsg"], row["size_m"]) == ("uint16", fake_images.EPSG, side_m)
        assert row["ulx_m"] == fake_images.CORNER_M[0] + number % fake_images.COLUMNS * side_m
        assert row["uly_m"] == fake_images.CORNER_M[1] - number // fake_images.COLUMNS * side_m
        bands = make_bands(fake_images.SIZE_PX, "uint16", ["R", "G", "B", "NIR"])
        values = archive.read_patch(row["path"], None, bands)
        with rasterio.open(images / row["path"]) as dataset:
            for name, place in {"B": 1, "G": 2, "R": 3, "NIR": 4}.items():
                np.testing.assert_array_equal(values[name], dataset.read(place), strict=True)


def test_infrared_is_missing_in_an_image_of_three_bands(archive: TaggedImages) -> None:
    with pytest.raises(PatchError, match=r"band NIR is missing: beach01\.jpg holds R, G, B"):
        archive.read_patch("beach01.jpg", None, make_bands(16, names=["R", "NIR"]))


@pytest.mark.parametrize("band_order", [("B", "G", "R", "N"), ("B", "B", "G", "R"), ()])
def test_an_impossible_band_order_is_refused_by_its_key(tmp_path: Path, band_order: tuple[str, ...]) -> None:
    with pytest.raises(ParamsError, match=r"archive\.band_order: expected"):
        TaggedImages(tmp_path, tmp_path / "tags.csv", band_order)


def test_uc_merced_is_listed_whole_and_its_lists_share_it_out(samples: Path) -> None:
    folder = samples / "ucmerced-multilabel"
    listing = TaggedImages(folder / "images", folder / "train.csv", PLANET_BAND_ORDER).read_listing()
    assert (listing.patches.num_rows, listing.quarantined, listing.excluded) == (1469, [], [])
    labels = listing.patches["labels"].to_pylist()
    assert len({tag for tags in labels for tag in tags}) == 17
    assert 3.2 < np.mean([len(tags) for tags in labels]) < 3.4
    lists = [read_names(folder / "lists" / f"{split}.csv") for split in ("train", "val", "test")]
    assert [len(names) for names in lists] == [1049, 105, 315]
    assert sorted(name for names in lists for name in names) == listing.patches["patch_id"].to_pylist()
