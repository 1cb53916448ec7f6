"""Patches in true colour if they have the bands, else in the nearest substitute."""

from collections.abc import Iterable, Mapping

import numpy as np

# Red, green and blue, best first: Sentinel-2, images, and the false colours of Sentinel-1, where plants are green.
_COLOURS = (("B04", "B03", "B02"), ("R", "G", "B"), ("VV", "VH", "VV"))
_WHITE_DN = 2000.0  # reflectance 0.2: above it only clouds, sand and roofs
_GAMMA = 0.625  # lifts the dark ground of true colour, where most of a land patch lies


def choose_colours(names: Iterable[str]) -> tuple[str, str, str]:
    """Return the bands to show as red, green and blue; if there are none, the first band in grey.

    Raises:
        ValueError: there is no band.
    """
    known = list(names)
    if not known:
        raise ValueError("expected at least one band to show; received none")
    return next((colours for colours in _COLOURS if set(colours) <= set(known)), (known[0],) * 3)


def to_true_colour(bands: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return uint8 [row, column, 3] for display.

    Images of 8 bit stay as they are. Sentinel-2 is stretched from 0 to a reflectance of 0.2, the same for each patch,
    so that patches can be compared. All others are stretched band by band from their 1st to their 99th percentile: the
    haze in a raw image lifts blue far above red. Pixels without a finite value are black.

    Args:
        bands: name -> [row, column] in native dtype. Bands of different sizes are not mixed: the first is then grey.
    """
    names = choose_colours(bands)
    if len({bands[name].shape for name in names}) > 1:
        names = (next(iter(bands)),) * 3
    stacked = np.stack([bands[name] for name in names], axis=-1)
    if stacked.dtype == np.uint8:
        return stacked
    finite = np.isfinite(stacked).all(axis=-1)
    colours = np.zeros(stacked.shape, np.uint8)
    if finite.any():
        values = stacked[finite].astype(np.float64)  # [pixel, 3]
        low, high = (0.0, _WHITE_DN) if names == _COLOURS[0] else np.percentile(values, (1, 99), axis=0)
        shares = np.clip((values - low) / np.maximum(high - low, 1e-6), 0, 1)
        colours[finite] = (shares**_GAMMA * 255).astype(np.uint8)
    return colours
