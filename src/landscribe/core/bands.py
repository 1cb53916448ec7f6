"""Bands by name: resolution, wavelength, native size and dtype of Sentinel-2, Sentinel-1 and image bands.

Sentinel-2 level 2A has 12 bands (no B10); native sizes are those of a 1.2 km BigEarthNet patch
(https://bigearth.net). Central wavelengths: ESA, Sentinel-2 User Handbook, issue 1.2 (2015), table 1. Sentinel-1 is
sigma0 in dB at 10 m. The bands of an image correspond to those of Sentinel-2 with the same colour; an image may also
have bands of any other name, whose size and dtype the images decide.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from landscribe.core.errors import ParamsError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class Band:
    """One band.

    Attributes:
        name: as in the file names of the archive.
        resolution_m: ground sampling distance, metres; None for images of unknown scale.
        size_px: native rows and columns of a patch; None if `convert.image_size_px` decides.
        dtype: dtype of the stored values; None if the images decide (uint8, uint16, int16 or float32).
        wavelength_nm: central wavelength, nanometres; None if there is none, as for radar.
    """

    name: str
    resolution_m: int | None
    size_px: int | None
    dtype: str | None
    wavelength_nm: float | None = None


S2_BANDS: dict[str, Band] = {
    name: Band(name=name, resolution_m=resolution_m, size_px=1200 // resolution_m, dtype="uint16",
               wavelength_nm=wavelength_nm)
    for name, (resolution_m, wavelength_nm) in {
        "B01": (60, 443), "B02": (10, 490), "B03": (10, 560), "B04": (10, 665), "B05": (20, 705), "B06": (20, 740),
        "B07": (20, 783), "B08": (10, 842), "B8A": (20, 865), "B09": (60, 945), "B11": (20, 1610), "B12": (20, 2190),
    }.items()
}  # fmt: skip

S1_BANDS: dict[str, Band] = {
    name: Band(name=name, resolution_m=10, size_px=120, dtype="float32") for name in ("VV", "VH")
}

# R, G, B and NIR of an image, and B10 (cirrus), which level 1C has: its products are cut into images.
WAVELENGTHS_NM: dict[str, float] = {
    **{name: band.wavelength_nm for name, band in S2_BANDS.items() if band.wavelength_nm},
    "B10": 1375, "R": 665, "G": 560, "B": 490, "NIR": 842,
}  # fmt: skip

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")  # what Keras and TensorFlow take for the name of an input

NO_WAVELENGTHS: Mapping[str, float] = {}


def find_wavelength(name: str, given: Mapping[str, float] = NO_WAVELENGTHS) -> float | None:
    """Return the central wavelength of a band, nanometres; None where it is not known, or there is none.

    Args:
        name: of the band.
        given: name -> wavelength of bands that are not known, or are meant otherwise here.
    """
    return given.get(name, WAVELENGTHS_NM.get(name))


def make_image_bands(names: Iterable[str], given: Mapping[str, float] = NO_WAVELENGTHS) -> dict[str, Band]:
    """Return the bands of images by name: R, G, B, NIR, `names` and those of `given`, as `find_wavelength` takes it."""
    return {
        name: Band(name=name, resolution_m=None, wavelength_nm=find_wavelength(name, given), size_px=None, dtype=None)
        for name in dict.fromkeys(("R", "G", "B", "NIR", *names, *given))
    }


IMAGE_BANDS: dict[str, Band] = make_image_bands(())

BANDS: dict[str, Band] = {**S2_BANDS, **S1_BANDS, **IMAGE_BANDS}

# The names that a file may use for its bands unasked.
IMAGE_NAMES: tuple[str, ...] = (*IMAGE_BANDS, *S2_BANDS, "B10", *S1_BANDS)

SENSORS: dict[str, dict[str, Band]] = {"S1": S1_BANDS, "S2": S2_BANDS}


def group_by_sensor(names: Iterable[str]) -> dict[str, list[str]]:
    """Return sensor -> those of the names that are its bands, in the order given; bands of images have no sensor."""
    names = list(names)
    groups = {sensor: [name for name in names if name in bands] for sensor, bands in SENSORS.items()}
    return {sensor: members for sensor, members in groups.items() if members}


def fold_name(name: str) -> str:
    """Return what is common to the spellings of a name, e.g. of "Red edge", "red_edge" and "RedEdge"."""
    return re.sub(r"[\s_-]+", "", name).casefold()


def check_order(names: Sequence[str], where: str) -> None:
    """Raise `ParamsError` unless `names` can name the bands of a file: one or more, distinct in any spelling."""
    bad = [name for name in names if not _NAME.fullmatch(name)]
    if bad:
        raise ParamsError(
            f"{where}: expected names of letters, digits, '_', '.' and '-'; received {', '.join(map(repr, bad))}."
        )
    known = {fold_name(name): name for name in IMAGE_NAMES}
    odd = [name for name in names if known.get(fold_name(name), name) != name]
    if odd:
        raise ParamsError(f"{where}: expected {known[fold_name(odd[0])]} in this spelling; received '{odd[0]}'.")
    if not names or len({fold_name(name) for name in names}) != len(names):
        raise ParamsError(
            f"{where}: expected one or more names that differ in more than their spelling; received {list(names)}."
        )


def check_bands(names: list[str], allowed: Mapping[str, Band], where: str) -> None:
    """Raise `ParamsError` unless `names` is a non-empty list of distinct names out of `allowed`."""
    for name in names:
        if name not in allowed:
            hint = did_you_mean(name, allowed)
            raise ParamsError(f"{where}: expected bands out of {', '.join(allowed)}; received '{name}'.{hint}")
    if not names or len(set(names)) != len(names):
        raise ParamsError(f"{where}: expected one or more distinct bands; received {names}.")


def hint_at_reflectance(expected: object, received: object) -> str:
    """Return what to do about floats where digital numbers are expected, or nothing; both are dtypes or their names."""
    if str(expected) != "uint16" or not str(received).startswith("float"):
        return ""
    return "; reflectance? Store digital numbers, 10,000 times the reflectance, as uint16"
