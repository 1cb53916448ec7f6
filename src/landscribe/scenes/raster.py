"""One raster that holds all bands: which is which, by descriptions, colours, or an order given by name."""

from collections.abc import Sequence
from pathlib import Path

from rasterio import DatasetReader

from landscribe.archive.band_names import NamedBands, name_bands
from landscribe.archive.image_format import IMAGE_SUFFIXES, sniff
from landscribe.core.bands import S1_BANDS, S2_BANDS
from landscribe.core.errors import ArchiveError, PatchError
from landscribe.scenes.headers import CLOUD_NAME, PlacedBand, open_raster, read_bands
from landscribe.scenes.listing import list_examples

# Usual orders, as examples: of level 2A, and of level 1C as cut by EuroSAT.
_USUAL_ORDERS = {
    12: tuple(S2_BANDS),
    13: ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A"),
    4: ("B", "G", "R", "NIR"),
    3: ("R", "G", "B"),
    2: tuple(S1_BANDS),
}


def check_raster(path: Path) -> None:
    """Raise `ArchiveError` unless the content of a file is that of a raster which is read, and its suffix says so."""
    try:
        content, _ = sniff(path)
    except PatchError as error:
        raise ArchiveError(f"{path.parent}: {error}, or name a .SAFE, its ZIP or a folder of bands.") from error
    if IMAGE_SUFFIXES.get(path.suffix.lower()) != content:
        suffix = next(suffix for suffix, other in IMAGE_SUFFIXES.items() if other == content)
        raise ArchiveError(f"{path}: expected the suffix of {content}, which its content is. Rename it to *{suffix}.")


def find_raster_bands(
    path: Path, names: Sequence[str], band_order: Sequence[str], where: str = ""
) -> dict[str, PlacedBand]:
    """Return the bands of a raster, and the scene classification where one is described as SCL.

    Args:
        path: of the file.
        names: bands to find.
        band_order: names of all its bands in file order, where it does not name them itself.
        where: the option that named the file, for messages.

    Raises:
        ArchiveError: a band is missing, or what the bands are cannot be known.
    """
    located = str(path.absolute())
    with open_raster(located) as dataset:
        if dataset.subdatasets:
            raise ArchiveError(
                f"{path}: expected one page; received {len(dataset.subdatasets)}. Save the page that is meant as a file"
                f" of its own (rio convert GTIFF_DIR:1:{path.name} page.tif)."
            )
        if band_order and len(band_order) != dataset.count:
            raise ArchiveError(
                f"--band-order: expected {dataset.count} names, one per band of {path.name}; received"
                f" {len(band_order)}: {','.join(band_order)}."
            )
        named = _name_bands(dataset, path, names, band_order, where)
        missing = [name for name in names if name not in named.places]
        if missing:
            raise ArchiveError(
                f"{where}{' ' if where else ''}{path}: expected the bands {', '.join(missing)} as well, which the model"
                f" takes; received {list_examples(named.places)}. Name a scene that has them"
                f"{_advise_missing(missing, band_order, where)}."
            )
        places = {name: named.places[name] for name in (*names, CLOUD_NAME) if name in named.places}
        return read_bands(dataset, located, places, named.alpha)


def _name_bands(
    dataset: DatasetReader, path: Path, names: Sequence[str], band_order: Sequence[str], where: str
) -> NamedBands:
    try:
        return name_bands(dataset, path.name, (*names, CLOUD_NAME), band_order)
    except PatchError as error:
        if band_order:
            raise ArchiveError(f"{error}.") from error
    count = dataset.count
    order = names if len(names) == count else _USUAL_ORDERS.get(count)
    example = ",".join(order or [*names, *("other" + str(n) for n in range(count - len(names)))][:count])
    if where:
        advice = f"Save each as a file of a folder (rio stack --bidx 1 {path.name} VV.tif), and name that"
    else:
        advice = f"Name them in the order of the file, e.g. --band-order {example}"
    raise ArchiveError(
        f"{path}: expected bands that their descriptions name, or red, green and blue; received {count} without such"
        f" names. {advice}."
    )


def _advise_missing(missing: Sequence[str], band_order: Sequence[str], where: str) -> str:
    if where:
        return ""
    if set(missing) <= set(S1_BANDS):
        return ", or one with VV and VH on the same grid by --s1-root"
    return "" if band_order else ", or all bands of this one in the order of the file by --band-order"
