"""The door to a scene: which layout lies at a path, and its bands, grid and offset."""

from collections.abc import Sequence
from pathlib import Path

from landscribe.core.bands import S1_BANDS, check_order
from landscribe.core.errors import ArchiveError
from landscribe.scenes.band_files import find_bands, list_rasters
from landscribe.scenes.headers import CLOUD_NAME, PlacedBand, find_finest, read_single
from landscribe.scenes.listing import SceneFiles, is_in_folder, list_examples, list_scene
from landscribe.scenes.offset import find_offset
from landscribe.scenes.product import check_product, find_product_bands
from landscribe.scenes.raster import check_raster, find_raster_bands
from landscribe.scenes.scene import Scene

_S1_ROOT = "--s1-root"


def check_scene(path: Path, s1_root: Path | None = None, band_order: Sequence[str] | None = None) -> None:
    """Refuse what cannot be a scene for any model: cheap, no pixel and no header of a raster is read.

    Args:
        path: as for `open_scene`.
        s1_root: likewise.
        band_order: likewise.

    Raises:
        ArchiveError: a path is absent, holds no scene, or is a damaged ZIP.
        ParamsError: the order has names that cannot be those of bands.
    """
    _list_files(path)
    if s1_root is not None:
        if not s1_root.exists():
            raise ArchiveError(
                f"{_S1_ROOT} {s1_root}: expected a folder with VV.tif and VH.tif, or one raster; no such path."
            )
        _list_files(s1_root)
    if band_order is not None:
        check_order(band_order, "--band-order")
        if is_in_folder(path):
            raise ArchiveError(
                f"--band-order: expected one raster, whose bands it names; {path} has a file per band. Leave it out."
            )


def open_scene(
    path: Path,
    names: Sequence[str],
    *,
    s1_root: Path | None = None,
    band_order: Sequence[str] | None = None,
    offset: int | None = None,
) -> Scene:
    """Return a scene with some bands. No pixel is read.

    Args:
        path: a .SAFE of Sentinel-2, level 2A, or a folder with one; a ZIP of it; a folder with a file per band; a
            raster with all bands.
        names: of the bands, as the model has them.
        s1_root: folder or raster with those of Sentinel-1, where they lie elsewhere.
        band_order: names of the bands of a raster that does not name them, in the order of the file.
        offset: to be added to optical bands; None: as the metadata says.

    Raises:
        ArchiveError: a band is missing or unreadable, bands lie on different grids, or metadata is damaged.
    """
    check_scene(path, s1_root, band_order)
    files = _list_files(path)
    elsewhere = [name for name in names if s1_root is not None and name in S1_BANDS]
    placed = _find(path, files, [name for name in names if name not in elsewhere], band_order or ())
    if s1_root is not None and elsewhere:
        s1 = _find(s1_root, _list_files(s1_root), elsewhere, (), _S1_ROOT)
        placed |= {name: s1[name] for name in elsewhere}
    finest = find_finest(placed)
    bands = {name: placed[name].band for name in names}
    return Scene(
        name=files.name if is_in_folder(path) else path.stem,
        crs_wkt=finest.grid.crs.to_wkt(),
        transform=finest.grid.transform,
        bands=bands,
        cloud=placed[CLOUD_NAME].band if CLOUD_NAME in placed else None,
        offset=find_offset(files, bands.values(), offset),
    )


def _find(
    path: Path, files: SceneFiles, names: Sequence[str], band_order: Sequence[str], where: str = ""
) -> dict[str, PlacedBand]:
    """Return the bands of a path, and the scene classification where it is there."""
    if not is_in_folder(path):
        return find_raster_bands(path, names, band_order, where)
    if not files.is_product:
        return find_bands(files, names, where)
    return {name: read_single(files.locate(file), name) for name, file in find_product_bands(files, names).items()}


def _list_files(path: Path) -> SceneFiles:
    """Return the files of a scene, of a raster those of metadata beside it.

    Raises:
        ArchiveError: nothing there is a scene.
    """
    files = list_scene(path)
    if not is_in_folder(path):
        check_raster(path)
    elif files.is_product:
        check_product(files)
    elif not list_rasters(files):
        raise ArchiveError(
            f"{path}: expected a .SAFE of Sentinel-2, or a file per band such as B02.tif or *_B02_10m.jp2; received"
            f" {list_examples(files.names)}. Name the folder or file that holds the bands."
        )
    return files
