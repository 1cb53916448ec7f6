"""Section `archive` of params.yaml: where the archive is and how it is read."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from landscribe.core.bands import check_order
from landscribe.core.params import Section, resolve_path

Layout = Literal["demo", "bigearthnet-v1", "bigearthnet-v2", "bigearthnet-tfrecord", "tagged-images", "rico-hdl"]
Wavelength = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=False)]
FLAGS = ("snow", "cloud")  # values of archive.exclude that are the archive's own flags, not lists

# Layout -> the keys that it needs and those that it may have besides; every other path stays null.
_KEYS: dict[str, tuple[set[str], set[str]]] = {
    "demo": ({"root"}, {"labels_file"}),
    "bigearthnet-v1": (set(), {"root", "s1_root", "labels_file"}),
    "bigearthnet-v2": ({"labels_file"}, {"root", "s1_root", "maps_root"}),
    "bigearthnet-tfrecord": ({"root"}, set()),
    "tagged-images": ({"root"}, {"labels_file"}),
    "rico-hdl": ({"root", "labels_file"}, set()),
}
_WHAT = {"root": "name the folder of the patches or images", "labels_file": "name metadata.parquet"}
_V2 = ("bigearthnet-v2", "rico-hdl")  # layouts with metadata.parquet


class ArchiveConfig(Section):
    """Section `archive`; relative paths start from the repository, `~` is the home folder."""

    layout: Layout
    root: str | None
    s1_root: str | None
    maps_root: str | None
    labels_file: str | list[str] | None
    tag_separator: Literal[" ", ",", ";", "|"] | None
    image_column: str | None
    tags_column: str | None
    nomenclature: str
    exclude: list[str]
    band_order: list[str] = Field(min_length=1)
    wavelengths_nm: dict[str, Wavelength]

    @model_validator(mode="after")
    def _check_layout(self) -> Self:
        needed, optional = _KEYS[self.layout]
        for key in ("root", "s1_root", "maps_root", "labels_file"):
            value = getattr(self, key)
            if value and key not in needed | optional:
                hint = " (demo has its own)" if self.layout == "demo" else ""
                raise ValueError(f"{key}: layout {self.layout} takes none{hint}; set it to null")
            if not value and key in needed:
                raise ValueError(f"{key}: layout {self.layout} needs it; {_WHAT[key]}")
        if not self.root and not self.s1_root:
            raise ValueError("root: set it to the folder of the Sentinel-2 patches, or s1_root to the Sentinel-1 ones")
        if isinstance(self.labels_file, list) and self.layout not in _V2:
            raise ValueError(f"labels_file: only {' and '.join(_V2)} take several files; expected one path")
        for key in ("tag_separator", "image_column", "tags_column"):
            if getattr(self, key) is not None and (self.layout != "tagged-images" or not self.labels_file):
                raise ValueError(
                    f"{key}: only a table of tags has one (tagged-images with labels_file); set it to null"
                )
        for word in self.exclude:
            if word in FLAGS and self.layout not in _V2:
                raise ValueError(f"exclude: '{word}' needs the flags of BigEarthNet v2; give the path of a list")
        return self

    @model_validator(mode="after")
    def _check_bands(self) -> Self:
        check_order(self.band_order, "band_order")
        if self.wavelengths_nm:
            check_order(list(self.wavelengths_nm), "wavelengths_nm")
        return self

    @property
    def root_path(self) -> Path | None:
        """The folder or download of the Sentinel-2 patches or images, absolute; None for Sentinel-1 alone."""
        return resolve_path(self.root) if self.root else None

    @property
    def s1_root_path(self) -> Path | None:
        """The folder or download of the Sentinel-1 patches, absolute."""
        return resolve_path(self.s1_root) if self.s1_root else None

    @property
    def maps_root_path(self) -> Path | None:
        """The folder or download of the reference maps, absolute."""
        return resolve_path(self.maps_root) if self.maps_root else None

    @property
    def label_paths(self) -> list[Path]:
        """The files of labels, absolute."""
        names = [self.labels_file] if isinstance(self.labels_file, str) else self.labels_file or []
        return [resolve_path(name) for name in names]

    @property
    def exclude_paths(self) -> list[Path]:
        """The lists of patch names to leave out, absolute."""
        return [resolve_path(name) for name in self.exclude if name not in FLAGS]

    @property
    def exclude_flags(self) -> list[str]:
        """The archive's own flags that leave a patch out: snow, cloud."""
        return [word for word in self.exclude if word in FLAGS]

    @property
    def extra_files(self) -> list[Path]:
        """Every other file that this section names, absolute: the fingerprint covers their content too."""
        mapping = resolve_path(self.nomenclature)
        return [*self.label_paths, *self.exclude_paths, *([mapping] if mapping.is_file() else [])]
