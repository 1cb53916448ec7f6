"""The best values survive their file, bit for bit, nested as in the section `train`."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from landscribe.search.best import read_best, write_best


@pytest.mark.parametrize("rate", [1e-5, 2e-3, 0.1 + 0.2, 1 / 3e4, 5e-324, 1.0])
def test_values_survive_yaml(tmp_path: Path, rate: float) -> None:
    values: dict[str, Any] = {"learning_rate": rate, "backbone": "ResNet50", "batch_size_patches": 16}
    values |= {"loss.name": "focal", "loss.focal.gamma": 2.5, "loss.focal.alpha": None, "augmentation.dihedral": False}
    write_best(values, tmp_path / "best_params.yaml")
    found = read_best(tmp_path / "best_params.yaml")
    assert found == values
    assert {key: type(value) for key, value in found.items()} == {key: type(value) for key, value in values.items()}


def test_the_file_is_an_overlay_of_the_section(tmp_path: Path) -> None:
    write_best({"learning_rate": 1e-3, "loss.name": "bce"}, tmp_path / "best_params.yaml")
    content = YAML(typ="safe").load(tmp_path / "best_params.yaml")
    assert content == {"learning_rate": 1e-3, "loss": {"name": "bce"}}
