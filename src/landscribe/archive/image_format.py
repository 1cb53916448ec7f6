"""The format of a file by its content: what is read, and the right name of what is not."""

from collections.abc import Iterable
from pathlib import Path

from landscribe.core.errors import PatchError

IMAGE_SUFFIXES = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".jp2": "JPEG 2000",
    ".j2k": "JPEG 2000",
}
# Listed with the images, so that they are refused by name and not passed over.
OTHER_SUFFIXES = (
    ".avif", ".bmp", ".dat", ".gif", ".grb", ".h5", ".hdf", ".hdf5", ".heic", ".img", ".jxl", ".nc", ".ntf", ".pgm",
    ".ppm", ".webp",
)  # fmt: skip

_READ = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
}
# Name -> marks at the start. https://www.loc.gov/preservation/digital/formats/fdd/ and the formats' own texts.
_OTHERS: dict[str, tuple[bytes, ...]] = {
    "GIF": (b"GIF87a", b"GIF89a"),
    "BMP": (b"BM",),
    "PNM": (b"P4", b"P5", b"P6", b"Pf", b"PF"),
    "JPEG XL": (b"\xff\x0a", b"\0\0\0\x0cJXL "),
    "Photoshop": (b"8BPS",),
    "HDF5 or NetCDF-4": (b"\x89HDF\r\n\x1a\n",),
    "NetCDF": (b"CDF\x01", b"CDF\x02", b"CDF\x05"),
    "HDF4": (b"\x0e\x03\x13\x01",),
    "ERDAS Imagine": (b"EHFA_HEADER_TAG",),
    "GRIB": (b"GRIB",),
    "NITF": (b"NITF",),
    "NumPy": (b"\x93NUMPY",),
    "Parquet": (b"PAR1",),
    "PDF": (b"%PDF",),
    "ZIP": (b"PK\x03\x04", b"PK\x05\x06"),
    "gzip": (b"\x1f\x8b",),
    "bzip2": (b"BZh",),
    "xz": (b"\xfd7zXZ",),
    "Zstandard": (b"\x28\xb5\x2f\xfd",),
    "7-Zip": (b"7z\xbc\xaf\x27\x1c",),
    "RAR": (b"Rar!",),
}
_PACKED = {"ZIP", "gzip", "bzip2", "xz", "Zstandard", "7-Zip", "RAR", "TAR"}
_HEAD_BYTES, _TAR_AT = 512, 257
_PNG_BIT_DEPTH_AT = 24  # byte of the IHDR chunk, https://www.w3.org/TR/png-3/#11IHDR
_BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF", b"avif": "AVIF"}  # ISO base media files


def choose_images(paths: Iterable[Path]) -> list[Path]:
    """Return the files that are images by their suffix, sorted by path.

    One of another format is among them where no image has its name: it is to be refused, not to be passed over.
    """
    # Names with a leading dot are macOS side files (._x.jpg): bytes of another kind under an image suffix.
    files = [path for path in paths if not path.name.startswith(".") and path.is_file()]
    images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    names = {path.with_suffix("") for path in images}
    others = [path for path in files if path.suffix.lower() in OTHER_SUFFIXES and path.with_suffix("") not in names]
    return sorted(images + others)


def sniff(path: Path) -> tuple[str, bool]:
    """Return JPEG, PNG, TIFF or JPEG 2000, whatever the suffix says, and whether it is a PNG of 16 bit.

    Raises:
        PatchError: the file cannot be opened or is of another format.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError as error:
        raise PatchError(f"{path.name} is unreadable: {error.strerror}") from error
    for magic, content in _READ.items():
        if head.startswith(magic):
            return content, content == "PNG" and head[_PNG_BIT_DEPTH_AT : _PNG_BIT_DEPTH_AT + 1] == b"\x10"
    found = _name_other(path, head)
    if found in _PACKED:
        remedy = "Unpack it into the folder of the images"
    elif found:
        remedy = "Save a copy of it as GeoTIFF or PNG"
    else:
        found, remedy = (f"bytes {head[:8]!r}" if head else "an empty file"), "Fetch the file again"
    raise PatchError(f"{path.name}: expected JPEG, PNG, TIFF or JPEG 2000; received {found}. {remedy}")


def _name_other(path: Path, head: bytes) -> str | None:
    """Return the name of a format that is not read; None for an unknown one."""
    for name, marks in _OTHERS.items():
        if head.startswith(marks):
            return name
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "a film or HEIF")
    if head[_TAR_AT : _TAR_AT + 5] == b"ustar":
        return "TAR"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page (HTML)"
    if text.startswith((b"<svg", b"<?xml")):
        return "XML"
    return "ENVI" if _has_envi_header(path) else None


def _has_envi_header(path: Path) -> bool:
    """Return whether a header of ENVI lies beside: its pixels carry no mark of their own."""
    for header in (path.with_suffix(".hdr"), path.with_name(f"{path.name}.hdr")):
        try:
            with header.open("rb") as stream:
                if stream.read(4) == b"ENVI":
                    return True
        except OSError:
            continue
    return False
