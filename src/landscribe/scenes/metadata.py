"""What the metadata of a product says on the offset of its digital numbers: MTD_MSIL2A.xml, or a STAC item.

Since processing baseline 04.00 (25 January 2022) ESA adds 1,000 to the digital numbers of level 2A and writes
BOA_ADD_OFFSET, -1000, into the metadata (https://sentiwiki.copernicus.eu/web/s2-processing). Catalogues may undo it in
the pixels that they offer: then the item says so. A date or `N0400` in a name says neither.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

from landscribe.core.bands import S2_BANDS
from landscribe.core.errors import ArchiveError
from landscribe.scenes.band_names import name_asset

_SHIFTED = -1000
_FIRST_SHIFTED = (4, 0)  # processing baseline
_SHIFTED_APPLIED = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
_BASELINES = ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version")


def read_product_offset(content: bytes, name: str) -> int | None:
    """Return the offset that MTD_MSIL2A.xml says; None if it does not say any.

    Args:
        content: of the file.
        name: of the file, for messages.

    Raises:
        ArchiveError: it is no XML, or bands differ in their offset.
    """
    try:
        # Not of a stranger: it lies beside the pixels that are read. Entities that grow are refused by expat since 2.4.
        root = ElementTree.fromstring(content)  # noqa: S314
    except ElementTree.ParseError as error:
        raise ArchiveError(
            f"{name}: expected the metadata of a product; it is damaged or cut off ({error}). Download it again, or say"
            " the offset by --offset."
        ) from error
    values = _read_all(root, "BOA_ADD_OFFSET")
    if values:
        return _agree([float(value) for value in values], name)
    baselines = _read_all(root, "PROCESSING_BASELINE")
    return 0 if baselines and _is_older(baselines[0]) else None


def read_item_offset(content: bytes, name: str) -> int | None:
    """Return the offset that a STAC item says; None if it does not say any, or the file is none.

    Args:
        content: of a JSON file.
        name: of the file, for messages.

    Raises:
        ArchiveError: bands differ in their offset.
    """
    try:
        item = json.loads(content)
    except ValueError:
        return None
    if not isinstance(item, dict) or item.get("type") != "Feature" or not isinstance(item.get("properties"), dict):
        return None
    properties = item["properties"]
    baseline = next((str(properties[key]) for key in _BASELINES if key in properties), "")
    applied = next((properties[key] for key in _SHIFTED_APPLIED if key in properties), None)
    if applied is True:
        return 0
    if applied is False and _parse_baseline(baseline):
        return 0 if _is_older(baseline) else _SHIFTED
    offsets = list(_iter_asset_offsets(item.get("assets")))
    if offsets:
        return _agree(offsets, name)
    return 0 if _is_older(baseline) else None


def _read_all(root: ElementTree.Element, tag: str) -> list[str]:
    """Return the texts of all elements of a name, in whatever namespace."""
    return [element.text or "" for element in root.iter() if element.tag.rpartition("}")[2] == tag]


def _agree(values: Iterable[float], name: str) -> int:
    """Return the one offset of all bands, digital numbers."""
    found = sorted({round(value) for value in values})
    if len(found) > 1:
        raise ArchiveError(
            f"{name}: expected one offset for all bands; received {', '.join(map(str, found))}. Say the one that holds"
            " for the bands of the model by --offset, e.g. --offset -1000."
        )
    return found[0]


def _parse_baseline(text: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"([0-9]{1,2})\.([0-9]{1,2})", text.strip())
    return (int(found[1]), int(found[2])) if found else None


def _is_older(baseline: str) -> bool:
    """Return whether a processing baseline is known and before the first with an offset."""
    parsed = _parse_baseline(baseline)
    return parsed is not None and parsed < _FIRST_SHIFTED


def _iter_asset_offsets(assets: object) -> Iterator[float]:
    """Yield the offset of each optical asset that has one, digital numbers: reflectance = scale * number + offset.

    STAC 1.0 has it in `raster:bands`, STAC 1.1 in `bands` or in the asset itself, with a prefix.
    """
    for key, asset in assets.items() if isinstance(assets, dict) else ():
        if name_asset(key) not in S2_BANDS or not isinstance(asset, dict):
            continue
        for band in (*_list_bands(asset, "raster:bands"), *_list_bands(asset, "bands"), asset):
            scale, offset = (band.get(word, band.get(f"raster:{word}")) for word in ("scale", "offset"))
            if isinstance(scale, int | float) and isinstance(offset, int | float) and scale:
                yield offset / scale


def _list_bands(asset: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    bands = asset.get(key)
    return [band for band in bands if isinstance(band, dict)] if isinstance(bands, list) else []
