"""One image of any colour model: the same picture gives the same bands."""

import contextlib
import random
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine

from landscribe.archive.image import (
    PLANET_BAND_ORDER,
    ImageFacts,
    Square,
    inspect_image,
    read_image,
    resample,
)
from landscribe.archive.image_format import IMAGE_SUFFIXES
from landscribe.core.errors import PatchError

ROWS_PX, COLUMNS_PX = 24, 48
# Two colours, left and right, so that a flip, a turn or a swapped band shows; the border is one of JPEG's blocks of 8.
LEFT, RIGHT = (200, 40, 90), (10, 160, 220)


def make_picture() -> np.ndarray:
    """Return uint8 [row, column, RGB]."""
    picture = np.empty((ROWS_PX, COLUMNS_PX, 3), np.uint8)
    picture[:, : COLUMNS_PX // 2], picture[:, COLUMNS_PX // 2 :] = LEFT, RIGHT
    return picture


def make_deep() -> np.ndarray:
    """Return the picture as uint16 [row, column, RGB] with low bits that 8 bit would lose."""
    noise = np.random.default_rng(0).integers(0, 256, (ROWS_PX, COLUMNS_PX, 3), np.uint16)
    deep: np.ndarray = make_picture().astype(np.uint16) * 256 + noise
    return deep


def save(path: Path, mode: str = "RGB", **options: Any) -> None:
    """Write the picture with Pillow."""
    if "quality" in options:
        options["subsampling"] = 0  # colours at full resolution
    image = Image.fromarray(make_picture())
    (image.quantize(8) if mode == "P" else image.convert(mode)).save(path, **options)


def inspect(path: Path) -> ImageFacts:
    """Read the header, Planet's order standing by."""
    return inspect_image(path, PLANET_BAND_ORDER)


def read(path: Path, names: str = "RGB") -> np.ndarray:
    """Return bands of one letter as [row, column, band]."""
    return np.stack(list(read_image(path, list(names), PLANET_BAND_ORDER).values()), -1)


def save_raster(path: Path, values: np.ndarray, colours: list[ColorInterp] | None = None, **options: Any) -> None:
    """Write [row, column, band] with rasterio."""
    rows, columns, count = values.shape
    profile = {"width": columns, "height": rows, "count": count, "dtype": values.dtype, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **profile) as dataset:
            dataset.write(np.moveaxis(values, -1, 0))
            if colours:
                dataset.colorinterp = colours


COLOURS = [ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined]  # as Planet's 4 bands
# File name -> how it is written, and the quirk that is counted.
COLOURED: dict[str, tuple[Callable[[Path], None], str | None]] = {
    "a.jpg": (lambda path: save(path, quality=95), None),
    "b.JPEG": (lambda path: save(path, quality=95, progressive=True), None),
    "c.png": (save, None),
    "d.tif": (save, None),
    "e.tiff": (lambda path: save_raster(path, make_picture(), compress="deflate", photometric="RGB"), None),
    "plain.tif": (lambda path: save_raster(path, make_picture()), None),
    "unmarked.tif": (lambda path: save_raster(path, make_picture(), photometric="MINISBLACK"), "rgb-order-assumed"),
    "cmyk.jpg": (lambda path: save(path, "CMYK", quality=95), "cmyk-image"),
    "rgba.png": (lambda path: save(path, "RGBA"), "rgba-image"),
    "rgba.tif": (lambda path: save(path, "RGBA"), "rgba-image"),
    "palette.png": (lambda path: save(path, "P"), "palette-image"),
    "png.jpg": (lambda path: save(path, format="PNG"), "mislabelled-image"),
    "jpg.png": (lambda path: save(path, format="JPEG", quality=95), "mislabelled-image"),
    "tif.jpg": (lambda path: save(path, format="TIFF"), "mislabelled-image"),
    "marked.tif": (lambda path: save_raster(path, make_picture()[..., [2, 1, 0, 0]], COLOURS), None),
}


@pytest.mark.parametrize("name", COLOURED)
def test_one_picture_in_every_colour_model_reads_the_same(tmp_path: Path, name: str) -> None:
    write, quirk = COLOURED[name]
    write(tmp_path / name)
    facts = inspect(tmp_path / name)
    bands = ("R", "G", "B", "NIR") if name == "marked.tif" else ("R", "G", "B")
    assert facts == ImageFacts("uint8", ROWS_PX, COLUMNS_PX, None, (quirk,) if quirk else (), facts.bands)
    assert set(facts.bands) == set(bands)
    values = read(tmp_path / name)
    assert values.dtype == np.uint8
    np.testing.assert_allclose(values.astype(int), make_picture().astype(int), atol=4)  # JPEG is not exact


GREY: dict[str, Callable[[Path], None]] = {
    "a.jpg": lambda path: save(path, "L"),
    "b.png": lambda path: save(path, "L"),
    "c.tif": lambda path: save(path, "L"),
    "alpha.png": lambda path: save(path, "LA"),
    "alpha.tif": lambda path: save(path, "LA"),
    "black-and-white.png": lambda path: save(path, "1"),
    "deep.png": lambda path: save_raster(path, make_deep()[..., :1], driver="PNG"),
    "deep.tif": lambda path: save_raster(path, make_deep()[..., :1]),
}


@pytest.mark.parametrize("name", GREY)
def test_grey_is_repeated_into_three_bands(tmp_path: Path, name: str) -> None:
    GREY[name](tmp_path / name)
    facts, values = inspect(tmp_path / name), read(tmp_path / name)
    assert facts.quirks == ("grey-image",)
    assert values.shape == (facts.rows_px, facts.columns_px, 3) == (ROWS_PX, COLUMNS_PX, 3)
    assert (values[..., 0] == values[..., 1]).all()
    assert (values[..., 0] == values[..., 2]).all()
    assert values[..., 0].min() < values[..., 0].max()


DEEP: dict[str, Callable[[Path], None]] = {
    "rgb.png": lambda path: save_raster(path, make_deep(), driver="PNG"),
    "rgba.png": lambda path: save_raster(path, make_deep()[..., [0, 1, 2, 2]], driver="PNG"),
    "rgb.tif": lambda path: save_raster(path, make_deep(), photometric="RGB"),
    "unmarked.tif": lambda path: save_raster(path, make_deep()),
    "packed.tif": lambda path: save_raster(path, make_deep(), photometric="RGB", compress="lzw", interleave="band"),
    "marked.tif": lambda path: save_raster(path, make_deep()[..., [2, 1, 0, 0]], COLOURS),
    "big.tif": lambda path: save_raster(path, make_deep(), photometric="RGB", BIGTIFF="YES"),
    "big-endian.tif": lambda path: save_raster(path, make_deep(), photometric="RGB", ENDIANNESS="BIG"),
    "named-jpg.jpg": lambda path: save_raster(path, make_deep(), driver="PNG"),
}


@pytest.mark.parametrize("name", DEEP)
def test_sixteen_bits_stay_sixteen(tmp_path: Path, name: str) -> None:
    DEEP[name](tmp_path / name)
    facts, values = inspect(tmp_path / name), read(tmp_path / name)
    assert (facts.dtype, facts.rows_px, facts.columns_px) == ("uint16", ROWS_PX, COLUMNS_PX)
    assert values.dtype == np.uint16
    np.testing.assert_array_equal(values, make_deep())


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "received an empty file"),
    "unknown": (lambda path: path.write_bytes(b"abcdefghij"), "received bytes b'abcdefgh'. Fetch the file again"),
    "a web page": (lambda path: path.write_bytes(b"<html>404</html>"), "received a web page (HTML)"),
    "another format": (lambda path: save(path, format="GIF"), "expected JPEG, PNG, TIFF or JPEG 2000; received GIF"),
    "absent": (lambda path: None, "is unreadable: No such file"),
    "a folder": (lambda path: path.mkdir(), "is unreadable: Is a directory"),
    "a header alone": (lambda path: path.write_bytes(b"\xff\xd8\xff\xe0"), "is unreadable"),
    "three bands of floats": (
        lambda path: save_raster(path, make_deep().astype(np.float32), driver="GTiff"),
        "received gray, undefined, undefined of float32. Name the 3 band(s), in the order of the file,",
    ),
    "whole numbers of 32 bit": (
        lambda path: save_raster(path, make_deep().astype(np.int32), driver="GTiff"),
        "received int32. Convert a copy of it (rio convert --dtype float32 x.png copy.tif)",
    ),
    "two bands that nobody marked": (
        lambda path: save_raster(path, make_deep()[..., [0, 1]], driver="GTiff"),
        "received gray, undefined of uint16. Name the 2 band(s)",
    ),
    "five bands that nobody marked": (
        lambda path: save_raster(path, make_deep()[..., [0, 1, 2, 0, 0]], driver="GTiff"),
        "received gray, undefined, undefined, undefined, undefined of uint16. Name the 5 band(s)",
    ),
    "four bands, one of them alpha": (
        lambda path: save_raster(path, make_deep()[..., [0, 1, 2, 0]], driver="GTiff", alpha="YES"),
        "received gray, alpha, undefined, undefined of uint16. Name the 4 band(s)",
    ),
    "three bands, one of them alpha": (
        lambda path: save_raster(path, make_deep()[..., [0, 1, 2]], driver="GTiff", alpha="YES"),
        "(rio edit-info --colorinterp gray,undefined,undefined)",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_picture_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    make, words = REFUSED[kind]
    make(tmp_path / "x.png")
    for open_image in (inspect, read):
        with pytest.raises(PatchError) as caught:
            open_image(tmp_path / "x.png")
        assert words in str(caught.value)
        assert "x.png" in str(caught.value)
        assert "\n" not in str(caught.value)


RED, GREEN, BLUE, NIR = ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.nir
UNMARKED: dict[str, Any] = {"photometric": "MINISBLACK"}
# How R, G, B, NIR are stored, how the file marks them, and the quirk that is counted.
FOUR: dict[str, tuple[list[int], list[ColorInterp] | None, dict[str, Any], str | None]] = {
    "unmarked": ([2, 1, 0, 3], None, UNMARKED, "band-order-from-params"),
    "marked in Planet's order": ([2, 1, 0, 3], [BLUE, GREEN, RED, NIR], UNMARKED, None),
    "marked, infrared first": ([3, 0, 1, 2], [NIR, RED, GREEN, BLUE], UNMARKED, None),
    "marked, infrared left over": ([0, 1, 2, 3], None, {"photometric": "RGB", "alpha": "NO"}, None),
}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", FOUR)
def test_four_bands_are_known_by_their_marks_or_by_the_order_given(tmp_path: Path, kind: str, dtype: type) -> None:
    stored, colours, options, quirk = FOUR[kind]
    values: np.ndarray = np.random.default_rng(0).integers(0, 256, (ROWS_PX, COLUMNS_PX, 4)).astype(dtype)
    save_raster(tmp_path / "x.tif", values[..., stored], colours, **options)
    assert inspect(tmp_path / "x.tif").quirks == ((quirk,) if quirk else ())
    names = ["NIR", "R", "G", "B"]
    bands = read_image(tmp_path / "x.tif", names, PLANET_BAND_ORDER)
    assert list(bands) == names
    for name, place in zip(names, (3, 0, 1, 2), strict=True):
        np.testing.assert_array_equal(bands[name], values[..., place], strict=True)


def test_the_order_given_decides_what_is_not_marked_and_nothing_else(tmp_path: Path) -> None:
    values = make_deep()[..., [0, 1, 2, 0]]
    save_raster(tmp_path / "x.tif", values, **UNMARKED)
    assert (read_image(tmp_path / "x.tif", ["R"], ("R", "G", "B", "NIR"))["R"] == values[..., 0]).all()
    assert (read_image(tmp_path / "x.tif", ["R"], ("NIR", "R", "G", "B"))["R"] == values[..., 1]).all()
    save_raster(tmp_path / "rgb.tif", make_deep(), photometric="RGB")
    assert (read_image(tmp_path / "rgb.tif", ["R"], ("B", "G", "R"))["R"] == values[..., 0]).all()


@pytest.mark.parametrize("name", ["a.jpg", "c.png", "e.tiff", "rgba.tif", "rgba.png"])
def test_infrared_that_is_not_there_is_missing(tmp_path: Path, name: str) -> None:
    COLOURED[name][0](tmp_path / name)
    with pytest.raises(PatchError, match=f"band NIR is missing: {name} holds R, G, B"):
        read_image(tmp_path / name, ["R", "NIR"], PLANET_BAND_ORDER)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_infrared_under_the_mark_of_transparency_is_refused_with_the_remedy(tmp_path: Path, dtype: type) -> None:
    values: np.ndarray = make_deep()[..., [0, 1, 2, 0]].astype(dtype)
    save_raster(tmp_path / "x.tif", values, photometric="RGB", alpha="YES", transform=Affine(3, 0, 0, 0, -3, 0))
    with pytest.raises(PatchError, match=r"--colorinterp red,green,blue,nir\); else take NIR out of the bands"):
        read_image(tmp_path / "x.tif", ["NIR"], PLANET_BAND_ORDER)
    with rasterio.open(tmp_path / "x.tif", "r+") as dataset:  # what the command does
        dataset.colorinterp = [RED, GREEN, BLUE, NIR]
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif", ["NIR"], PLANET_BAND_ORDER)["NIR"], values[..., 3])


NORTH_UP = Affine(3, 0, 600_000, 0, -3, 9_600_000)
PLACES: dict[str, tuple[str, Affine, Square | None]] = {
    "UTM": ("EPSG:32720", NORTH_UP, Square(32720, 600_000, 9_600_000, 3 * ROWS_PX)),
    "degrees": ("EPSG:4326", Affine(1e-4, 0, -60, 0, -1e-4, -3), None),
    "feet": ("EPSG:2263", NORTH_UP, None),
    "turned": ("EPSG:32720", Affine(2.9, 0.7, 600_000, 0.7, -2.9, 9_600_000), None),
    "south up": ("EPSG:32720", Affine(3, 0, 600_000, 0, 3, 9_600_000), None),
    "oblong pixels": ("EPSG:32720", Affine(3, 0, 600_000, 0, -4, 9_600_000), None),
    "a system without a code": ("+proj=tmerc +lon_0=-61.3 +k=0.9 +datum=WGS84 +units=m", NORTH_UP, None),
}


@pytest.mark.parametrize("kind", PLACES)
def test_a_square_in_metres_has_a_place_and_no_other(tmp_path: Path, kind: str) -> None:
    crs, transform, square = PLACES[kind]
    save_raster(tmp_path / "x.tif", make_deep()[:, :ROWS_PX], photometric="RGB", crs=crs, transform=transform)
    assert inspect(tmp_path / "x.tif").square == square
    save_raster(tmp_path / "oblong.tif", make_deep(), photometric="RGB", crs=crs, transform=transform)
    assert inspect(tmp_path / "oblong.tif").square is None


WHOLE = {**{f"c-{name}": write for name, (write, _) in COLOURED.items()}, **{f"d-{n}": w for n, w in DEEP.items()}}


@pytest.mark.parametrize("name", WHOLE)
def test_a_truncated_image_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WHOLE[name](path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PatchError):
        read(path)


# GDAL's message may quote bytes of the file that are no text; rasterio then tells Python's last hook.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", WHOLE)
def test_no_damage_ends_in_anything_but_a_reason(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WHOLE[name](path)
    data, draw = path.read_bytes(), random.Random(name)
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(draw.choice([1, 3, 20])):
            damaged[draw.randrange(min(len(data), draw.choice([64, 400, len(data)])))] = draw.randrange(256)
        path.write_bytes(damaged)
        for open_image in (inspect, read):
            with contextlib.suppress(PatchError):
                open_image(path)


def test_a_png_with_a_damaged_chunk_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    save(path)
    head, _, tail = path.read_bytes().partition(b"IDAT")
    body, rest = tail[: int.from_bytes(head[-4:])], tail[int.from_bytes(head[-4:]) :]
    chunks = [len(part).to_bytes(4) + name + part for name, part in ((b"IDAT", body[:9]), (b"e@\1c", body[9:]))]
    path.write_bytes(head[:-4] + chunks[0] + zlib.crc32(chunks[0][4:]).to_bytes(4) + chunks[1] + rest)
    assert inspect(path).rows_px == ROWS_PX  # the damage stands behind the header
    with pytest.raises(PatchError, match=r"x\.png is unreadable"):
        read(path)


@pytest.mark.parametrize("name", ["c.png", "plain.tif"])
def test_an_image_that_claims_to_be_huge_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    # A damaged header can claim any size; memory must not be asked for it. Here the limit comes down instead.
    monkeypatch.setattr("landscribe.archive.image._MAX_PIXELS", ROWS_PX * COLUMNS_PX - 1)
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", ROWS_PX * COLUMNS_PX // 2 - 1)
    COLOURED[name][0](tmp_path / name)
    for open_image in (inspect, read):
        with pytest.raises(PatchError, match=r"1152|1,151"):
            open_image(tmp_path / name)


@pytest.mark.parametrize("name", ["plain.tif", "e.tiff", "palette.png"])
def test_images_need_not_lie_on_earth(tmp_path: Path, name: str) -> None:
    COLOURED[name][0](tmp_path / name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inspect(tmp_path / name)
        read(tmp_path / name)


def test_suffixes_are_written_small() -> None:
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in IMAGE_SUFFIXES)


@pytest.fixture(params=[np.uint8, np.uint16])
def values(request: pytest.FixtureRequest) -> np.ndarray:
    """Random values over the whole range of a dtype, [row, column]."""
    dtype: type[np.unsignedinteger] = request.param
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (24, 40), dtype, endpoint=True)


@pytest.mark.parametrize("size_px", [8, 24, 40, 97])
def test_resampling_keeps_dtype_range_and_symmetry(values: np.ndarray, size_px: int) -> None:
    resized = resample(values, size_px)
    assert resized.shape == (size_px, size_px)
    assert resized.dtype == values.dtype
    assert values.min() <= resized.min() <= resized.max() <= values.max()
    for flip in (np.flipud, np.fliplr):
        mirrored = resample(flip(values), size_px)
        np.testing.assert_allclose(mirrored.astype(float), flip(resized).astype(float), atol=1)


@pytest.mark.parametrize("size_px", [8, 24, 97])
@pytest.mark.parametrize("value", [0, 1, 254, 255])
def test_resampling_a_flat_image_changes_nothing(size_px: int, value: int) -> None:
    assert (resample(np.full((30, 50), value, np.uint8), size_px) == value).all()


def test_an_image_of_the_right_size_is_not_touched(values: np.ndarray) -> None:
    square = values[:, :24]
    assert resample(square, 24) is square


@pytest.mark.parametrize("size_px", [8, 23, 97])
def test_resampling_favours_neither_dark_nor_bright(values: np.ndarray, size_px: int) -> None:
    negative = np.iinfo(values.dtype).max - values
    both = resample(values, size_px).astype(int) + resample(negative, size_px)
    assert (both != np.iinfo(values.dtype).max).mean() < 0.02  # ties are rounded to even


def test_shrinking_averages_and_does_not_skip() -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 200
    assert abs(resample(stripes, 8).astype(int) - 100).max() <= 4
