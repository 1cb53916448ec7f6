"""Section `register` of params.yaml, known without importing MLflow."""

from pydantic import Field

from landscribe.params import Section


class RegisterConfig(Section):
    """Section `register`."""

    model_name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_. -]+$")
