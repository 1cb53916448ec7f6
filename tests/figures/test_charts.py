"""Pictures are whole, deterministic, and take any class name."""

from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from landscribe.figures.charts import (
    draw_bars,
    draw_dots,
    draw_histogram,
    draw_images,
    draw_intervals,
    draw_matrix,
    draw_note,
    draw_panels,
    figure,
    make_text,
    shorten,
    tick_whole_numbers,
)

# The last would be refused as a formula, if it were read as one.
NAMES = [
    "Beaches, dunes, sands",
    "a name far too long to stand beside any plot, and then some",
    "_hidden",
    r"$\frac$ $",
]
IMAGES = [np.full((side, side, 3), side, np.uint8) for side in (4, 9, 5, 6, 7)]
Draw = Callable[[Path], None]
DRAWINGS: dict[str, Draw] = {
    "bars": lambda path: draw_bars(path, "Bars", NAMES, {"train": [1, 2, 3, 4], NAMES[3]: [0, 1, 0, 2]}, "patches"),
    "one series": lambda path: draw_bars(path, "Bars", NAMES, {"share": [0.1, np.nan, 0.3, 0]}, "share", "{:.0%}"),
    "dots": lambda path: draw_dots(path, "Dots", NAMES, {"val": [0.1, 0.2, 0, 1], NAMES[2]: [0, 0, 0, 0.5]}, "share"),
    "no dots": lambda path: draw_dots(path, "Dots", NAMES, {"val": [0] * 4}, "share"),
    "histogram": lambda path: draw_histogram(path, "Histogram", np.array([1, 1, 4]), "classes", "patches"),
    "matrix": lambda path: draw_matrix(path, "Matrix", NAMES, np.eye(4), ("row", "column")),
    "no share": lambda path: draw_matrix(path, "Matrix", NAMES, np.zeros((4, 4)), ("row", "column")),
    "intervals": lambda path: draw_intervals(
        path, "Intervals", NAMES, [0.5] * 4, np.array([[0.4, 0.6]] * 3 + [[np.nan, np.nan]]), [0.1] * 4, "share"
    ),
    "lines": lambda path: draw_panels(
        path, "Lines", [1, 2, 3], {"": {NAMES[2]: [3, 2, 1], NAMES[3]: [3, 3, 2]}}, "epoch"
    ),
    "one point": lambda path: draw_panels(path, "Lines", [1], {"": {"loss": [float("nan")]}}, "epoch"),
    "images": lambda path: draw_images(path, "Images", IMAGES, [NAMES] * 5),
    "one image": lambda path: draw_images(path, "Images", IMAGES[:1], [[]]),
    "no image": lambda path: draw_images(path, "Images", [], []),
    "note": lambda path: draw_note(path, "Note", NAMES[3]),
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


def test_the_axes_of_a_matrix_are_named_and_its_largest_share_is_darkest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(plt, "close", drawn.append)
    shares = np.array([[0.0, 0.02, 0.3], [0.12, 0.0, 0.0], [np.nan] * 3])
    draw_matrix(tmp_path / "matrix.png", "Matrix", NAMES[:3], shares, ("missed", "given"))
    axes = drawn[0].axes[0]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("missed", "given")
    assert [text.get_text() for text in axes.texts] == ["30", "12"]
    image = axes.images[0]
    lightness = np.asarray(image.cmap(image.norm(shares[:2])))[..., :3].mean(axis=-1)
    np.testing.assert_array_equal(
        np.argsort(-lightness.ravel(), kind="stable"), np.argsort(shares[:2].ravel(), kind="stable")
    )


def test_every_series_is_in_the_legend(tmp_path: Path) -> None:
    for name in ("_one", "_two"):
        draw_panels(tmp_path / f"{name}.png", "Lines", [1, 2], {"": {name: [1, 2]}}, "epoch")
    assert (tmp_path / "_one.png").read_bytes() != (tmp_path / "_two.png").read_bytes()


@pytest.mark.parametrize("num_epochs", [1, 2, 3, 40])
def test_no_tick_is_at_half_an_epoch(tmp_path: Path, num_epochs: int) -> None:
    with figure(tmp_path / "epochs.png", 7, 4) as axes:
        axes.plot(range(1, num_epochs + 1), [0.5] * num_epochs)
        tick_whole_numbers(axes)
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert ticks
    assert all(tick == round(tick) for tick in ticks)


@pytest.mark.parametrize("limit", [5, 12, 40])
def test_a_short_name_fits_and_is_the_beginning(limit: int) -> None:
    for name in NAMES:
        short = shorten(name, limit)
        assert len(short) <= limit
        assert name.startswith(short.rstrip("…"))
        assert (short == name) == (len(name) <= limit)
        assert make_text(name, limit).replace(r"\$", "$").lstrip() == short
