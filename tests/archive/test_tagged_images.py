"""A folder of images and a CSV of tags: every image once, every quirk counted, every mistake named."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from landscribe.archive.tagged_images import TaggedImages, list_images, read_tags
from landscribe.bands import Band
from landscribe.errors import ArchiveError, PatchError
from landscribe.splits import Fractions, SplitConfig, make_splits

DOCUMENTED = (Path(__file__).resolve().parents[2] / "docs/archive_quirks.md").read_text(encoding="utf-8")
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
    return TaggedImages(tmp_path / "images", tmp_path / "tags.csv")


def write_tags(path: Path, tags: dict[str, str]) -> None:
    """Write the CSV in the form of the Planet contest."""
    rows = [f"{name},{words}" for name, words in tags.items()]
    path.write_text("\n".join(["image_name,tags", *rows]) + "\n", encoding="utf-8")


def make_bands(size_px: int, dtype: str = "uint8") -> list[Band]:
    """Return R, G and B, resolved."""
    return [Band(name=name, resolution_m=None, size_px=size_px, dtype=dtype) for name in "RGB"]


def test_every_image_is_listed_once_with_its_tags(archive: TaggedImages) -> None:
    listing = archive.read_listing()
    assert {entry.patch_id: " ".join(entry.labels) for entry in listing.entries} == TAGS
    assert [entry.patch_id for entry in listing.entries] == sorted(TAGS)
    assert {(entry.dtype, entry.rows_px, entry.columns_px) for entry in listing.entries} == {("uint8", 16, 16)}
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
    text = rewrite(archive.labels_file.read_text(encoding="utf-8"))
    archive.labels_file.write_bytes(text.encode())
    assert archive.read_listing() == expected


def test_an_image_without_a_tag_is_listed_without_labels(archive: TaggedImages) -> None:
    write_tags(archive.labels_file, TAGS | {"beach01": ""})
    assert archive.read_listing().entries[0].labels == ()


def test_quirks_are_counted(archive: TaggedImages) -> None:
    root = archive.root
    tags = dict(TAGS)
    for name, mode in {"grey.jpg": "L", "cmyk.jpg": "CMYK", "alpha.png": "RGBA", "palette.png": "P"}.items():
        make_image(root / name, mode=mode)
        tags[name.split(".")[0]] = "sand"
    make_image(root / "wrong.jpg", format="PNG")
    make_deep_image(root / "deep.tif")
    write_tags(archive.labels_file, tags | {"wrong": "sand", "deep.tif": "sand"})
    make_image(root / "extra.jpg")
    for stray in (".DS_Store", "Thumbs.db", "._beach01.jpg", "notes.txt"):
        (root / stray).write_bytes(b"\0")
    (root / "folder").mkdir()
    listing = archive.read_listing()
    assert len(listing.entries) == 10
    assert listing.quarantined == []
    assert {entry.patch_id for entry in listing.entries if entry.dtype == "uint16"} == {"deep"}
    assert dict(+listing.quirks) == {
        "stray-file": 5,
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
    assert [entry.patch_id for entry in listing.entries] == sorted(set(TAGS) - {"beach02"})


def test_a_truncated_image_is_refused_when_its_pixels_are_read(archive: TaggedImages) -> None:
    path = archive.root / "beach02.jpg"
    make_image(path, (64, 64))
    path.write_bytes(path.read_bytes()[:-1000])
    assert len(archive.read_listing().entries) == 4  # its header is whole
    with pytest.raises(PatchError, match=r"beach02\.jpg is unreadable"):
        archive.read_patch("beach02.jpg", None, make_bands(16))


def test_images_of_the_csv_that_are_absent_are_named_once_and_together(archive: TaggedImages) -> None:
    write_tags(archive.labels_file, TAGS | {f"gone{number}": "sand" for number in range(5)})
    with pytest.raises(ArchiveError) as caught:
        archive.read_listing()
    for words in ("names 5 image(s)", "'gone0', 'gone1', 'gone2'", str(archive.root)):
        assert words in str(caught.value)


MISTAKES: dict[str, tuple[bytes | None, str]] = {
    "absent": (None, "cannot be read"),
    "not UTF-8": (b"image_name,tags\n\xff,sand\n", "cannot be read"),
    "empty": (b"", "expected the columns image_name,tags; received ."),
    "no header": (b"beach01,sand sea\n", "received beach01,sand sea"),
    "other columns": (b"image,labels\nbeach01,sand\n", "received image,labels"),
    "semicolons": (b"image_name;tags\nbeach01;sand\n", "received image_name;tags"),
    "no rows": (b"image_name,tags\n", "the file has none"),
    "an image twice": (b"image_name,tags\nbeach01,sand\nbeach01.jpg,sea\n", "image 'beach01' stands on two rows"),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_in_the_csv_is_named(tmp_path: Path, kind: str) -> None:
    content, words = MISTAKES[kind]
    if content is not None:
        (tmp_path / "tags.csv").write_bytes(content)
    with pytest.raises(ArchiveError) as caught:
        read_tags(tmp_path / "tags.csv")
    assert words in str(caught.value)
    assert "tags.csv" in str(caught.value)


def test_two_images_of_one_name_are_refused(archive: TaggedImages) -> None:
    make_image(archive.root / "beach01.png")
    with pytest.raises(ArchiveError, match=r"beach01\.jpg and beach01\.png share one name"):
        archive.read_listing()


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="does not exist"):
        list_images(tmp_path / "absent")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ArchiveError, match="found none"):
        list_images(tmp_path)


@pytest.mark.parametrize("size", [(16, 16), (12, 20), (33, 16), (8, 8)])
def test_images_of_any_size_become_bands_of_one_size(archive: TaggedImages, size: tuple[int, int]) -> None:
    make_image(archive.root / "odd.png", size)
    write_tags(archive.labels_file, {"odd": "sand"})
    entry = archive.read_listing().entries[0]
    assert (entry.columns_px, entry.rows_px) == size
    bands = archive.read_patch(entry.path, None, make_bands(16))
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


def test_uc_merced_is_listed_whole_and_split_as_published(samples: Path) -> None:
    folder = samples / "ucmerced-multilabel"
    listing = TaggedImages(folder / "images", folder / "train.csv").read_listing()
    assert (len(listing.entries), listing.quarantined, listing.excluded) == (1469, [], [])
    assert len({tag for entry in listing.entries for tag in entry.labels}) == 17
    assert 3.2 < np.mean([len(entry.labels) for entry in listing.entries]) < 3.4
    config = SplitConfig(
        strategy="official",
        fractions=Fractions(val=0.1, test=0.1),
        files=[str(folder / "lists" / f"{split}.csv") for split in ("train", "val", "test")],
        seed=0,
    )
    splits = list(make_splits([entry.patch_id for entry in listing.entries], config).values())
    assert {split: splits.count(split) for split in splits} == {"train": 1049, "val": 105, "test": 315}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("image_name,tags\nbeach01,sea,sand\n", "separated by spaces"),
        ('image_name,tags\nbeach01,"sea\nbeach02,sand\n', "cannot be read"),
        ("image_name,tags,tags\nbeach01,sea,sand\n", "expected the columns"),
    ],
)
def test_a_csv_that_would_lose_tags_is_refused(archive: TaggedImages, content: str, words: str) -> None:
    archive.labels_file.write_text(content, encoding="utf-8")
    with pytest.raises(ArchiveError, match=words):
        archive.read_listing()
    with pytest.raises(ArchiveError, match=words):
        list(archive.iter_units())  # told before an image is read
