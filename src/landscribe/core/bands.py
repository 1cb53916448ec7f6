"""Bands by name: resolution, wavelength, native size and dtype of Sentinel-2, Sentinel-1 and image bands.

Sentinel-2 level 2A has 12 bands (no B10); native sizes are those of a 1.2 km BigEarthNet patch
(https://bigearth.net). Central wavelengths: ESA, Sentinel-2 User Handbook, issue 1.2 (2015), table 1. Sentinel-1 is
sigma0 in dB at 10 m. The bands of an image correspond to those of Sentinel-2 with the same colour.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from landscribe.core.errors import ParamsError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class Band:
    """One band.

    Attributes:
        name: as in the file names of the archive.
        resolution_m: ground sampling distance, metres; None for images of unknown scale.
        size_px: native rows and columns of a patch; None if `convert.image_size_px` decides.
        dtype: dtype of the stored values; None if the images decide (uint8 or uint16).
        wavelength_nm: central wavelength, nanometres; None if there is none, as for radar.
    """

    name: str
    resolution_m: int | None
    size_px: int | None
    dtype: str | None
    wavelength_nm: int | None = None


def _s2(name: str, resolution_m: int, wavelength_nm: int) -> Band:
    size_px = 1200 // resolution_m
    return Band(name=name, resolution_m=resolution_m, wavelength_nm=wavelength_nm, size_px=size_px, dtype="uint16")


S2_BANDS: dict[str, Band] = {
    name: _s2(name, resolution_m, wavelength_nm)
    for name, (resolution_m, wavelength_nm) in {
        "B01": (60, 443), "B02": (10, 490), "B03": (10, 560), "B04": (10, 665), "B05": (20, 705), "B06": (20, 740),
        "B07": (20, 783), "B08": (10, 842), "B8A": (20, 865), "B09": (60, 945), "B11": (20, 1610), "B12": (20, 2190),
    }.items()
}  # fmt: skip

S1_BANDS: dict[str, Band] = {
    name: Band(name=name, resolution_m=10, size_px=120, dtype="float32") for name in ("VV", "VH")
}

IMAGE_BANDS: dict[str, Band] = {
    name: Band(name=name, resolution_m=None, wavelength_nm=S2_BANDS[like].wavelength_nm, size_px=None, dtype=None)
    for name, like in {"R": "B04", "G": "B03", "B": "B02", "NIR": "B08"}.items()
}

BANDS: dict[str, Band] = {**S2_BANDS, **S1_BANDS, **IMAGE_BANDS}

SENSORS: dict[str, dict[str, Band]] = {"S1": S1_BANDS, "S2": S2_BANDS}


def group_by_sensor(names: Iterable[str]) -> dict[str, list[str]]:
    """Return sensor -> those of the names that are its bands, in the order given; bands of images have no sensor."""
    names = list(names)
    groups = {sensor: [name for name in names if name in bands] for sensor, bands in SENSORS.items()}
    return {sensor: members for sensor, members in groups.items() if members}


def check_bands(names: list[str], allowed: dict[str, Band], where: str) -> None:
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
