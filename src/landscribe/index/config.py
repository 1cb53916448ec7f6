"""Section `discover` of params.yaml."""

from pydantic import Field

from landscribe.core.params import Section


class DiscoverConfig(Section):
    """Section `discover`."""

    max_bad_fraction: float = Field(ge=0, le=1)
