"""The networks that take seconds to build: each of them as those in tests/models."""

import pytest

from tests.models import test_applications, test_backbones


@pytest.mark.parametrize("name", test_backbones.LARGE_FAMILIES)
def test_a_large_backbone_takes_any_number_of_bands_as_they_are(name: str) -> None:
    test_backbones.test_a_backbone_takes_any_number_of_bands_as_they_are(name)


@pytest.mark.parametrize("name", [*test_backbones.LARGE_FAMILIES, "EfficientNetV2S"])
def test_the_range_of_a_large_network_is_that_of_keras(name: str) -> None:
    test_applications.test_the_range_is_that_of_keras(name)
