"""Which band of a raster is which: by the file's own descriptions and colours, else by an order given by name.

A description that is a known or a wanted name is the best witness, for people write it on purpose. Colours come next:
writers set them unasked, but never to the wrong ones. An order given by name decides what is left, as long as nothing
in the file contradicts it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rasterio import DatasetReader
from rasterio.enums import ColorInterp

from landscribe.core.bands import IMAGE_NAMES, fold_name
from landscribe.core.errors import PatchError

_COLOURS = {"R": ColorInterp.red, "G": ColorInterp.green, "B": ColorInterp.blue}
_WORDS = {"red": "R", "green": "G", "blue": "B", "nearinfrared": "NIR"}  # of descriptions, spelt as `fold_name` does
_DIGITAL = {"uint8", "uint16"}  # what cameras write; three or one such bands may be taken for colours and grey


@dataclass(frozen=True)
class NamedBands:
    """The bands of a raster.

    Attributes:
        places: name -> number in the file, from 1.
        alpha: number of the band that says which pixels are transparent; None without one.
        quirks: what had to be assumed.
    """

    places: dict[str, int]
    alpha: int | None
    quirks: tuple[str, ...]


def name_bands(dataset: DatasetReader, path_name: str, wanted: Iterable[str], band_order: Sequence[str]) -> NamedBands:
    """Return the names of the bands of a raster.

    Args:
        dataset: the opened file.
        path_name: of the file, for messages.
        wanted: names that a description may use, beside the known ones and those of `band_order`.
        band_order: names of the bands of a file that has as many, in file order, where it does not name them itself.

    Raises:
        PatchError: names contradict each other, or what the bands are cannot be known.
    """
    described = _read_descriptions(dataset, path_name, (*band_order, *wanted))
    if len(described) == dataset.count:
        return NamedBands(described, None, ())
    colours = list(dataset.colorinterp)
    alpha = _find_alpha(colours, described)
    found = _read_colours(colours, described) | described
    if len(band_order) == dataset.count and alpha is None:
        given = {name: place for place, name in enumerate(band_order, 1)}
        if given.items() >= found.items():
            return NamedBands(given, None, () if given == found else ("band-order-from-params",))
        if described:
            raise PatchError(
                f"{path_name}: expected the bands {', '.join(band_order)} in this order; the file describes"
                f" {_list_places(described)}. Name them in the order of the file, or describe all of them in a copy"
            )
    if found:
        return NamedBands(found, alpha, ("rgba-image",) if alpha else ())
    return _assume_colours(dataset, path_name, alpha)


def _read_descriptions(dataset: DatasetReader, path_name: str, given: Sequence[str]) -> dict[str, int]:
    """Return name -> number of the bands whose description is a name; given names come before known ones."""
    names = _WORDS | {fold_name(name): name for name in (*IMAGE_NAMES, *reversed(given))}
    described: dict[str, int] = {}
    for place, words in enumerate(dataset.descriptions, 1):
        name = names.get(fold_name(words or ""))
        if name is not None and described.setdefault(name, place) != place:
            raise PatchError(f"{path_name}: bands {described[name]} and {place} are both described as {name}; keep one")
    return described


def _read_colours(colours: Sequence[ColorInterp], described: dict[str, int]) -> dict[str, int]:
    """Return name -> number of the bands that are marked by colour, as far as no description says what they are.

    Red, green and blue count together alone. Infrared is the band so marked, or the fourth beside them without a mark.
    """
    if any(colour not in colours for colour in _COLOURS.values()):
        return {}
    marked = {name: colours.index(colour) + 1 for name, colour in _COLOURS.items()}
    infrared = {ColorInterp.nir} if len(colours) != len(marked) + 1 else {ColorInterp.nir, ColorInterp.undefined}
    beside = [place for place, colour in enumerate(colours, 1) if colour in infrared]
    marked |= {"NIR": beside[0]} if beside else {}
    return {name: place for name, place in marked.items() if place not in described.values()}


def _find_alpha(colours: Sequence[ColorInterp], described: dict[str, int]) -> int | None:
    """Return the number of the band marked as transparency, unless its description says that it is another."""
    place = colours.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in colours else None
    return None if place in described.values() else place


def _assume_colours(dataset: DatasetReader, path_name: str, alpha: int | None) -> NamedBands:
    """Return grey or red, green, blue, where a file of whole numbers can hardly be anything else."""
    colours, count = list(dataset.colorinterp), dataset.count
    if set(dataset.dtypes) <= _DIGITAL:
        if ColorInterp.palette not in colours and (count == 1 or (count == 2 and alpha)):
            return NamedBands(dict.fromkeys(_COLOURS, 2 if alpha == 1 else 1), alpha, ("grey-image",))
        if count == len(_COLOURS) and set(colours) <= {ColorInterp.gray, ColorInterp.undefined}:
            return NamedBands({name: place for place, name in enumerate(_COLOURS, 1)}, None, ("rgb-order-assumed",))
    marks = ",".join("gray" if place == 1 else "undefined" for place in range(1, count + 1))
    unmark = f". Take the mark alpha from a copy of it first (rio edit-info --colorinterp {marks})" if alpha else ""
    raise PatchError(
        f"{path_name}: expected bands that are described by name or marked red, green, blue; received"
        f" {', '.join(colour.name for colour in colours)} of {dataset.dtypes[0]}. Name the {count} band(s), in the"
        f" order of the file, in archive.band_order, or with --band-order of predict{unmark}"
    )


def _list_places(places: dict[str, int]) -> str:
    return ", ".join(f"{name} as band {place}" for name, place in sorted(places.items(), key=lambda item: item[1]))
