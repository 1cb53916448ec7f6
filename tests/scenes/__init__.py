"""Tests of the reading of scenes."""
