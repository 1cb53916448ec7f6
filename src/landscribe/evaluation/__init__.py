"""Evaluation of scores: metrics, thresholds, baselines and pictures, with NumPy and scikit-learn only."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "bootstrap": ["compute_draws", "compute_interval"],
        "metrics": ["compute_metrics"],
        "paired": ["Difference", "compare"],
        "thresholds": ["fit_thresholds", "read_thresholds"],
    },
)
