"""Every layout from the archive to a challenger in the registry, through the real `dvc repro`."""

from pathlib import Path

import pandas as pd
import pytest

from tests.support.checkout import Checkout
from tests.support.layouts import LAYOUTS

SMALL = "search.trials=0 train.epochs=1 train.batch_size_patches=8 discover.max_bad_fraction=0"


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_goes_to_the_registry(name: str, demo_root: Path, tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "checkout")
    words = LAYOUTS[name](demo_root, tmp_path / "archive")
    text = checkout.repro(f"{words} {SMALL}")
    assert "landscribe version 1 (alias challenger)" in text
    assert "Traceback" not in text
    assert checkout.read("metrics/test.json")["test_num_patches"] == len(
        pd.read_parquet(checkout.folder / "scores/test.parquet")
    )
    assert "Running stage 'discover'" not in checkout.run("dvc", "repro").stdout
