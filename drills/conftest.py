"""The fixtures of the tests."""

from tests.conftest import demo_root, samples

__all__ = ["demo_root", "samples"]
