"""Pictures are whole, deterministic, and take any class name."""

from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from landscribe.charts import draw_bars, draw_lines, draw_matrix, figure, shorten

NAMES = ["Beaches, dunes, sands", "a name far too long to stand beside any plot, and then some", "_hidden", "50% $x$ $"]
Draw = Callable[[Path], None]
DRAWINGS: dict[str, Draw] = {
    "bars": lambda path: draw_bars(path, "Bars", NAMES, {"train": [1, 2, 3, 4], "test": [0, 1, 0, 2]}, "patches"),
    "one series": lambda path: draw_bars(path, "Bars", NAMES, {"share": [0.1, 0.2, 0.3, 0.4]}, "share"),
    "matrix": lambda path: draw_matrix(path, "Matrix", NAMES, np.eye(4)),
    "lines": lambda path: draw_lines(path, "Lines", [1, 2, 3], {"loss": [3, 2, 1], "val_loss": [3, 3, 2]}, "epoch"),
    "one point": lambda path: draw_lines(path, "Lines", [1], {"loss": [float("nan")]}, "epoch"),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_picture_is_whole_and_has_the_same_bytes_again(name: str, tmp_path: Path) -> None:
    paths = [tmp_path / "first" / "chart.png", tmp_path / "second" / "chart.png"]
    for path in paths:
        DRAWINGS[name](path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with Image.open(paths[0]) as picture:
        assert np.asarray(picture.convert("L")).std() > 1
    assert list(paths[0].parent.iterdir()) == [paths[0]]
    assert not plt.get_fignums()  # nothing stays open


def test_a_drawing_that_fails_leaves_neither_file_nor_figure(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), figure(tmp_path / "chart.png", 3, 3):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    assert not plt.get_fignums()


def test_other_values_give_another_picture(tmp_path: Path) -> None:
    for number in (1, 2):
        draw_bars(tmp_path / f"{number}.png", "Bars", ["a"], {"share": [float(number)]}, "share")
    assert (tmp_path / "1.png").read_bytes() != (tmp_path / "2.png").read_bytes()


@pytest.mark.parametrize("limit", [5, 12, 40])
def test_a_short_name_fits_and_is_the_beginning(limit: int) -> None:
    for name in NAMES:
        short = shorten(name, limit)
        assert len(short) <= limit
        assert name.startswith(short.rstrip("…"))
        assert (short == name) == (len(name) <= limit)
