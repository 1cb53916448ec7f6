"""Section `demo` of params.yaml."""

from typing import Self

from pydantic import Field, model_validator

from landscribe.core.params import Section
from landscribe.demo.granules import CELLS_PER_SIDE, GRANULES


class DemoConfig(Section):
    """Section `demo` of params.yaml.

    Attributes:
        num_patches: patches to write.
        num_tiles: granules among which the patches alternate, each of another MGRS tile.
        seed: of the whole archive.
    """

    num_patches: int = Field(ge=50)
    num_tiles: int = Field(ge=1, le=len(GRANULES))
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _check_room(self) -> Self:
        if self.num_patches > self.num_tiles * CELLS_PER_SIDE**2:
            raise ValueError(f"a tile has room for {CELLS_PER_SIDE**2:,} patches; lower num_patches or raise num_tiles")
        return self
