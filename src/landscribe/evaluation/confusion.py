"""Errors that occur together: which class is wrongly predicted when another one is missed."""

import numpy as np


def compute_confusion(truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return float64 [class, class]: of the patches with a missed row class, the share with a false column class."""
    missed = ((truth > 0.5) & ~predictions).astype(np.float32)
    invented = ((truth < 0.5) & predictions).astype(np.float32)
    together = (missed.T @ invented).astype(np.float64)  # counts below 2**24 are exact in float32
    shares: np.ndarray = together / np.maximum(missed.sum(axis=0, dtype=np.float64), 1)[:, None]
    return shares
