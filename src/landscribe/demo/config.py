"""Section `demo` of params.yaml."""

from pydantic import Field, ValidationInfo, field_validator

from landscribe.core.params import Section
from landscribe.demo.granules import CELLS_PER_SIDE, GRANULES


class DemoConfig(Section):
    """Section `demo` of params.yaml.

    Attributes:
        num_patches: patches to write.
        num_tiles: granules among which the patches alternate, each of another MGRS tile.
        seed: of the whole archive.
    """

    num_patches: int = Field(ge=50, le=len(GRANULES) * CELLS_PER_SIDE**2)
    num_tiles: int = Field(ge=1, le=len(GRANULES))
    seed: int = Field(ge=0)

    @field_validator("num_tiles")
    @classmethod
    def _check_room(cls, num_tiles: int, info: ValidationInfo) -> int:
        needed = -(-info.data.get("num_patches", 0) // CELLS_PER_SIDE**2)
        if num_tiles < needed:
            raise ValueError(
                f"expected at least {needed} for {info.data['num_patches']} patches, {CELLS_PER_SIDE**2} per tile;"
                f" received {num_tiles}"
            )
        return num_tiles
