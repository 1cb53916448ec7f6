"""Rasters of any bands: every band under its right name, whatever its place, or a sentence whose remedy works."""

import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image, ImageOps
from rasterio.enums import ColorInterp

from landscribe.archive.image import PLANET_BAND_ORDER, inspect_image, read_image
from landscribe.archive.tagged_images import TaggedImages
from landscribe.core.errors import PatchError
from tests.support.fake_rasters import EUROSAT, KINDS, Kind, draw_values, write_folder, write_raster
from tests.support.paths import ROOT

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

QUIRKS = (ROOT / "docs/archive_quirks.md").read_text(encoding="utf-8")


def run_rio(folder: Path, words: str) -> None:
    """Run a command of rasterio as a sentence spells it."""
    code = "import sys; from rasterio.rio.main import main_group; main_group(sys.argv[1:])"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, *words.split()[1:]], cwd=folder, check=True)


def take_command(error: pytest.ExceptionInfo[PatchError]) -> str:
    """Return the command that a sentence names in brackets."""
    return str(error.value).rpartition("(rio")[2].partition(")")[0].join(["rio", ""])


@pytest.mark.parametrize("name", KINDS)
def test_an_order_given_names_the_bands_of_a_file_that_does_not(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]
    images, labels_file = write_folder(tmp_path, kind, num_images=3)
    listing = TaggedImages(images, labels_file, kind.bands).read_listing()
    assert listing.quarantined == []
    assert +listing.quirks == {"band-order-from-params": 3}
    for row in listing.patches.to_pylist():
        assert (row["dtype"], row["bands"]) == (kind.dtype, list(kind.bands))
        with rasterio.open(images / row["path"]) as dataset:
            read = read_image(images / row["path"], kind.bands[::-1], kind.bands)
            for place, band in enumerate(kind.bands, 1):
                np.testing.assert_array_equal(read[band], dataset.read(place), strict=True)


def test_the_real_eurosat_is_read_by_name(samples: Path) -> None:
    for path in sorted((samples / "eurosat-ms").glob("*.tif")):
        read = read_image(path, EUROSAT, EUROSAT)
        with rasterio.open(path) as dataset:
            for place, band in enumerate(EUROSAT, 1):
                np.testing.assert_array_equal(read[band], dataset.read(place), strict=True)
        with pytest.raises(PatchError, match="Name the 13 band"):
            inspect_image(path, PLANET_BAND_ORDER)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("spell", [str, str.lower, lambda text: f" {text} "], ids=["as it is", "small", "blanks"])
def test_descriptions_win_over_the_order_given(tmp_path: Path, name: str, spell: Callable[[str], str]) -> None:
    kind = KINDS[name]
    values, places = draw_values(kind, 0), np.random.default_rng(1).permutation(len(kind.bands))
    described = [spell(kind.bands[place]) for place in places]
    write_raster(tmp_path / "x.tif", values[places], described)
    for order in (kind.bands, PLANET_BAND_ORDER):
        read = read_image(tmp_path / "x.tif", kind.bands, order)
        for place, band in enumerate(kind.bands):
            np.testing.assert_array_equal(read[band], values[place], strict=True)
    assert inspect_image(tmp_path / "x.tif", kind.bands).quirks == ()


def test_colours_in_words_are_colours(tmp_path: Path) -> None:
    values = draw_values(KINDS["UAV"], 0)
    write_raster(tmp_path / "x.tif", values, ["Blue", "Green", "Red", "Red edge", "NIR"])
    read = read_image(tmp_path / "x.tif", ["R", "NIR", "red_edge"], PLANET_BAND_ORDER)
    for band, place in {"R": 2, "NIR": 4, "red_edge": 3}.items():
        np.testing.assert_array_equal(read[band], values[place])


def test_what_a_file_describes_in_part_may_not_contradict_the_order(tmp_path: Path) -> None:
    kind = KINDS["UAV"]
    write_raster(tmp_path / "x.tif", draw_values(kind, 0), ["B", "G", "R", "", "unknown"])
    assert inspect_image(tmp_path / "x.tif", kind.bands).bands == kind.bands
    with pytest.raises(
        PatchError, match=r"R, G, B, RE, NIR in this order; the file describes B as band 1, G as band 2"
    ):
        inspect_image(tmp_path / "x.tif", ("R", "G", "B", "RE", "NIR"))
    with pytest.raises(PatchError, match=r"band RE is missing: x\.tif holds B, G, R"):
        read_image(tmp_path / "x.tif", ["RE"], PLANET_BAND_ORDER)
    write_raster(tmp_path / "x.tif", draw_values(kind, 0), ["B", "G", "R", "RE", "re"])
    with pytest.raises(PatchError, match="bands 4 and 5 are both described as RE; keep one"):
        inspect_image(tmp_path / "x.tif", kind.bands)


def test_marks_that_a_writer_sets_unasked_give_way_to_a_description(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, (4, 8, 8)).astype(np.uint8)
    values[3, 0] = 0  # would be transparent
    write_raster(tmp_path / "x.tif", values, ["NIR", "R", "G", "B"], photometric="RGB", alpha="YES")
    with rasterio.open(tmp_path / "x.tif") as dataset:
        assert dataset.colorinterp[3] == ColorInterp.alpha
    read = read_image(tmp_path / "x.tif", ["NIR", "R", "G", "B"], PLANET_BAND_ORDER)
    for place, band in enumerate(("NIR", "R", "G", "B")):
        np.testing.assert_array_equal(read[band], values[place], strict=True)
        assert not np.ma.is_masked(read[band])


def test_float64_is_stored_as_float32_and_counted(tmp_path: Path) -> None:
    values = draw_values(KINDS["UAV"], 0).astype(np.float64) / 3
    write_raster(tmp_path / "x.tif", values)
    facts = inspect_image(tmp_path / "x.tif", KINDS["UAV"].bands)
    assert (facts.dtype, facts.quirks) == ("float32", ("float64-image", "band-order-from-params"))
    read = read_image(tmp_path / "x.tif", ["RE"], KINDS["UAV"].bands)["RE"]
    np.testing.assert_array_equal(read, values[3].astype(np.float32), strict=True)
    assert all(f"| `{quirk}` |" in QUIRKS for quirk in facts.quirks)


@pytest.mark.parametrize("suffix", [".jp2", ".j2k"])
@pytest.mark.parametrize("count", [1, 3, 5])
def test_jpeg_2000_is_read(tmp_path: Path, suffix: str, count: int) -> None:
    values = np.random.default_rng(0).integers(0, 4000, (count, 32, 32)).astype(np.uint16)
    options = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}
    options |= {"CODEC": "J2K"} if suffix == ".j2k" else {}
    write_raster(tmp_path / f"x{suffix}", values, **options)
    order = KINDS["UAV"].bands if count == 5 else ("R", "G", "B")[:count]
    facts, read = (
        f(tmp_path / f"x{suffix}", *rest) for f, rest in ((inspect_image, (order,)), (read_image, (order, order)))
    )
    assert (facts.dtype, facts.rows_px, set(facts.bands)) == ("uint16", 32, set(order))  # type: ignore[union-attr]
    for place, band in enumerate(order):
        np.testing.assert_array_equal(read[band], values[place], strict=True)  # type: ignore[index]


def write_pages(path: Path, num_pages: int, size_px: int = 24) -> np.ndarray:
    """Write a TIFF of one grey page after another; return [page, row, column]."""
    pages = np.random.default_rng(0).integers(0, 255, (num_pages, size_px, size_px)).astype(np.uint8)
    first, *rest = (Image.fromarray(page) for page in pages)
    first.save(path, save_all=True, append_images=rest)
    return pages


def test_pages_are_refused_and_one_is_read_after_the_command_named(tmp_path: Path) -> None:
    pages = write_pages(tmp_path / "x.tif", 3)
    for call in (lambda: inspect_image(tmp_path / "x.tif", ()), lambda: read_image(tmp_path / "x.tif", ["R"], ())):
        with pytest.raises(PatchError, match="expected one page; received 3") as caught:
            call()
    run_rio(tmp_path, take_command(caught))
    np.testing.assert_array_equal(read_image(tmp_path / "page.tif", ["G"], ())["G"], pages[0])


def test_other_dtypes_are_refused_and_read_after_the_command_named(tmp_path: Path) -> None:
    values = draw_values(KINDS["UAV"], 0)
    for dtype in (np.int32, np.uint32, np.int8):
        write_raster(tmp_path / "x.tif", (values * 100).astype(dtype))
        with pytest.raises(PatchError, match=f"received {np.dtype(dtype)}") as caught:
            inspect_image(tmp_path / "x.tif", KINDS["UAV"].bands)
        (tmp_path / "copy.tif").unlink(missing_ok=True)
        run_rio(tmp_path, take_command(caught))
        read = read_image(tmp_path / "copy.tif", ["NIR"], KINDS["UAV"].bands)["NIR"]
        np.testing.assert_array_equal(read, (values[4] * 100).astype(dtype).astype(np.float32))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_an_unmarked_band_beside_alpha_is_named_after_the_command_named(tmp_path: Path, count: int) -> None:
    values = np.random.default_rng(0).integers(0, 9, (count, 8, 8)).astype(np.uint16)
    write_raster(tmp_path / "x.tif", values, alpha="YES")
    order = KINDS["UAV"].bands[:count]
    if count == 2:  # grey, and which pixels are transparent
        grey = read_image(tmp_path / "x.tif", ["R"], ())["R"]
        np.testing.assert_array_equal(np.ma.getmaskarray(grey), values[1] == 0)
        return
    with pytest.raises(PatchError, match=f"Name the {count} band") as caught:
        read_image(tmp_path / "x.tif", order, order)
    run_rio(tmp_path, f"{take_command(caught)} x.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif", order, order)[order[1]], values[1])


OTHERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "GIF": (lambda path: Image.new("RGB", (8, 8)).save(path, format="GIF"), "GIF"),
    "WebP": (lambda path: Image.new("RGB", (8, 8)).save(path, format="WEBP"), "WebP"),
    "BMP": (lambda path: Image.new("RGB", (8, 8)).save(path, format="BMP"), "BMP"),
    "PPM": (lambda path: Image.new("RGB", (8, 8)).save(path, format="PPM"), "PNM"),
    "PDF": (lambda path: Image.new("RGB", (8, 8)).save(path, format="PDF"), "PDF"),
    "HDF5": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "HDF5 or NetCDF-4"),
    "NetCDF": (lambda path: path.write_bytes(b"CDF\x02" + bytes(99)), "NetCDF"),
    "ZIP": (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(99)), "ZIP. Unpack it"),
    "gzip": (lambda path: path.write_bytes(b"\x1f\x8b" + bytes(99)), "gzip. Unpack it"),
    "TAR": (lambda path: path.write_bytes(bytes(257) + b"ustar" + bytes(250)), "TAR. Unpack it"),
    "HEIC": (lambda path: path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(99)), "HEIC"),
    "NumPy": (lambda path: path.write_bytes(b"\x93NUMPY" + bytes(99)), "NumPy"),
}


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".h5"])
@pytest.mark.parametrize("name", OTHERS)
def test_other_formats_are_refused_by_their_right_name_whatever_the_suffix(
    tmp_path: Path, name: str, suffix: str
) -> None:
    write, words = OTHERS[name]
    write(tmp_path / f"a{suffix}")
    Image.new("RGB", (8, 8)).save(tmp_path / "good.png")
    (tmp_path / "tags.csv").write_text("image_name,tags\na,x\ngood,y\n", encoding="utf-8")
    listing = TaggedImages(tmp_path, tmp_path / "tags.csv", ("R", "G", "B")).read_listing()
    (bad,) = listing.quarantined
    assert (bad.patch_id, words in bad.reason) == ("a", True), bad.reason
    assert listing.patches["patch_id"].to_pylist() == ["good"]


def test_envi_is_known_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "x.dat").write_bytes(draw_values(KINDS["UAV"], 0).tobytes())
    for header in ("x.hdr", "x.dat.hdr"):
        (tmp_path / header).write_text("ENVI\nsamples = 16\n", encoding="utf-8")
        with pytest.raises(PatchError, match=r"received ENVI\. Save a copy of it as GeoTIFF"):
            inspect_image(tmp_path / "x.dat", ())
        (tmp_path / header).unlink()


def test_another_format_beside_an_image_of_its_name_is_passed_over(tmp_path: Path) -> None:
    for suffix in (".gif", ".png"):
        Image.new("RGB", (8, 8)).save(tmp_path / f"a{suffix}")
    (tmp_path / "tags.csv").write_text("image_name,tags\na,x\n", encoding="utf-8")
    assert TaggedImages(tmp_path, tmp_path / "tags.csv", ("R", "G", "B")).read_listing().quarantined == []


@pytest.mark.parametrize(("suffix", "orientation"), [*itertools.product((".png", ".jpg", ".tif"), range(1, 9))])
def test_pictures_are_read_as_they_are_to_be_looked_at(tmp_path: Path, suffix: str, orientation: int) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 24, 3)).astype(np.uint8))
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"x{suffix}"
    picture.save(path, exif=exif)
    facts, values = inspect_image(path, ()), np.stack(list(read_image(path, list("RGB"), ()).values()), -1)
    with Image.open(path) as image:
        np.testing.assert_array_equal(values, np.asarray(ImageOps.exif_transpose(image).convert("RGB")))
    assert (facts.rows_px, facts.columns_px) == values.shape[:2]
    assert facts.quirks == (("exif-orientation",) if orientation > 1 else ())
    assert "| `exif-orientation` |" in QUIRKS


def test_a_raster_that_lies_somewhere_is_not_turned(tmp_path: Path) -> None:
    place: dict[str, Any] = {"crs": "EPSG:32631", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 4e6)}
    values = draw_values(Kind(("R", "G", "B"), "uint8", 99, 30), 0)
    write_raster(tmp_path / "x.tif", values, **place)
    data = bytearray((tmp_path / "x.tif").read_bytes())
    at = data.find(b"\x12\x01\x03\0")  # the tag Orientation, if GDAL writes one
    assert at < 0 or inspect_image(tmp_path / "x.tif", ()).quirks == ("rgb-order-assumed",)
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif", ["G"], ())["G"], values[1])
