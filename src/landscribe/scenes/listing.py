"""The files of a scene, in a folder or in a ZIP, by paths relative to its root. Nothing is unpacked."""

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from landscribe.core.errors import ArchiveError

GRANULES = "GRANULE"  # the folder of a product of Sentinel-2 that holds its bands
_PRODUCT = ".SAFE"
_METADATA_BYTES = 4 << 20  # of a product about 55 kB; a longer file is something else
_NUM_EXAMPLES = 5


@dataclass(frozen=True)
class SceneFiles:
    """The files of a scene.

    Attributes:
        path: a folder or a ZIP.
        root: the folder of the files; in a ZIP a path in it, empty for its top.
        names: paths below the root, with `/`, sorted.
    """

    path: Path
    root: str
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the product, or of the folder."""
        return (PurePosixPath(self.root).name or self.path.stem).removesuffix(_PRODUCT)

    @property
    def is_product(self) -> bool:
        """Whether these are the files of a product of Sentinel-2."""
        return any(name.startswith(f"{GRANULES}/") for name in self.names)

    def locate(self, name: str) -> str:
        """Return the path by which GDAL opens a file."""
        base = f"/vsizip/{self.path.absolute()}" if _is_zip(self.path) else ""
        return "/".join(part for part in (base, self.root, name) if part)

    def read(self, name: str) -> bytes:
        """Return the content of a file of metadata, nothing of one that is too long for that.

        Raises:
            ArchiveError: it cannot be read.
        """
        try:
            if not _is_zip(self.path):
                file = Path(self.root, name)
                return file.read_bytes() if file.stat().st_size <= _METADATA_BYTES else b""
            with zipfile.ZipFile(self.path) as archive:
                info = archive.getinfo(str(PurePosixPath(self.root, name)))
                return archive.read(info) if info.file_size <= _METADATA_BYTES else b""
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise ArchiveError(f"{self.path}: {name} cannot be read: {error}. Download the scene again.") from error


def list_scene(path: Path) -> SceneFiles:
    """Return the files of a scene; of a folder or ZIP that holds one product, those of the product.

    Raises:
        ArchiveError: the path is absent, cannot be listed, is a damaged ZIP, or holds several products.
    """
    if not path.exists():
        raise ArchiveError(
            f"{path}: expected a scene: a .SAFE folder, its ZIP, a folder of bands or a raster; no such file or folder."
        )
    try:
        return _list_zip(path) if _is_zip(path) else _list_folder(path) if path.is_dir() else _list_beside(path)
    except zipfile.BadZipFile as error:
        raise ArchiveError(f"{path}: expected a ZIP; it is damaged or cut off ({error}). Download it again.") from error
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror or error}. Check its permissions.") from error


def is_in_folder(path: Path) -> bool:
    """Return whether a scene consists of several files: in a folder, or in a ZIP."""
    return path.is_dir() or _is_zip(path)


def list_examples(names: Iterable[str]) -> str:
    """Return some of the names, for a message."""
    names = list(names)
    rest = len(names) - _NUM_EXAMPLES
    return ", ".join(names[:_NUM_EXAMPLES]) + (f" and {rest} more" if rest > 0 else "") or "nothing"


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and not path.is_dir()  # GDAL knows a ZIP by its suffix as well


def _list_folder(path: Path) -> SceneFiles:
    inner = sorted(path.iterdir())
    if product := _find_product(path, [item.name for item in inner if item.is_dir()]):
        return _list_folder(path / product)
    names = [item.name for item in inner if item.is_file()]
    names += [file.relative_to(path).as_posix() for file in (path / GRANULES).rglob("*.*") if file.is_file()]
    return SceneFiles(path, str(path.absolute()), tuple(sorted(names)))


def _list_beside(path: Path) -> SceneFiles:
    """Return the STAC item of a raster: a file of its name."""
    item = path.with_suffix(".json")
    return SceneFiles(path.parent, str(path.parent.absolute()), (item.name,) if item.is_file() else ())


def _list_zip(path: Path) -> SceneFiles:
    with zipfile.ZipFile(path) as archive:
        found = [info.filename for info in archive.infolist() if not info.is_dir()]
    # __MACOSX: side files of the packer of macOS; a path with .. is none of a scene.
    names = [name for name in found if name.partition("/")[0] not in ("", "__MACOSX") and ".." not in name.split("/")]
    root = ""
    while inner := _find_inner(path, names):
        root = f"{root}/{inner}".lstrip("/")
        names = [name.removeprefix(f"{inner}/") for name in names if name.startswith(f"{inner}/")]
    return SceneFiles(path, root, tuple(sorted(names)))


def _find_inner(path: Path, names: Iterable[str]) -> str | None:
    """Return the folder that holds the product, or all files; None if there is none, or these are its files."""
    names = list(names)
    folders = {name.partition("/")[0] for name in names if "/" in name}
    product = _find_product(path, folders)
    is_only = len(folders) == 1 and GRANULES not in folders and all("/" in name for name in names)
    return product or (folders.pop() if is_only else None)


def _find_product(path: Path, folders: Iterable[str]) -> str | None:
    """Return the one product among folders; None if there is none, or the folders are those of a product."""
    folders = list(folders)
    products = sorted(name for name in folders if name.endswith(_PRODUCT))
    if not products or GRANULES in folders:
        return None
    if len(products) > 1:
        raise ArchiveError(f"{path}: expected one product; received {list_examples(products)}. Name one of them.")
    return products[0]
