"""Sections `register` and `promote` of params.yaml, importable without MLflow."""

from typing import Literal

from pydantic import Field

from landscribe.core.params import Section


class RegisterConfig(Section):
    """Section `register`."""

    model_name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_. -]+$")


class PromoteConfig(Section):
    """Section `promote`: what a challenger needs to become champion (docs/promotion.md)."""

    metric: Literal[
        "test_macro_ap", "test_micro_ap", "test_macro_f1", "test_macro_f2", "test_micro_f1", "test_sample_f1",
        "test_sample_f2",
    ]  # fmt: skip
    min_gain: float = Field(ge=0, lt=1)
    confident: bool
    class_tolerance: float = Field(ge=0, le=1)
    class_shrinkage_positives: float = Field(ge=0, allow_inf_nan=False)
    max_latency_ms: float | None = Field(gt=0, allow_inf_nan=False)
    max_size_mb: float | None = Field(gt=0, allow_inf_nan=False)
