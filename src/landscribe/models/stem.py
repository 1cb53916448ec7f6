"""The first kernel of a network that knows red, green and blue, made for any bands ("stem inflation").

The band nearest in wavelength to a colour has the kernel of that colour. All other bands share evenly what is left: the
kernels of the colours that no band is near to, or else the mean of the three. So red, green and blue keep their kernels
in any company, and the others together weigh as much as one more colour, however many they are. `make bench CASE=stem`
compares this rule with those that other libraries use; docs/backbones.md has the table.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from landscribe.core.bands import NO_WAVELENGTHS, WAVELENGTHS_NM, find_wavelength

COLOURS = ("R", "G", "B")


def share_colours(bands: Sequence[str], given: Mapping[str, float] = NO_WAVELENGTHS) -> np.ndarray:
    """Return float64 [band, colour]: the share of the colour's kernel that a band has.

    Args:
        bands: names, in order.
        given: wavelengths of bands whose name does not say it, nanometres.
    """
    shares = np.zeros((len(bands), len(COLOURS)))
    distances = _measure_distances(bands, given)
    for colour, distance in enumerate(distances.T):
        near = np.where(distances.argmin(axis=1) == colour, distance, np.inf)
        if np.isfinite(near).any():
            shares[near.argmin(), colour] = 1
    others, absent = shares.sum(axis=1) == 0, shares.sum(axis=0) == 0
    if others.any():
        shares[others] = (absent if absent.any() else 1 / len(COLOURS)) / others.sum()
    else:
        shares[:, absent] = 1 / len(bands)
    return shares


def _measure_distances(bands: Sequence[str], given: Mapping[str, float]) -> np.ndarray:
    """Return float64 [band, colour]: between their wavelengths, nanometres; infinite for a band without one."""
    wavelengths = [find_wavelength(name, given) for name in bands]
    colours = np.array([WAVELENGTHS_NM[colour] for colour in COLOURS])
    return np.array([np.full(3, np.inf) if one is None else abs(colours - one) for one in wavelengths])


def mean_of_colours(shares: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return float64 [band]: the mean of what a value is for the colours, weighed by the shares of each band.

    Args:
        shares: as `share_colours` returns them.
        values: [colour].
    """
    mean: np.ndarray = shares @ values / shares.sum(axis=1)
    return mean


def inflate(kernel: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the kernel [row, column, band, filter] of bands with these shares.

    Args:
        kernel: [row, column, colour, filter], red, green and blue in this order.
        shares: as `share_colours` returns them.
    """
    inflated: np.ndarray = np.einsum("ijcf,bc->ijbf", kernel, shares)
    return inflated.astype(kernel.dtype)


def take_by_name(kernel: np.ndarray, known: Sequence[str], bands: Sequence[str]) -> np.ndarray:
    """Return the kernel [row, column, band, filter] of the bands: that of a known band is its own, else their mean."""
    places = [[known.index(name)] if name in known else range(len(known)) for name in bands]
    return np.stack([kernel[:, :, list(place)].mean(axis=2) for place in places], axis=2)
