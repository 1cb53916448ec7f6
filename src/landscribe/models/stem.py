"""The first kernel of a network that knows red, green and blue, made for any bands ("stem inflation").

Each band stands for the colour that is nearest in wavelength, a band without a wavelength for all three alike. The
bands that stand for a colour share its kernel evenly, so that over them it adds up to what it was: the rule of Carreira
and Zisserman, "Quo Vadis, Action Recognition?", arXiv:1705.07750, section 2.4, for repeated frames. A colour that no
band stands for is shared by all. So the kernels of all bands always add up to those of the three colours, and a grey
patch gives the response that it gave; red, green and blue keep their kernels.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from landscribe.core.bands import NO_WAVELENGTHS, WAVELENGTHS_NM, find_wavelength

COLOURS = ("R", "G", "B")


def match_colours(bands: Sequence[str], given: Mapping[str, float] = NO_WAVELENGTHS) -> np.ndarray:
    """Return float64 [band, colour]: 1 for the colour that a band stands for, thirds for a band without wavelength.

    Args:
        bands: names, in order.
        given: wavelengths of bands whose name does not say it, nanometres.
    """
    matches = np.zeros((len(bands), len(COLOURS)))
    for row, name in zip(matches, bands, strict=True):
        wavelength_nm = find_wavelength(name, given)
        if wavelength_nm is None:
            row[:] = 1 / len(COLOURS)
        else:
            row[np.argmin([abs(wavelength_nm - WAVELENGTHS_NM[colour]) for colour in COLOURS])] = 1
    return matches


def share_colours(bands: Sequence[str], given: Mapping[str, float] = NO_WAVELENGTHS) -> np.ndarray:
    """Return float64 [band, colour]: the share of the colour's kernel that a band has; 1 over the bands."""
    matches = match_colours(bands, given)
    matches[:, matches.sum(axis=0) == 0] = 1
    shares: np.ndarray = matches / matches.sum(axis=0)
    return shares


def inflate(kernel: np.ndarray, bands: Sequence[str], given: Mapping[str, float] = NO_WAVELENGTHS) -> np.ndarray:
    """Return the kernel [row, column, band, filter] of the bands from that of red, green and blue, in this order."""
    inflated: np.ndarray = np.einsum("ijcf,bc->ijbf", kernel, share_colours(bands, given))
    return inflated.astype(kernel.dtype)


def take_by_name(kernel: np.ndarray, known: Sequence[str], bands: Sequence[str]) -> np.ndarray:
    """Return the kernel [row, column, band, filter] of the bands: that of a known band is its own, else their mean."""
    places = [[known.index(name)] if name in known else range(len(known)) for name in bands]
    return np.stack([kernel[:, :, list(place)].mean(axis=2) for place in places], axis=2)
