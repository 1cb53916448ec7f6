"""The section `evaluate` of params.yaml."""

from typing import Literal

from pydantic import Field

from landscribe.core.params import Section


class BootstrapConfig(Section):
    """Part `evaluate.bootstrap`: settings of the intervals."""

    draws: int = Field(ge=100)
    slice_draws: int = Field(ge=100)
    confidence: float = Field(gt=0, lt=1)
    seed: int = Field(ge=0)


class EvaluateConfig(Section):
    """Section `evaluate`."""

    threshold_metric: Literal["f1", "f2", "precision"]
    min_precision: float = Field(gt=0, le=1)
    shrinkage_positives: float = Field(ge=0, allow_inf_nan=False)
    bootstrap: BootstrapConfig
    calibration_bins: int = Field(ge=2)
