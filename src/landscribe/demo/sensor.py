"""From a painted canvas to the bands of the satellites: atmosphere, optics, resolution, noise and speckle."""

import numpy as np
from numpy.typing import NDArray

from landscribe.core.bands import S2_BANDS
from landscribe.demo.covers import Canvas
from landscribe.demo.materials import BACKSCATTER_DB, MATERIALS, OPTICAL_BANDS, RADAR_BANDS, REFLECTANCE, ROUGHNESS
from landscribe.demo.terrain import NORMAL_QUANTILES, SIZE_PX, Floats, draw_quantiles, make_grain, make_noise

_VIGOUR_BANDS = frozenset({"B06", "B07", "B08", "B8A", "B09"})
# Path radiance of a hazy sky, digital numbers: falls steeply with the wavelength (Rayleigh and fine aerosol).
_HAZE = dict(zip(OPTICAL_BANDS, (420, 330, 230, 160, 130, 100, 90, 75, 65, 60, 25, 15), strict=True))
# How far a band deviates from its neighbours; less in the visible, where colours would become unnatural.
_BAND_SPREAD = np.array([0.03 if band in ("B02", "B03", "B04") else 0.055 for band in OPTICAL_BANDS], np.float32)
_NOISE_DN = 20  # half-width of uniform noise, 12 DN rms: a signal-to-noise ratio of 150 at a reflectance of 0.18
_SPECKLE_LOOKS = 4.4  # equivalent number of looks of a GRD product in interferometric wide swath mode
_DB_STEPS = 1000  # backscatter is stored in whole 1/1000 dB


# Quantiles of speckle in dB: the Wilson-Hilferty approximation of a gamma law with `_SPECKLE_LOOKS`.
_NINTH = 1 / (9 * _SPECKLE_LOOKS)
_ROOT = np.maximum(1 - _NINTH + NORMAL_QUANTILES.astype(np.float64) * _NINTH**0.5, 0.1)
_SPECKLE_DB: NDArray[np.float32] = np.round(30 * np.log10(_ROOT), 3).astype(np.float32)


def observe_optical(canvas: Canvas) -> dict[str, NDArray[np.uint16]]:
    """Return the 12 Sentinel-2 bands, uint16 digital numbers [row, column] at native resolution."""
    rng = canvas.rng
    materials, haze = _draw_sky(rng)
    texture = canvas.tone * (1 + make_grain(rng) * ROUGHNESS[canvas.material])
    vigorous = texture * canvas.vigour
    bands = {}
    for number, band in enumerate(OPTICAL_BANDS):
        light = vigorous if band in _VIGOUR_BANDS else texture
        step = SIZE_PX // (S2_BANDS[band].size_px or SIZE_PX)
        ground = _resolve(materials[number][canvas.material] * light, step)
        bands[band] = _digitise(rng, ground + haze[::step, ::step] * np.float32(_HAZE[band]))
    return bands


def observe_radar(canvas: Canvas) -> dict[str, NDArray[np.float32]]:
    """Return VV and VH, float32 dB [row, column], with speckle."""
    rng = canvas.rng
    bands = {}
    for number, band in enumerate(RADAR_BANDS):
        shifts = rng.standard_normal(len(MATERIALS), np.float32) * np.float32(0.8) + np.float32(rng.normal(0, 0.9))
        backscatter = (BACKSCATTER_DB[number] + shifts)[canvas.material] + _SPECKLE_DB[draw_quantiles(rng)]
        bands[band] = np.rint(backscatter * np.float32(_DB_STEPS)) / np.float32(_DB_STEPS)
    return bands


def _draw_sky(rng: np.random.Generator) -> tuple[NDArray[np.float32], Floats]:
    """Return what changes from one patch to the next.

    Returns:
        Digital numbers of this patch's soils and plants in its light, float32 [band, material]; haze, float32
        [row, column], 0 clear to about 1.
    """
    num_bands = len(OPTICAL_BANDS)
    light = rng.uniform(0.78, 1.18)
    # Of a band: illumination times calibration.
    gains = light * (1 + 0.7 * _BAND_SPREAD * rng.standard_normal(num_bands, np.float32))
    haziness = rng.uniform(0, 1)
    haze = np.float32(haziness * haziness) * (1 + np.float32(0.18) * make_noise(rng, 2))
    # Soils and species differ from place to place: 10 % as a whole, less in the shape of the spectrum.
    brightness = 1 + 0.10 * rng.standard_normal(len(MATERIALS), np.float32)
    shape = 1 + _BAND_SPREAD[:, np.newaxis] * rng.standard_normal((num_bands, len(MATERIALS)), np.float32)
    materials = (REFLECTANCE * brightness * shape).astype(np.float32)
    return materials * gains.astype(np.float32)[:, np.newaxis], haze


def _resolve(ground: Floats, step: int) -> Floats:
    """Return the ground as an instrument sees it: blurred by half a pixel at 10 m, averaged over coarser pixels."""
    if step == 1:
        blurred = ground.copy()
        blurred[1:-1] += np.float32(0.14) * (ground[:-2] + ground[2:] - 2 * ground[1:-1])
        across = blurred.copy()
        across[:, 1:-1] += np.float32(0.14) * (blurred[:, :-2] + blurred[:, 2:] - 2 * blurred[:, 1:-1])
        return across
    rows = ground[0::step].copy()
    for shift in range(1, step):
        rows += ground[shift::step]
    cells = rows[:, 0::step].copy()
    for shift in range(1, step):
        cells += rows[:, shift::step]
    return cells / np.float32(step * step)


def _digitise(rng: np.random.Generator, ground: Floats) -> NDArray[np.uint16]:
    noisy = np.rint(ground).astype(np.int16) + rng.integers(-_NOISE_DN, _NOISE_DN + 1, ground.shape, np.int8)
    digital: NDArray[np.uint16] = np.maximum(noisy, 1).astype(np.uint16)  # 0 is no data in level 2A products
    return digital
