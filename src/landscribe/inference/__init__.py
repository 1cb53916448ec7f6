"""Inference: scores of patches, and the one way to them."""
