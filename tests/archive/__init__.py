"""Tests of the archive readers."""
