"""What the ground is made of: spectra, backscatter, roughness and phenology of each material.

Reflectances are typical bottom-of-atmosphere values in Sentinel-2 digital numbers (reflectance x 10,000), set by hand
so that they fall inside the ranges of the published BigEarthNet band statistics; nothing was measured. The backscatter
of grassland, scrub and trees differs more than in nature, so that the radar separates what the optical bands confuse
and an ablation of the sensors shows an effect.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from landscribe.core.bands import S1_BANDS, S2_BANDS
from landscribe.demo.granules import Season

OPTICAL_BANDS: tuple[str, ...] = tuple(S2_BANDS)
RADAR_BANDS: tuple[str, ...] = tuple(S1_BANDS)


@dataclass(frozen=True, kw_only=True)
class Material:
    """One material.

    Attributes:
        reflectance: digital numbers of B01, B02, B03, B04, B05, B06, B07, B08, B8A, B09, B11, B12.
        backscatter_db: sigma0 of VV and VH, dB.
        roughness: standard deviation from pixel to pixel, as a fraction of the reflectance.
    """

    reflectance: tuple[float, ...]
    backscatter_db: tuple[float, ...]
    roughness: float


# fmt: off
_TABLE: dict[str, tuple[float, ...]] = {
    # name                 B01   B02   B03   B04   B05   B06   B07   B08   B8A   B09   B11   B12     VV     VH rough
    "conifer":          (  150,  180,  310,  215,  520, 1380, 1650, 1780, 1850, 1850,  880,  400, -11.6, -16.6, 0.13),
    "broadleaf":        (  190,  230,  490,  270,  880, 2750, 3500, 3650, 3800, 3800, 1750,  780,  -8.6, -12.2, 0.12),
    "broadleaf_spring": (  210,  270,  620,  360, 1080, 2900, 3500, 3700, 3800, 3750, 1650,  760,  -8.7, -12.4, 0.12),
    "broadleaf_autumn": (  220,  290,  600,  620, 1200, 2250, 2600, 2750, 2850, 2850, 1900,  950,  -8.9, -12.8, 0.14),
    "broadleaf_bare":   (  260,  320,  460,  560,  820, 1250, 1420, 1580, 1680, 1700, 1800, 1080,  -9.4, -13.6, 0.12),
    "clearing":         (  290,  390,  640,  700, 1120, 1780, 2000, 2120, 2200, 2200, 2450, 1500, -11.8, -17.4, 0.10),
    "shrub":            (  230,  300,  560,  460, 1000, 2050, 2400, 2600, 2700, 2700, 2050, 1080, -11.0, -16.2, 0.13),
    "shrub_bare":       (  260,  340,  520,  580,  920, 1450, 1650, 1800, 1900, 1900, 2050, 1250, -11.3, -16.9, 0.13),
    "maquis":           (  230,  310,  480,  470,  820, 1320, 1480, 1620, 1680, 1700, 2150, 1250,  -8.6, -13.4, 0.14),
    "heather":          (  330,  420,  470,  700,  900, 1120, 1240, 1360, 1420, 1450, 2350, 1560,  -9.6, -14.2, 0.09),
    "grass":            (  260,  340,  760,  410, 1260, 3450, 4250, 4450, 4650, 4650, 2250, 1120, -13.6, -20.2, 0.04),
    "grass_cut":        (  320,  460,  860,  760, 1500, 2750, 3200, 3400, 3550, 3500, 2750, 1600, -14.4, -21.4, 0.04),
    "grass_dormant":    (  300,  390,  690,  600, 1120, 2150, 2500, 2650, 2750, 2750, 2150, 1200, -13.8, -20.6, 0.05),
    "grass_dry":        (  520,  720, 1080, 1420, 1850, 2350, 2550, 2750, 2850, 2900, 3350, 2250, -14.2, -21.6, 0.06),
    "upland_grass":     (  340,  480,  840,  980, 1560, 2650, 2950, 3100, 3250, 3250, 3450, 1850, -15.8, -23.4, 0.07),
    "upland_straw":     (  420,  590,  930, 1130, 1620, 2250, 2450, 2600, 2700, 2700, 3350, 2050, -16.2, -23.8, 0.07),
    "crop":             (  230,  290,  640,  310, 1000, 3100, 4200, 4450, 4650, 4600, 1750,  760, -12.4, -17.6, 0.03),
    "maize":            (  240,  320,  720,  420, 1180, 3300, 4500, 4750, 4850, 4800, 2050,  960, -10.6, -15.8, 0.04),
    "seedling":         (  420,  560,  860,  900, 1350, 2150, 2450, 2650, 2750, 2700, 2500, 1750, -12.6, -19.4, 0.03),
    "rapeseed":         (  350,  480, 1300, 1250, 1850, 3050, 3500, 3700, 3800, 3750, 2150, 1150, -11.0, -16.0, 0.03),
    "ripe_crop":        (  560,  780, 1180, 1500, 1950, 2500, 2750, 2950, 3100, 3050, 3150, 2000, -12.0, -18.8, 0.03),
    "stubble":          (  700,  950, 1300, 1700, 2050, 2300, 2450, 2650, 2750, 2750, 3600, 2750, -12.2, -20.0, 0.04),
    "soil":             (  520,  680,  920, 1200, 1450, 1650, 1780, 1950, 2050, 2050, 2800, 2250, -12.4, -20.6, 0.04),
    "soil_light":       (  900, 1200, 1600, 2050, 2300, 2450, 2600, 2750, 2850, 2850, 3650, 3100, -12.8, -21.0, 0.04),
    "red_earth":        (  420,  520,  760, 1340, 1600, 1880, 2020, 2150, 2250, 2250, 3050, 2150, -12.6, -20.2, 0.05),
    "soil_wet":         (  360,  460,  610,  780,  950, 1080, 1180, 1300, 1380, 1400, 1950, 1600, -11.6, -19.8, 0.04),
    "vine":             (  300,  390,  640,  680, 1150, 2350, 2850, 3050, 3150, 3150, 2450, 1400,  -9.2, -15.6, 0.06),
    "vine_bare":        (  480,  600,  760, 1080, 1300, 1480, 1580, 1700, 1780, 1800, 2550, 2000, -11.8, -18.4, 0.06),
    "olive":            (  300,  390,  560,  580,  950, 1550, 1750, 1900, 1980, 2000, 1750, 1050,  -7.4, -13.0, 0.10),
    "oak":              (  210,  270,  450,  380,  780, 1750, 2050, 2250, 2300, 2300, 1550,  800,  -6.8, -11.4, 0.10),
    "tile_roof":        (  560,  680,  900, 1280, 1850, 1980, 2080, 2200, 2250, 2200, 2500, 2150,  -4.0, -11.5, 0.18),
    "pale_roof":        ( 1000, 1250, 1420, 1550, 2050, 2120, 2180, 2280, 2300, 2250, 2350, 2100,  -4.4, -12.0, 0.20),
    "asphalt":          (  600,  720,  840,  910, 1050, 1230, 1300, 1400, 1450, 1450, 1650, 1480,  -9.0, -16.5, 0.08),
    "garden":           (  330,  430,  680,  600, 1080, 2200, 2550, 2700, 2800, 2750, 2050, 1200,  -8.8, -14.8, 0.15),
    "metal_roof":       ( 1500, 1800, 1920, 1980, 2000, 2020, 2050, 2100, 2120, 2080, 2050, 1850,  -2.6, -11.0, 0.06),
    "dark_roof":        (  640,  720,  780,  820,  880,  920,  960, 1020, 1050, 1050, 1300, 1250,  -3.4, -11.5, 0.07),
    "concrete":         (  950, 1150, 1300, 1400, 1500, 1600, 1920, 2020, 2060, 2000, 2250, 2050,  -8.6, -16.0, 0.07),
    "quarry":           ( 1000, 1300, 1650, 1950, 2100, 2180, 2250, 2350, 2400, 2350, 2850, 2550, -11.0, -18.0, 0.10),
    "rock":             (  820, 1000, 1180, 1320, 1450, 1550, 1620, 1720, 1780, 1780, 2200, 1900, -10.0, -17.0, 0.12),
    "sand":             ( 1350, 1750, 2250, 2620, 2800, 2900, 2980, 3060, 3100, 3050, 3350, 2900, -16.5, -24.0, 0.04),
    "dune_grass":       (  620,  820, 1150, 1350, 1750, 2350, 2550, 2700, 2800, 2750, 2850, 1900, -13.0, -20.0, 0.09),
    "bog":              (  280,  350,  520,  640, 1050, 1500, 1650, 1800, 1880, 1900, 1550,  760, -12.6, -19.4, 0.08),
    "bog_moss":         (  330,  420,  680,  820, 1350, 1950, 2100, 2300, 2400, 2400, 1750,  850, -12.2, -19.0, 0.07),
    "salt_meadow":      (  360,  470,  650,  640, 1050, 1800, 2050, 2200, 2250, 2250, 1450,  760, -12.0, -18.4, 0.08),
    "mud":              (  640,  780,  960, 1050, 1080, 1060, 1080, 1100, 1090, 1080,  850,  580, -15.0, -23.0, 0.05),
    "lake":             (  190,  210,  240,  140,  125,  100,   95,   85,   75,   90,   45,   35, -19.0, -26.0, 0.07),
    "river":            (  320,  380,  560,  420,  400,  250,  240,  200,  150,  150,   70,   50, -17.5, -25.0, 0.05),
    "sea":              (  340,  350,  250,  105,  100,   75,   70,   60,   50,   80,   35,   25, -14.5, -24.5, 0.07),
    "shallows":         (  470,  540,  560,  250,  180,  120,  110,   95,   70,  100,   40,   30, -15.0, -24.5, 0.05),
    "surf":             ( 1100, 1250, 1250, 1050,  850,  600,  550,  520,  450,  450,  250,  180, -10.0, -19.0, 0.15),
}
# fmt: on

MATERIALS: dict[str, Material] = {
    name: Material(reflectance=row[:12], backscatter_db=row[12:14], roughness=row[14]) for name, row in _TABLE.items()
}

MATERIAL_IDS: dict[str, int] = {name: number for number, name in enumerate(MATERIALS)}

# What replaces a summer material in another season.
_WINTER = {
    "broadleaf": "broadleaf_bare",
    "shrub": "shrub_bare",
    "grass": "grass_dormant",
    "grass_cut": "grass_dormant",
    "upland_grass": "upland_straw",
    "vine": "vine_bare",
}
PHENOLOGY: dict[Season, dict[str, str]] = {
    "summer": {},
    "spring": {"broadleaf": "broadleaf_spring", "grass_cut": "grass", "vine": "vine_bare"},
    "autumn": {"broadleaf": "broadleaf_autumn"},
    "winter": _WINTER,
    "dry": {"grass": "grass_dry", "grass_cut": "grass_dry", "upland_grass": "upland_straw", "clearing": "grass_dry"},
}

# What grows on a field, once per share: the calendar of a mixed farm.
CROPS: dict[Season, tuple[str, ...]] = {
    "spring": ("crop", "crop", "crop", "crop", "rapeseed", "seedling", "seedling", "soil", "soil", "soil_light"),
    "summer": ("crop", "crop", "maize", "maize", "seedling", "ripe_crop", "ripe_crop", "soil_light", "stubble", "soil"),
    "autumn": ("maize", "maize", "stubble", "stubble", "soil", "soil", "soil_light", "seedling", "seedling", "crop"),
    "winter": ("seedling", "seedling", "seedling", "crop", "crop", "soil", "soil", "soil_wet", "soil_wet", "stubble"),
    "dry": (
        "stubble",
        "stubble",
        "stubble",
        "ripe_crop",
        "soil_light",
        "soil_light",
        "soil",
        "red_earth",
        "maize",
        "crop",
    ),
}

REFLECTANCE: NDArray[np.float32] = np.array([m.reflectance for m in MATERIALS.values()], np.float32).T
BACKSCATTER_DB: NDArray[np.float32] = np.array([m.backscatter_db for m in MATERIALS.values()], np.float32).T
ROUGHNESS: NDArray[np.float32] = np.array([m.roughness for m in MATERIALS.values()], np.float32)


def find_materials(names: tuple[str, ...], season: Season) -> NDArray[np.uint8]:
    """Return material ids for summer names, as they look in `season`."""
    stand_in = PHENOLOGY[season]
    return np.array([MATERIAL_IDS[stand_in.get(name, name)] for name in names], np.uint8)
