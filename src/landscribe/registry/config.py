"""Sections `register` and `promote` of params.yaml, importable without MLflow."""

import re
from typing import Literal

from pydantic import Field, field_validator

from landscribe.core.params import Section


class RegisterConfig(Section):
    """Section `register`."""

    model_name: str

    @field_validator("model_name")
    @classmethod
    def _check(cls, name: str) -> str:
        # It is part of models:/NAME@ALIAS, of folders and of command lines: `..`, `-x` and blanks at an end break one.
        if not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_. -]*[A-Za-z0-9_.-])?", name):
            raise ValueError(
                "expected letters, digits, '_', '.', '-' and blanks, a letter, a digit or '_' first and no blank last,"
                f" e.g. landscribe; received {name!r}"
            )
        return name


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
