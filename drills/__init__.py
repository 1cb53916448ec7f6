"""Slow proofs, run by `make drill`."""
