"""Section `split` of params.yaml."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from landscribe.core.params import Section, resolve_path

SPLITS = ("train", "val", "test")


class Fractions(Section):
    """Shares of the patches; train takes the rest."""

    val: float = Field(ge=0, lt=1)
    test: float = Field(ge=0, lt=1)

    @property
    def shares(self) -> tuple[float, float, float]:
        """The shares in the order of `SPLITS`."""
        return 1 - self.val - self.test, self.val, self.test


class Spatial(Section):
    """Settings of strategy `spatial`."""

    unit: Literal["block", "tile", "country"]
    block_cells: int = Field(ge=1, le=10_000)
    buffer_cells: int = Field(ge=1, le=100)  # pairs, held in memory, grow with its square
    val: list[str]
    test: list[str]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.unit == "block" and (self.val or self.test):
            raise ValueError("val, test: blocks have no names; leave both [], or set unit to tile or country")
        if twice := sorted(set(self.val) & set(self.test)):
            raise ValueError(f"val, test: {', '.join(twice)} cannot be held out for both; remove it from one")
        return self


class SplitConfig(Section):
    """Section `split`; relative paths start from the repository."""

    strategy: Literal["random", "official", "stratified", "spatial"]
    fractions: Fractions
    files: list[str]
    seed: int
    spatial: Spatial
    seen_lists: list[str]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.strategy == "official" and len(self.files) not in (0, len(SPLITS)):
            raise ValueError(
                "files: strategy official takes three lists, train, val, test, or [] for the archive's own split;"
                f" received {self.files}"
            )
        if self.fractions.val + self.fractions.test >= 1:
            raise ValueError("fractions: val + test must be below 1, so that train has patches")
        return self

    @property
    def official_paths(self) -> list[Path]:
        """The lists of the official split, train, val, test, absolute; empty for other splits."""
        return [resolve_path(name) for name in self.files] if self.strategy == "official" else []

    @property
    def seen_paths(self) -> list[Path]:
        """The lists of patches that a pretrained backbone has seen, absolute."""
        return [resolve_path(name) for name in self.seen_lists]

    @property
    def file_paths(self) -> list[Path]:
        """Every file that this section reads, absolute: the fingerprint covers their content too."""
        return [*self.official_paths, *self.seen_paths]
