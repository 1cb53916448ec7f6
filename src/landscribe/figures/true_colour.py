"""Patches in true colour if they have the bands, else in the nearest substitute."""

from collections.abc import Iterable, Mapping

import numpy as np

from landscribe.core.bands import NO_WAVELENGTHS, WAVELENGTHS_NM, find_wavelength

# Red, green and blue of Sentinel-2, which is stretched alike in every patch; false colours of Sentinel-1, where plants
# are green.
_TRUE, _RADAR = ("B04", "B03", "B02"), ("VV", "VH", "VV")
_REACH_NM = 60  # a band farther than this from a colour does not show it
_WHITE_DN = 2000.0  # reflectance 0.2: above it only clouds, sand and roofs
_GAMMA = 0.625  # lifts the dark ground of true colour, where most of a land patch lies


def choose_colours(names: Iterable[str], wavelengths_nm: Mapping[str, float] = NO_WAVELENGTHS) -> tuple[str, str, str]:
    """Return the bands to show as red, green and blue.

    Those nearest in wavelength; where a colour has none, the longest, the middle and the shortest of three or more
    wavelengths, as infrared films show them; then radar; else the first band in grey.

    Args:
        names: bands that are there; the first among equals is shown.
        wavelengths_nm: of bands whose name does not say it.

    Raises:
        ValueError: there is no band.
    """
    known = list(names)
    if not known:
        raise ValueError("expected at least one band to show; received none")
    found = {name: find_wavelength(name, wavelengths_nm) for name in known}
    lengths = {name: length for name, length in found.items() if length is not None}
    nearest = [_find_nearest(lengths, WAVELENGTHS_NM[colour]) for colour in "RGB"]
    if len(set(nearest)) == len(nearest) and None not in nearest:
        return tuple(name for name in nearest if name)  # type: ignore[return-value]  # three of them
    ranked = sorted(lengths, key=lambda name: -lengths[name])
    if len({lengths[name] for name in ranked}) > 2:
        return ranked[0], ranked[len(ranked) // 2], ranked[-1]
    return _RADAR if set(_RADAR) <= set(known) else (known[0],) * 3


def _find_nearest(lengths: Mapping[str, float], colour_nm: float) -> str | None:
    """Return the band that is nearest to a colour, None where all are far from it."""
    near = {name: abs(length - colour_nm) for name, length in lengths.items()}
    nearest = min(near, key=lambda name: near[name], default=None)
    return nearest if nearest is not None and near[nearest] <= _REACH_NM else None


def to_true_colour(bands: Mapping[str, np.ndarray], wavelengths_nm: Mapping[str, float] = NO_WAVELENGTHS) -> np.ndarray:
    """Return uint8 [row, column, 3] for display.

    Images of 8 bit stay as they are. Sentinel-2's digital numbers are stretched from 0 to a reflectance of 0.2, the
    same for each patch, so that patches can be compared. All others are stretched band by band from their 1st to their
    99th percentile: the haze in a raw image lifts blue far above red. Nodata and pixels without a finite value are
    black.

    Args:
        bands: name -> [row, column] in native dtype, nodata masked. Bands of different sizes are not mixed: the first
            is then grey.
        wavelengths_nm: of bands whose name does not say it.
    """
    names = choose_colours(bands, wavelengths_nm)
    if len({bands[name].shape for name in names}) > 1:
        names = (next(iter(bands)),) * 3
    stacked = np.stack([np.ma.filled(bands[name], 0) for name in names], axis=-1)
    if stacked.dtype == np.uint8:
        return stacked
    masked = np.any([np.ma.getmaskarray(bands[name]) for name in names], axis=0)
    finite = np.isfinite(stacked).all(axis=-1) & ~masked
    colours = np.zeros(stacked.shape, np.uint8)
    if finite.any():
        values = stacked[finite].astype(np.float64)  # [pixel, 3]
        is_reflectance = names == _TRUE and stacked.dtype == np.uint16
        low, high = (0.0, _WHITE_DN) if is_reflectance else np.percentile(values, (1, 99), axis=0)
        shares = np.clip((values - low) / np.maximum(high - low, 1e-6), 0, 1)
        colours[finite] = (shares**_GAMMA * 255).astype(np.uint8)
    return colours
