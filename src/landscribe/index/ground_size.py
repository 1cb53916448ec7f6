"""The ground that a patch covers: what a window of a scene must cover to look like one."""

import numpy as np
import pyarrow as pa

from landscribe.core.earth import to_geocentric

_MAX_SPREAD = 0.05  # of the median, for nine patches of ten: else the images have no one scale
_LEAST_SHARE = 0.5  # of the patches with a place
_DECIMALS = 3  # millimetres


def find_window_m(table: pa.Table) -> float | None:
    """Return the side of the patches of an index, metres; None where it is unknown or differs.

    Args:
        table: with the columns size_m and footprint of `PATCH_SCHEMA`.
    """
    sides = table["size_m"].to_numpy().astype(np.float64)
    placed = np.isnan(sides) & ~np.asarray(table["footprint"].is_null())
    if placed.any():
        flat = table["footprint"].filter(pa.array(placed)).combine_chunks().flatten()
        places = to_geocentric(np.asarray(flat, np.float64).reshape(-1, 4, 2))
        edges = np.linalg.norm(places - np.roll(places, -1, axis=1), axis=2)
        # Oblong images are squeezed into a square: a window of the same area shows things as large on average.
        sides[placed] = np.sqrt((edges[:, 0] + edges[:, 2]) * (edges[:, 1] + edges[:, 3])) / 2
    known = sides[np.isfinite(sides)]
    if len(known) < max(1, _LEAST_SHARE * len(sides)):
        return None
    low, middle, high = np.percentile(known, (5, 50, 95))
    return round(float(middle), _DECIMALS) if high - low <= 2 * _MAX_SPREAD * middle else None
