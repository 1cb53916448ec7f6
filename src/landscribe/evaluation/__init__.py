"""Judging scores: metrics, thresholds, baselines and pictures, from NumPy and scikit-learn alone."""
