"""Section `archive` of params.yaml: where the archive is and how it is read."""

from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from landscribe.params import Section, find_repository

Layout = Literal["demo", "bigearthnet-v1", "tagged-images"]


class ArchiveConfig(Section):
    """Section `archive`; relative paths start from the repository."""

    layout: Layout
    root: str
    s1_root: str | None
    labels_file: str | None
    nomenclature: str
    exclude: list[str]

    @model_validator(mode="after")
    def _check_layout(self) -> Self:
        if self.layout == "tagged-images" and self.labels_file is None:
            raise ValueError("labels_file: layout tagged-images needs a CSV with the columns image_name,tags")
        if self.layout != "bigearthnet-v1" and self.s1_root is not None:
            raise ValueError(f"s1_root: layout {self.layout} takes none (demo has its own); set it to null")
        for word in self.exclude:
            if word in ("snow", "cloud"):
                raise ValueError(f"exclude: '{word}' needs the flags of BigEarthNet v2; give the path of a list")
        return self

    @property
    def root_path(self) -> Path:
        """The folder of the patches or images, absolute."""
        return find_repository() / self.root

    @property
    def exclude_paths(self) -> list[Path]:
        """The lists of patch names to leave out, absolute."""
        return [find_repository() / name for name in self.exclude]

    @property
    def extra_files(self) -> list[Path]:
        """Every file beside the archive that this section names, absolute: their content counts too."""
        named = [find_repository() / self.labels_file] if self.labels_file else []
        mapping = find_repository() / self.nomenclature
        return [*named, *self.exclude_paths, *([mapping] if mapping.is_file() else [])]
