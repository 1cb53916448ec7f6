"""Section `map` of params.yaml."""

from pydantic import Field

from landscribe.core.params import Section


class MapConfig(Section):
    """Section `map`: which windows of a scene are not labelled (docs/maps.md)."""

    max_nodata_fraction: float = Field(ge=0, lt=1)
    max_cloud_fraction: float | None = Field(ge=0, le=1)
