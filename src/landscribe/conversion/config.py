"""Section `convert` of params.yaml."""

from pydantic import Field

from landscribe.core.params import Section


class ConvertConfig(Section):
    """Section `convert`."""

    bands: list[str]
    image_size_px: int = Field(ge=8)
    max_nodata_fraction: float = Field(ge=0, le=1)
    shard_size_mb: float = Field(gt=0, allow_inf_nan=False)
    max_bad_fraction: float = Field(ge=0, le=1)
    verify: bool
    seed: int
