"""Points on the surface of the Earth, in space: distances there are those of any other points."""

import numpy as np
from numpy.typing import NDArray

# WGS 84 ellipsoid: NGA.STND.0036, table 3.1.
_SEMI_MAJOR_M = 6378137.0
_FLATTENING = 1 / 298.257223563


def to_geocentric(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return metres, float64 [..., 3], of longitude and latitude on the ellipsoid, float64 [..., 2].

    X = N cos(lat) cos(lon), Y = N cos(lat) sin(lon), Z = N (1 - e2) sin(lat), N = a / sqrt(1 - e2 sin2(lat)):
    EPSG Guidance Note 7-2, method 9602.
    """
    longitude, latitude = np.moveaxis(np.radians(degrees), -1, 0)
    e2 = _FLATTENING * (2 - _FLATTENING)
    normal_m = _SEMI_MAJOR_M / np.sqrt(1 - e2 * np.sin(latitude) ** 2)
    flat_m = normal_m * np.cos(latitude)
    height_m = normal_m * (1 - e2) * np.sin(latitude)
    return np.stack([flat_m * np.cos(longitude), flat_m * np.sin(longitude), height_m], axis=-1)
