"""Names of bands in the names of files and assets: their own, or those of public catalogues."""

import re
from collections.abc import Sequence

# https://github.com/Element84/earth-search: B8A is nir08 there.
_CATALOGUE = {
    "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1", "B06": "rededge2",
    "B07": "rededge3", "B08": "nir", "B8A": "nir08", "B09": "nir09", "B11": "swir16", "B12": "swir22",
    "R": "red", "G": "green", "B": "blue",
}  # fmt: skip
_ASSETS = {word: name for name, word in reversed(_CATALOGUE.items())}


def find_named(files: Sequence[str], name: str) -> list[str]:
    """Return the files whose names contain that of a band between `_`, `-`, `.` or blanks.

    Only if there are none, those with the word that catalogues use for it.
    """
    for words in (name, _CATALOGUE.get(name, name)):
        wanted = _split(words)
        if found := [file for file in files if _contains(_split(file), wanted)]:
            return found
    return []


def name_asset(key: str) -> str:
    """Return the name of the band of Sentinel-2 that a STAC asset such as `blue`, `B02_10m` or `red-jp2` holds."""
    first = (_split(key) or [""])[0]
    return _ASSETS.get(first, first.upper())


def _contains(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    return any(parts[start : start + len(wanted)] == wanted for start in range(len(parts) - len(wanted) + 1))


def _split(name: str) -> list[str]:
    """Return the parts of a name in one spelling: `B2` is B02."""
    return [re.sub(r"^b([1-9])$", r"b0\1", part) for part in re.split(r"[\s_.-]+", name.casefold()) if part]
