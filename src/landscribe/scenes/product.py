"""A Sentinel-2 product of level 2A (.SAFE): its bands by the names of its files.

GDAL's driver for products is not used: it sorts bands its own way, and opens products with files missing.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from landscribe.core.bands import S1_BANDS, S2_BANDS
from landscribe.core.errors import ArchiveError
from landscribe.scenes.headers import CLOUD_NAME
from landscribe.scenes.listing import GRANULES, SceneFiles, list_examples

# GRANULE/L2A_T33UUP_.../IMG_DATA/R10m/T33UUP_20220605T100601_B02_10m.jp2. Names before 2017 are longer or begin with
# L2A_; without resolution they are those of level 1C.
_BAND_FILE = re.compile(
    rf"{GRANULES}/(?P<granule>[^/]+)/IMG_DATA/R[0-9]+m/(?:[^/]*_)?(?P<band>B[0-9]{{2}}|B8A|SCL)_(?P<size>[0-9]+)m\.jp2"
)
_CLOUD_RESOLUTIONS_M = (20, 60)


def check_product(files: SceneFiles) -> None:
    """Check what can be known without a model.

    Raises:
        ArchiveError: the product is of level 1C, has no bands, or several granules.
    """
    _list_bands(files)


def find_product_bands(files: SceneFiles, names: Sequence[str]) -> dict[str, str]:
    """Return name -> file of bands in their native resolution, and of the scene classification where it is there.

    Args:
        files: of the product.
        names: bands to find.

    Raises:
        ArchiveError: a file is missing.
    """
    there = _list_bands(files)
    native = {name: there.get(name, {}).get(_find_native_m(name)) for name in names}
    missing = [name for name, file in native.items() if file is None]
    if missing:
        raise ArchiveError(_explain_missing(files, missing, there))
    found = {name: file for name, file in native.items() if file is not None}
    cloud = [file for size in _CLOUD_RESOLUTIONS_M if (file := there.get(CLOUD_NAME, {}).get(size))]
    return found | ({CLOUD_NAME: cloud[0]} if cloud else {})


def _find_native_m(name: str) -> int | None:
    return S2_BANDS[name].resolution_m if name in S2_BANDS else None


def _list_bands(files: SceneFiles) -> dict[str, dict[int | None, str]]:
    """Return band -> resolution, metres -> file."""
    if "MTD_MSIL1C.xml" in files.names or "_MSIL1C_" in files.name:
        raise ArchiveError(
            f"{files.name}: expected surface reflectance, level 2A; received a product of level 1C, which holds that at"
            " the top of the atmosphere. Download the product of level 2A (MSIL2A) of the same acquisition."
        )
    matches = [found for name in files.names if (found := _BAND_FILE.fullmatch(name))]
    granules = sorted({found["granule"] for found in matches})
    if not granules:
        raise ArchiveError(
            f"{files.path}: expected {GRANULES}/*/IMG_DATA/R10m/*_B02_10m.jp2 and its like; found none of them."
            " Download the product of level 2A again."
        )
    if len(granules) > 1:
        raise ArchiveError(
            f"{files.path}: expected one granule; received {list_examples(granules)}. Copy the .jp2 files of the one"
            " that is meant, and MTD_MSIL2A.xml, into a folder of their own, and name that."
        )
    there: dict[str, dict[int | None, str]] = {}
    for found in matches:
        there.setdefault(found["band"], {})[int(found["size"])] = found.string
    return there


def _explain_missing(files: SceneFiles, missing: Sequence[str], there: Mapping[str, Mapping[int | None, str]]) -> str:
    radar = [name for name in missing if name in S1_BANDS]
    if radar:
        return (
            f"{files.path}: the model takes {', '.join(radar)} of Sentinel-1, which no product of Sentinel-2 has. Name"
            " a folder with VV.tif and VH.tif on the same grid by --s1-root."
        )
    unknown = [name for name in missing if name not in S2_BANDS]
    if unknown:
        return (
            f"{files.path}: expected a model of the bands of Sentinel-2, level 2A; this one takes {', '.join(unknown)}."
            " Name a scene that has them."
        )
    coarser = [
        f"{name} is there at {' and '.join(f'{size} m' for size in sorted(filter(None, there[name])))} alone, the model"
        f" takes {_find_native_m(name)} m"
        for name in missing
        if name in there
    ]
    listed = [
        PurePosixPath(file).stem.rpartition("/")[2].split("_", 2)[-1]
        for sizes in there.values()
        for file in sizes.values()
    ]
    wanted = ", ".join(f"{name} at {_find_native_m(name)} m" for name in missing)
    return (
        f"{files.path}: {wanted} missing{''.join(f'; {words}' for words in coarser)}. There are:"
        f" {', '.join(sorted(listed))}. Download the product again, whole."
    )
