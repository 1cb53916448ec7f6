"""Calibration: does a class with a score of 0.7 occur in 70 % of such cases?

Expected calibration error over M bins of equal width: the sum over the bins of (n_m / n) * |observed share - mean
score| (Naeini, Cooper, Hauskrecht, AAAI 2015; Guo et al., ICML 2017). Here each pair of patch and class is a case, so
that the score of each class is measured, not the confidence of the top class (class-wise: Nixon et al., CVPR workshops
2019).
"""

import numpy as np
import pandas as pd


def make_reliability(truth: np.ndarray, scores: np.ndarray, num_bins: int) -> pd.DataFrame:
    """Return one row per bin: low, high, num_decisions, mean_score, observed_share; NaN in bins without a decision.

    Args:
        truth: 0 and 1, of any shape.
        scores: in [0, 1], of the same shape; a score on an edge falls into the bin above, 1 into the last.
        num_bins: bins of equal width.
    """
    edges = np.arange(num_bins + 1) / num_bins
    flat = scores.ravel().astype(np.float64)
    bins = np.minimum(np.searchsorted(edges, flat, side="right") - 1, num_bins - 1)
    numbers = np.bincount(bins, minlength=num_bins)
    some = np.where(numbers > 0, numbers, np.nan)
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "num_decisions": numbers,
            "mean_score": np.bincount(bins, flat, num_bins) / some,
            "observed_share": np.bincount(bins, truth.ravel().astype(np.float64), num_bins) / some,
        }
    )


def compute_calibration_error(truth: np.ndarray, scores: np.ndarray, num_bins: int) -> float:
    """Return the expected calibration error, from 0 (the observed shares are the scores) to 1; 0 without a decision."""
    rows = make_reliability(truth, scores, num_bins)
    gaps = (rows["observed_share"] - rows["mean_score"]).abs().fillna(0)
    return float((gaps * rows["num_decisions"]).sum() / max(1, truth.size))
